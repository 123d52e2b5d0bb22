"""From cutouts that were sent to stamps, in this process or in others.

This module imports little, because every process that reads imports it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skylike.service import caller, calls, fits, stamp
from skylike.service.calls import Stage, StageName
from skylike.service.errors import BadCutout, BadStamp, Closed
from skylike.service.flags import Flag
from skylike.service.processes import ProcessDied, Processes, num_cores
from skylike.service.stamp import StampSpec

_LOOK_SECONDS = 1.0  # for whether somebody who waits has gone
_WORTH_IT = 16  # cutouts that are worth the way to another process and back
# If one took the core of who holds the interpreter, all others would wait for both.
_YIELDING = 10


@dataclass(frozen=True, slots=True)
class CutoutQuery:
    """A new piece of sky: the bytes of a FITS file."""

    fits: bytes
    hdu: str | None = None
    name: str | None = None
    axis_kind: Literal["bands", "spectral"] | None = None
    stokes: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How a cutout was read; `resolution_pixels` is that of its stamp, if known."""

    hdu: str
    axes: fits.Axes
    shape: tuple[int, ...]
    position: fits.SkyPosition | None
    pixel_scale_arcsec: float | None
    unit: str
    flags: Flag
    valid_fraction: float
    warnings: tuple[str, ...]
    resolution_pixels: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Stamped:
    """A cutout that was read; its stamp has the shape that the model wants."""

    reading: Reading
    stamp: NDArray[np.float32]


def see(
    cutout: CutoutQuery, spec: StampSpec, limits: fits.Limits
) -> tuple[fits.Image, stamp.Stamp]:
    """Read a cutout and make the stamp the model wants; errors name the cutout."""
    options = fits.Options(
        hdu=cutout.hdu,
        axis_kind=cutout.axis_kind,
        stokes=cutout.stokes,
        limits=limits,
    )
    caller.check()
    try:
        with Stage("decode"):
            image = fits.read(cutout.fits, options)
        with Stage("stamp"):
            return image, stamp.make(image, spec)
    except (BadCutout, BadStamp) as error:
        if not cutout.name:
            raise
        raise type(error)(f"{cutout.name}: {error}", reason=error.reason) from error


def stamped(cutout: CutoutQuery, spec: StampSpec, limits: fits.Limits) -> Stamped:
    """The stamp of a cutout, as a question.

    Raises
    ------
    BadCutout, BadStamp
        If it gives none; ``constant`` if all its pixels are equal: it looks like nothing.
    """
    image, made = see(cutout, spec, limits)
    refuse_constant(made.flags, cutout.name or "the cutout")
    reading = Reading(
        hdu=image.hdu,
        axes=image.axes,
        shape=image.pixels.shape,
        position=image.position,
        pixel_scale_arcsec=image.pixel_scale_arcsec,
        unit=image.unit,
        flags=made.flags,
        valid_fraction=made.valid_fraction,
        warnings=image.warnings,
        resolution_pixels=made.resolution_pixels,
    )
    return Stamped(reading, made.pixels)


def stamped_all(
    cutouts: Sequence[CutoutQuery], spec: StampSpec, limits: fits.Limits
) -> list[Stamped | Exception]:
    """As `stamped` of each, or what that raises."""
    found: list[Stamped | Exception] = []
    for cutout in cutouts:
        try:
            found.append(stamped(cutout, spec, limits))
        except Exception as error:  # told where it was asked
            found.append(error)
    return found


def refuse_constant(flags: Flag, name: str) -> None:
    """Raise `BadStamp` where every pixel has the same value."""
    if Flag.CONSTANT in flags:
        raise BadStamp(
            f"{name} has the same value in every pixel: nothing looks like it",
            reason="constant",
        )


Task: TypeAlias = tuple[Sequence[CutoutQuery], StampSpec, fits.Limits]
Answer: TypeAlias = tuple[list[Stamped | Exception], Mapping[StageName, float]]


def read(task: Task) -> Answer:
    """What a process does: as `stamped_all`, and how long each stage took."""
    call = calls.begin("OK")
    return stamped_all(*task), call.seconds


class Readers:
    """Processes that read what is sent in numbers. Safe from any thread.

    They read beside what this one process has to do, of which Python lets one thread go
    on at a time; each starts when there is work for it.

    Parameters
    ----------
    processes
        That `read`; as many as there are cores by default.
    """

    def __init__(self, processes: Processes[Task, Answer] | None = None) -> None:
        self._processes = processes or Processes(read, num_cores(), _YIELDING)

    def stamped_all(
        self, cutouts: Sequence[CutoutQuery], spec: StampSpec, limits: fits.Limits
    ) -> list[Stamped | Exception]:
        """As `stamped_all`; ``crashed`` is the reason if one ends the process."""
        if len(cutouts) < _WORTH_IT:
            return stamped_all(cutouts, spec, limits)
        caller.check()
        return self._read((cutouts, spec, limits))

    def close(self) -> None:
        """End the processes."""
        self._processes.close()

    def _read(self, task: Task) -> list[Stamped | Exception]:
        try:
            found, seconds = self._answer(task)
        except ProcessDied:
            return self._with_care(task)
        for stage, spent in seconds.items():
            calls.spent(stage, spent)
        return found

    def _answer(self, task: Task) -> Answer:
        try:
            future = self._processes.submit(task)
        except RuntimeError as error:  # who is closed takes nothing any more
            raise Closed("the service is stopping") from error
        try:
            while True:
                try:
                    return future.result(_LOOK_SECONDS)
                except TimeoutError:
                    caller.check()
        finally:
            future.cancel()  # if nobody waits any more, and it has not begun

    def _with_care(self, task: Task) -> list[Stamped | Exception]:
        """The stamps of cutouts of which one has ended the process that read it."""
        cutouts, spec, limits = task
        if len(cutouts) == 1:
            name = cutouts[0].name or "the cutout"
            message = f"{name}: the process that read it died; it may lack memory"
            return [BadCutout(message, reason="crashed")]
        half = math.ceil(len(cutouts) / 2)
        return [
            one
            for part in (cutouts[:half], cutouts[half:])
            for one in self._read((part, spec, limits))
        ]
