"""A rectangle of pixels."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Box:
    """Columns `x0` to `x1` and rows `y0` to `y1`, 0-based, the end excluded.

    It may reach beyond the image, and lie anywhere.
    """

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def nx(self) -> int:
        """Number of columns."""
        return self.x1 - self.x0

    @property
    def ny(self) -> int:
        """Number of rows."""
        return self.y1 - self.y0

    @property
    def centre(self) -> tuple[float, float]:
        """Pixel coordinates x and y of its middle."""
        return (self.x0 + self.x1 - 1) / 2, (self.y0 + self.y1 - 1) / 2

    def moved(self, x: int, y: int) -> Self:
        """The same box, `x` columns and `y` rows further."""
        return type(self)(self.x0 + x, self.y0 + y, self.x1 + x, self.y1 + y)

    def touches(self, other: "Box") -> bool:
        """Whether they have a pixel in common."""
        return max(self.x0, other.x0) < min(self.x1, other.x1) and max(
            self.y0, other.y0
        ) < min(self.y1, other.y1)

    def within(self, nx: int, ny: int) -> Self:
        """The part of it inside an image of `nx` columns and `ny` rows."""
        return type(self)(
            min(max(self.x0, 0), nx),
            min(max(self.y0, 0), ny),
            max(min(self.x1, nx), 0),
            max(min(self.y1, ny), 0),
        )

    def share_within(self, nx: int, ny: int) -> float:
        """How much of it is inside an image of `nx` columns and `ny` rows, 0 to 1."""
        inner = self.within(nx, ny)
        return max(inner.nx, 0) * max(inner.ny, 0) / (self.nx * self.ny)
