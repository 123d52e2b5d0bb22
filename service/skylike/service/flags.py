"""Quality flags: poor data are marked, not refused."""

import enum
import functools


class Flag(enum.IntFlag):
    """What is poor about a stamp; several may be set.

    The values are stored in archives: never renumber them.
    """

    EDGE = 1
    """Less than 90 % of the pixels hold data, because the frame ends."""
    MASKED = 2
    """Less than 90 % of the pixels hold data, because they are blank."""
    LOW_SN = 4
    """The brightest part is less than 5 sigma above the background."""
    SATURATED = 8
    """Many pixels share the highest value."""
    CONSTANT = 16
    """Every pixel has the same value: stored, never searched."""
    RESAMPLED = 32
    """The stamp has another pixel grid than the image."""
    COLLAPSED = 64
    """A spectral cube was reduced to fewer channels."""
    NO_BACKGROUND = 128
    """No noise to measure: scaled by the spread of all pixels instead."""

    @property
    def names(self) -> list[str]:
        """The names of the set flags, lowest bit first."""
        return list(_names(self))


@functools.cache  # few sets of flags are ever met, and each hit of an answer asks
def _names(flags: Flag) -> tuple[str, ...]:
    return tuple(flag.name for flag in Flag if flag in flags and flag.name)
