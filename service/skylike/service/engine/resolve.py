"""From what was asked about to its vector."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skylike.service import fits, stamp
from skylike.service.collection import Collection
from skylike.service.encoder import Encoder
from skylike.service.engine.types import (
    CutoutQuery,
    IdQuery,
    Query,
    Reading,
    VectorQuery,
)
from skylike.service.errors import BadCutout, BadRequest, BadStamp, ModelMismatch
from skylike.service.fits import SkyPosition
from skylike.service.flags import Flag


@dataclass(frozen=True, slots=True, eq=False)
class Resolved:
    """A query as the collection sees it.

    Attributes
    ----------
    vector : (dimension,) float32, unit norm
    reading
        How it was read, if it was a cutout.
    position
        Where it is, if known.
    id
        The object it is, if it was asked for by id.
    """

    vector: NDArray[np.float32]
    reading: Reading | None = None
    position: SkyPosition | None = None
    id: str | None = None


def resolve(
    query: Query, collection: Collection, encoder: Encoder, limits: fits.Limits
) -> Resolved:
    """Find or make the vector of a query.

    Raises
    ------
    BadCutout, BadStamp
        If a cutout gives no stamp; reason ``constant`` if all its pixels are equal,
        for then it looks like nothing.
    BadRequest, ModelMismatch
        If a vector is malformed or of another model.
    UnknownId
        If no object has the id.
    """
    match query:
        case CutoutQuery():
            image, made = see(query, encoder, limits)
            _refuse_constant(made.flags, query.name or "the cutout")
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
            )
            vector = encoder.embed(made.pixels[np.newaxis])[0]
            return Resolved(vector, reading, image.position)
        case IdQuery():
            found = collection.get(query.id)
            _refuse_constant(found.flags, f"the object {query.id!r}")
            vector = collection.vector(query.id)
            return Resolved(vector, position=found.position, id=query.id)
        case VectorQuery():
            return Resolved(to_unit(query, collection))


def see(
    cutout: CutoutQuery, encoder: Encoder, limits: fits.Limits
) -> tuple[fits.Image, stamp.Stamp]:
    """Read a cutout and make the stamp the model wants; errors name the cutout."""
    options = fits.Options(
        hdu=cutout.hdu,
        axis_kind=cutout.axis_kind,
        stokes=cutout.stokes,
        limits=limits,
    )
    try:
        image = fits.read(cutout.fits, options)
        return image, stamp.make(image, encoder.spec)
    except (BadCutout, BadStamp) as error:
        if not cutout.name:
            raise
        raise type(error)(f"{cutout.name}: {error}", reason=error.reason) from error


def to_unit(query: VectorQuery, collection: Collection) -> NDArray[np.float32]:
    """Check a vector against the collection and bring it to unit norm."""
    if query.model_id and query.model_id != collection.model_id:
        raise ModelMismatch(
            f"the vector was made by model {query.model_id}; collection "
            f"{collection.name!r} holds vectors of model {collection.model_id}"
        )
    if query.vector.shape != (collection.dimension,):
        raise ModelMismatch(
            f"the vector has the shape {query.vector.shape}; collection "
            f"{collection.name!r} needs ({collection.dimension},)",
            reason="dimension",
        )
    vector = np.asarray(query.vector, np.float64)
    if not np.isfinite(vector).all():
        raise BadRequest(
            "the vector holds NaN or infinite numbers", reason="not_finite"
        )
    norm = np.linalg.norm(vector)
    if norm == 0:
        raise BadRequest("the vector is zero and has no direction", reason="zero_norm")
    return np.asarray(vector / norm, np.float32)


def _refuse_constant(flags: Flag, what: str) -> None:
    if Flag.CONSTANT in flags:
        raise BadStamp(
            f"{what} has the same value in every pixel: nothing looks like it",
            reason="constant",
        )
