"""`Part`: one HDU of a frame, and how its axes lie."""

import dataclasses

from skylike.service.fits import axes
from skylike.service.fits.store import Store
from skylike.service.fits.structure import Hdu


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One HDU of a frame, and how its axes lie."""

    store: Store
    hdu: Hdu
    layout: axes.Layout

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns."""
        shape, layout = self.hdu.shape, self.layout
        channels = 1 if layout.channel is None else shape[layout.channel]
        return channels, shape[layout.y], shape[layout.x]

    @property
    def is_ordered(self) -> bool:
        """Whether a row of the image is one of the file."""
        count = len(self.hdu.shape)
        return (self.layout.y, self.layout.x) == (count - 2, count - 1)

    def plane(self, channel: int) -> tuple[int, ...]:
        """Which plane of the axes before the image a channel is."""
        return tuple(
            channel if i == self.layout.channel else taken
            for i, taken in enumerate(self.layout.taken[:-2])
        )
