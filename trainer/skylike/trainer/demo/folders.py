"""The four folders a demo works on, simulated or linked to a user's files.

``archive`` is trained on and indexed. The others are new to both: ``calibration``
makes p-values possible, ``ordinary`` and ``artefacts`` put them to the test.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skylike.service import fits, stamp
from skylike.service.errors import BadInput
from skylike.service.flags import Flag
from skylike.service.folders import find_files
from skylike.service.stamp import StampSpec
from skylike.trainer import sky

NUM_ARCHIVE = 2000
NUM_CALIBRATION = 1000
NUM_ORDINARY = 200
NUM_ARTEFACTS = 50
_MIN_FILES = 50
_SEED = 20


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the four parts of a sky lie; artefacts only if it is simulated."""

    archive: Path
    calibration: Path
    ordinary: Path
    artefacts: Path | None
    truth: tuple[Path, ...]


def simulate(root: Path, *, progress: bool) -> Folders:
    """Draw a sky; artefacts are in none of the ordinary parts."""
    parts = {
        "archive": (NUM_ARCHIVE, 0.0),
        "calibration": (NUM_CALIBRATION, 0.0),
        "ordinary": (NUM_ORDINARY, 0.0),
        "artefacts": (NUM_ARTEFACTS, 1.0),
    }
    truth = tuple(
        sky.simulate(root / name, count, _SEED + i, artefacts=share, progress=progress)
        for i, (name, (count, share)) in enumerate(parts.items())
    )
    archive, calibration, ordinary, artefacts = (root / name for name in parts)
    return Folders(archive, calibration, ordinary, artefacts, truth)


def divide(root: Path, source: Path) -> Folders:
    """Deal a user's files out: 75 % archive, 20 % calibration, 5 % ordinary.

    The parts are folders of links; the files stay where they are.

    Raises
    ------
    BadInput
        ``too_few`` below 50 files.
    """
    paths = [Path(path) for path in find_files([source])]
    if len(paths) < _MIN_FILES:
        raise BadInput(
            f"{source} holds {len(paths)} FITS files; training needs {_MIN_FILES} or "
            "more",
            reason="too_few",
        )
    order = np.random.default_rng(_SEED).permutation(len(paths))
    ends = [round(0.75 * len(paths)), round(0.95 * len(paths))]
    names = ("archive", "calibration", "ordinary")
    for name, part in zip(names, np.split(order, ends), strict=True):
        for number in part:
            link = root / name / paths[number].relative_to(source)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(paths[number].absolute())
    archive, calibration, ordinary = (root / name for name in names)
    return Folders(archive, calibration, ordinary, artefacts=None, truth=())


def choose_queries(folder: Path, spec: StampSpec, count: int = 3) -> list[Path]:
    """The first files of a folder that give a stamp."""
    chosen: list[Path] = []
    for path in map(Path, find_files([folder])):
        try:
            made = stamp.make(fits.read(path), spec)
        except BadInput:
            continue
        if Flag.CONSTANT not in made.flags:
            chosen.append(path)
        if len(chosen) == count:
            break
    return chosen
