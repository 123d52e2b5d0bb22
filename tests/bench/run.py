"""``make bench``: measure, write the reports, and print them."""

import argparse
import sys
from pathlib import Path

from tests.bench import imaging
from tests.bench.measure import write

OUT = Path("build/bench")


def main() -> None:
    """Measure one theme, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["imaging"])
    parser.add_argument("--frame", type=Path, help="a compressed image to cut")
    given = parser.parse_args()
    command = " ".join(["make bench", *(["ONLY=" + given.only] if given.only else [])])
    write("imaging", imaging.measure(given.frame), OUT, command)
    sys.stdout.write((OUT / "imaging.md").read_text())


if __name__ == "__main__":
    main()
