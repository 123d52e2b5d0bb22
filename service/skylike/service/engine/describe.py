"""What to store of a new object beside its vector."""

from skylike.service import thumbnail
from skylike.service.collection import SkyObject
from skylike.service.engine.types import NewObject
from skylike.service.fits import Image
from skylike.service.prepare import seen_attributes
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
            labels=new.labels,
        )
    image, made = seen
    return SkyObject(
        id=new.id,
        position=new.position or image.position,
        epoch_mjd=image.epoch_mjd if new.epoch_mjd is None else new.epoch_mjd,
        uri=new.uri,
        hdu=new.hdu or image.hdu,
        box=new.box,
        attributes={**seen_attributes(image, made), **new.attributes},
        labels=new.labels,
        flags=made.flags,
        valid_fraction=made.valid_fraction,
        thumbnail=thumbnail.render(image),
    )
