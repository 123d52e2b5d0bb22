"""``make bench``: measure, write the reports, and print them."""

import argparse
import importlib
import sys
from pathlib import Path

from tests.bench.measure import write

OUT = Path("build/bench")
THEMES = (
    "imaging",
    "encoder",
    "training",
    "collection",
    "indexing",
    "kinds",
    "service",
)
LONG_THEMES = ("scale", "explorer", "anomalies", "teaching")  # by themselves only


def main() -> None:
    """Measure one theme, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=THEMES + LONG_THEMES)
    parser.add_argument("--frame", type=Path, help="a compressed image to cut")
    given = parser.parse_args()
    command = " ".join(["make bench", *(["ONLY=" + given.only] if given.only else [])])
    for theme in [given.only] if given.only else THEMES:
        # Here, since each theme needs other packages, and time to import them.
        measure = importlib.import_module(f"tests.bench.{theme}").measure
        found = measure(given.frame) if theme == "imaging" else measure()
        write(theme, found, OUT, command)
        sys.stdout.write((OUT / f"{theme}.md").read_text())


if __name__ == "__main__":
    main()
