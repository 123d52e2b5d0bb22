"""What to store of a new object beside its vector."""

from skylike.service import thumbnail
from skylike.service.collection import SkyObject
from skylike.service.engine.types import NewObject
from skylike.service.fits import Image
from skylike.service.stamp import Stamp


def described(new: NewObject, seen: tuple[Image, Stamp] | None) -> SkyObject:
    """The object to store; what it does not say is taken from what was seen."""
    if seen is None:
        return SkyObject(
            id=new.id,
            position=new.position,
            epoch_mjd=new.epoch_mjd,
            uri=new.uri,
            hdu=new.hdu,
            box=new.box,
            attributes=new.attributes,
        )
    image, made = seen
    return SkyObject(
        id=new.id,
        position=new.position or image.position,
        epoch_mjd=image.epoch_mjd if new.epoch_mjd is None else new.epoch_mjd,
        uri=new.uri,
        hdu=new.hdu or image.hdu,
        box=new.box,
        attributes={**header_attributes(image), **new.attributes},
        flags=made.flags,
        valid_fraction=made.valid_fraction,
        thumbnail=thumbnail.render(image),
    )


def header_attributes(image: Image) -> dict[str, str | int | float | bool]:
    """What the header tells: ``name``, ``unit`` and ``pixel_scale_arcsec``."""
    attributes: dict[str, str | int | float | bool] = {}
    if image.name:
        attributes["name"] = image.name
    if image.unit:
        attributes["unit"] = image.unit
    if image.pixel_scale_arcsec is not None:
        attributes["pixel_scale_arcsec"] = image.pixel_scale_arcsec
    return attributes
