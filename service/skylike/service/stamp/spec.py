"""What a model wants of its input."""

from typing import Literal, Self

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from skylike.service.errors import BadModel
from skylike.service.fits import Axes

Collapse = Literal["moment0", "moment1", "moment2", "peak", "continuum"]


class StampSpec(BaseModel):
    """How to make a stamp; it travels inside the model file and nowhere else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    """Version of this description."""
    size: int = Field(default=64, ge=16, le=512)
    """Side of the stamp in pixels."""
    axes: Axes = Axes.IMAGE
    """What the channels are."""
    channels: tuple[str, ...] = Field(default=("intensity",), min_length=1)
    """Names of the channels, in order."""
    collapse: tuple[Collapse, ...] = ()
    """How a spectral cube becomes the channels, one for each; empty: the means of as
    many equal parts of it."""
    scale: Literal["pixel", "angular", "source"] = "pixel"
    """What a pixel of the stamp means: pixels of the image, whatever their size on
    the sky; an angle on the sky; or a part of the size of the central source."""
    fit: Literal["resize", "crop"] = "resize"
    """How any size becomes `size` at the scale `pixel`: the central square resampled
    to it, or the central `size` pixels as they are."""
    arcsec_per_pixel: float | None = Field(default=None, gt=0)
    """Size of a pixel of the stamp at the scale `angular`."""
    half_light_radii: float | None = Field(default=None, gt=0)
    """Half the side of the stamp at the scale `source`, in half-light radii."""
    background: Literal["border"] = "border"
    """How background and sigma are measured: in the stamp's border."""
    softening_sigma: float = Field(default=3.0, gt=0)
    """The stretch inside the model is asinh(x / softening), x in sigma."""

    @pydantic.model_validator(mode="after")
    def _channels_fit_axes(self) -> Self:
        if self.axes is Axes.IMAGE and len(self.channels) != 1:
            raise ValueError("an image has one channel")
        if len(set(self.channels)) != len(self.channels):
            raise ValueError("channels need different names")
        if self.collapse and len(self.collapse) != len(self.channels):
            raise ValueError("collapse needs one entry for each channel")
        return self

    @pydantic.model_validator(mode="after")
    def _scale_is_given(self) -> Self:
        if (self.scale == "angular") != (self.arcsec_per_pixel is not None):
            raise ValueError("arcsec_per_pixel belongs to the scale 'angular'")
        if (self.scale == "source") != (self.half_light_radii is not None):
            raise ValueError("half_light_radii belongs to the scale 'source'")
        return self

    def to_json(self) -> str:
        """The description as one line of JSON."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a description.

        Raises
        ------
        BadModel
            If it is not one, or of a later version.
        """
        try:
            return cls.model_validate_json(text)
        except pydantic.ValidationError as error:
            raise BadModel(
                f"the model's StampSpec cannot be understood: {error}"
            ) from error
