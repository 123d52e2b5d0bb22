"""``make bench``: measure, write the reports, and print them."""

import argparse
import sys
from pathlib import Path

from tests.bench import collection, encoder, imaging, indexing, scale, training
from tests.bench.measure import write

OUT = Path("build/bench")
THEMES = {
    "imaging": lambda given: imaging.measure(given.frame),
    "encoder": lambda given: encoder.measure(),
    "training": lambda given: training.measure(),
    "collection": lambda given: collection.measure(),
    "indexing": lambda given: indexing.measure(),
    "scale": lambda given: scale.measure(),
}


def main() -> None:
    """Measure one theme, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=list(THEMES))
    parser.add_argument("--frame", type=Path, help="a compressed image to cut")
    given = parser.parse_args()
    command = " ".join(["make bench", *(["ONLY=" + given.only] if given.only else [])])
    for theme in [given.only] if given.only else [t for t in THEMES if t != "scale"]:
        write(theme, THEMES[theme](given), OUT, command)
        sys.stdout.write((OUT / f"{theme}.md").read_text())


if __name__ == "__main__":
    main()
