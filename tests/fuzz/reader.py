"""Read what comes down the pipe, and say how that went: the victim of ``damage.py``.

Standard input has one input after another, each behind its length in eight bytes;
standard output gets a line of JSON for each. What may come out is an `Image` that is
sound, or a documented error; anything else stands under ``trouble``.
"""

import faulthandler
import functools
import json
import os
import random
import re
import resource
import signal
import sys
import tempfile
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from skylike.service import fits, stamp
from skylike.service.errors import BadCutout, BadStamp

README = Path(__file__).parents[2] / "service" / "README.md"
LONGEST = 1000
STOKES = [None] * 60 + ["I", "Q", "\0"]
MOST_BANDS = 16  # that a model may want
# Beyond this many bytes a file is not read in one go, but where it lies.
LARGE = 2**20
HDUS = (
    [None] * 60
    + ["0", "1", "2", "SCI", "SCI,2", "[3:9,2:30]", "[1][1:5,1:5]", "g=1;r=2"]
    + ["g=SCI;r=SCI,2", "[SCI][2:400000000,1:3]", "WHT", "PRIMARY"]
)


@functools.cache
def documented() -> frozenset[str]:
    """The reason codes of the service's README, of files and of stamps."""
    rows = re.findall(
        r"^\| . (?:unreadable file|no stamp) \|(.*)$",
        README.read_text("utf-8"),
        re.M,
    )
    codes = frozenset(re.findall(r"`([a-z_]+)`", "".join(rows)))
    if not codes:
        raise SystemExit(f"no reason codes in {README}")
    return codes


def faults(image: fits.Image) -> Iterator[str]:
    """What is wrong with an image that was returned."""
    pixels = image.pixels
    if pixels.dtype != np.dtype("=f4") or not pixels.flags.c_contiguous:
        yield f"pixels are {pixels.dtype}, {pixels.flags}"
    if pixels.ndim != 3 or not pixels.size:
        yield f"the shape is {pixels.shape}"
    if np.isinf(pixels).any():
        yield "pixels are infinite"
    if (where := image.position) and not (
        0 <= where.ra_deg < 360 and -90 <= where.dec_deg <= 90
    ):
        yield f"the position is {where}"
    texts = [image.name, image.unit, image.hdu, image.spectral_unit]
    for text in [*texts, *image.bands, *image.warnings]:
        yield from unfit(text)


def unfit(text: str) -> Iterator[str]:
    """Why a text cannot be shown."""
    if not text.isprintable() or len(text) > LONGEST:
        yield f"a text of {len(text)} characters cannot be shown: {text[:200]!r}"


def place(world: fits.World) -> Iterator[str]:
    """What is wrong with world coordinates."""
    x = np.array([0.0, 3.0, 1e6])
    ra, dec = world.to_sky(x, x)
    if not np.all(np.isnan(ra) | ((np.asarray(ra) >= 0) & (np.asarray(ra) < 360))):
        yield f"the right ascension is {ra}"
    world.to_pixels(np.array([0.0, 150.1]), np.array([90.0, 2.2]))
    if np.isnan(dec).all() != np.isnan(ra).all():
        yield f"a position is half there: {ra}, {dec}"


def stamped(image: fits.Image) -> str:
    """Make a stamp of it; the reason if there is none."""
    if len(image.bands) > MOST_BANDS:
        return "stamp"
    spec = stamp.StampSpec(axes=image.axes, channels=image.bands or ("x",))
    try:
        stamp.make(image, spec)
    except BadStamp as error:
        return error.reason
    return "stamp"


def compare(source: Any, options: fits.Options, chance: random.Random) -> Iterator[str]:
    """Read boxes, and whether they are parts of the whole."""
    with fits.opened(source, options) as frame:
        boxes = [some_box(frame, chance) for _ in range(3)]
        parts = []
        for box in boxes:
            try:
                parts.append((box, frame.read(box)))
            except BadCutout as error:
                yield from unfit(str(error))
        whole = frame.read(fits.Box(0, 0, frame.shape[2], frame.shape[1]))
        for box, part in parts:
            yield from faults(part)
            inner = box.within(frame.shape[2], frame.shape[1])
            cut = part.pixels[
                :,
                inner.y0 - box.y0 : inner.y1 - box.y0,
                inner.x0 - box.x0 : inner.x1 - box.x0,
            ]
            wanted = whole.pixels[:, inner.y0 : inner.y1, inner.x0 : inner.x1]
            if not np.array_equal(cut, wanted, equal_nan=True):
                yield f"{box} is not a part of the whole"


def some_box(frame: fits.Frame, chance: random.Random) -> fits.Box:
    """A small rectangle in, over the edge of, or beyond the frame."""
    _, ny, nx = frame.shape
    x, y = chance.randint(-9, nx + 2), chance.randint(-9, ny + 2)
    return fits.Box(x, y, x + chance.randint(-1, 40), y + chance.randint(0, 40))


def examine(data: bytes) -> tuple[list[str], list[str]]:
    """What came out of one input, and what should not have.

    How it is read is drawn from its bytes, so that a file alone can be replayed.
    """
    chance = random.Random(zlib.crc32(data))
    options = fits.Options(
        hdu=chance.choice(HDUS),
        axis_kind=chance.choice((None, None, "bands", "spectral")),
        stokes=chance.choice(STOKES),
        strict=chance.random() < 0.1,
    )
    if chance.random() < 0.9:
        return read(data, options, chance)
    with tempfile.NamedTemporaryFile(suffix=".fits") as file:
        file.write(data)
        if chance.random() < 0.7:
            file.truncate(max(LARGE + 1, len(data)))
        file.flush()
        return read(Path(file.name), options, chance)


def read(
    source: Any, options: fits.Options, chance: random.Random
) -> tuple[list[str], list[str]]:
    """Read a file in one of several ways."""
    trouble: list[str] = []
    try:
        image = fits.read(source, options)
        outcome = ["image"]
        trouble += faults(image)
        if image.world is not None:
            trouble += place(image.world)
        if chance.random() < 0.3:
            outcome.append(stamped(image))
        if chance.random() < 0.3:
            trouble += compare(source, options, chance)
    except BadCutout as error:
        outcome = [error.reason]
        trouble += unfit(str(error).replace(str(source), "") if isinstance(source, Path) else str(error))  # fmt: skip
    trouble += [f"{code} is not documented" for code in outcome if code not in documented() | {"image", "stamp"}]  # fmt: skip
    return outcome, trouble


def guarded(data: bytes) -> dict[str, Any]:
    """The answer to one input, whatever happens."""
    outcome: list[str] = []
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        try:
            outcome, trouble = examine(data)
        except Exception:
            trouble = [traceback.format_exc()]
    trouble += [f"{w.filename}:{w.lineno}: a warning leaked: {w.message}" for w in leaked]  # fmt: skip
    if os.fstat(2).st_size:
        os.lseek(2, 0, os.SEEK_SET)
        trouble.append(f"text on stderr: {os.read(2, LONGEST)!r}")
        os.ftruncate(2, 0)
    return {"outcome": outcome, "trouble": trouble}


def main(memory: str) -> None:
    """Answer until the pipe ends; the memory limit is in bytes."""
    faulthandler.register(signal.SIGUSR1)
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    documented()
    ask: Callable[[int], bytes] = sys.stdin.buffer.read
    while head := ask(8):
        answer = guarded(ask(int.from_bytes(head, "big")))
        usage = resource.getrusage(resource.RUSAGE_SELF)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        answer |= {"peak": usage.ru_maxrss * 1024, "space": pages * resource.getpagesize()}  # fmt: skip
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
