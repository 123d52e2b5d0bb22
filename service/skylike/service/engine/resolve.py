"""From what was asked about to its vector."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from skylike.service import caller, fits
from skylike.service.catalog.sky_object import NO_FLAGS
from skylike.service.collection import Collection, SkyObject
from skylike.service.columns import Cone
from skylike.service.encoder import Encoder
from skylike.service.engine.separation import separation_deg
from skylike.service.engine.types import (
    ExamplesQuery,
    IdQuery,
    Query,
    SkyQuery,
    VectorQuery,
)
from skylike.service.errors import (
    BadRequest,
    ModelMismatch,
    UnknownId,
)
from skylike.service.fits import SkyPosition
from skylike.service.flags import Flag
from skylike.service.stamp import StampSpec
from skylike.service.uploads import (
    CutoutQuery,
    Reading,
    Stamped,
    refuse_constant,
    stamped_all,
)

Read: TypeAlias = Callable[
    [Sequence[CutoutQuery], StampSpec, fits.Limits], list[Stamped | Exception]
]
See: TypeAlias = Callable[
    [Sequence[CutoutQuery], Encoder, fits.Limits], "list[Resolved | Exception]"
]
_MOST_EXAMPLES = 1000  # and counter-examples, of a question
_MOST_NEAR = 10_000  # objects among which the nearest to a place is looked for


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
    ids
        The objects of the collection that it is, or is made of: never found.
    attributes
        What is known of it, as of an object, with its valid fraction.
    flags
        What is poor about it.
    """

    vector: NDArray[np.float32]
    reading: Reading | None = None
    position: SkyPosition | None = None
    ids: tuple[str, ...] = ()
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    flags: Flag = NO_FLAGS


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
        If no object has the id, or none lies near the place (``nothing_there``).
    """
    [found] = resolve_all([query], collection, encoder, limits)
    if isinstance(found, Exception):
        raise found
    return found


def seen_all(
    cutouts: Sequence[CutoutQuery],
    encoder: Encoder,
    limits: fits.Limits,
    read: Read = stamped_all,
) -> list[Resolved | Exception]:
    """As `resolve` of each cutout, or what that raises.

    They are read together, by `read`, and those that give a stamp are embedded together.
    """
    found = read(cutouts, encoder.spec, limits)
    stamps = [one.stamp for one in found if isinstance(one, Stamped)]
    caller.check()
    vectors = iter(encoder.embed(np.array(stamps))) if stamps else iter(())
    return [
        _seen(next(vectors), one.reading) if isinstance(one, Stamped) else one
        for one in found
    ]


def resolve_all(
    queries: Sequence[Query],
    collection: Collection,
    encoder: Encoder,
    limits: fits.Limits,
    see: See = seen_all,
) -> list[Resolved | Exception]:
    """As `resolve` of each, or what that raises; all cutouts by `see`."""
    cutouts = [query for query in queries if isinstance(query, CutoutQuery)]
    seen = iter(see(cutouts, encoder, limits))
    return [
        next(seen) if isinstance(query, CutoutQuery) else _kept(query, collection)
        for query in queries
    ]


def _seen(vector: NDArray[np.float32], reading: Reading) -> Resolved:
    """A cutout, by what an object made of it would tell."""
    known = {
        "valid_fraction": reading.valid_fraction,
        "pixel_scale_arcsec": reading.pixel_scale_arcsec,
        "stamp_resolution_pixels": reading.resolution_pixels,
    }
    return Resolved(
        vector,
        reading,
        reading.position,
        attributes={name: value for name, value in known.items() if value is not None},
        flags=reading.flags,
    )


def _kept(query: Query, collection: Collection) -> Resolved | Exception:
    """The vector of a query that is no cutout."""
    try:
        match query:
            case IdQuery():
                return _archived(collection.get(query.id), collection)
            case SkyQuery():
                return _archived(nearest_on_sky(query, collection), collection)
            case ExamplesQuery():
                _require_few(query)
                vector = collection.towards(query.like, query.unlike)
                return Resolved(vector, ids=(*query.like, *query.unlike))
            case VectorQuery():
                return Resolved(to_unit(query, collection))
            case CutoutQuery():
                raise TypeError("a cutout has to be read first")
    except Exception as error:  # told where it was asked
        return error


def _require_few(query: ExamplesQuery) -> None:
    num = len(query.like) + len(query.unlike)
    if num > _MOST_EXAMPLES:
        raise BadRequest(
            f"{num} examples and counter-examples were named; at most {_MOST_EXAMPLES} "
            "can be",
            reason="bad_batch_size",
        )


def _archived(found: SkyObject, collection: Collection) -> Resolved:
    refuse_constant(found.flags, f"the object {found.id!r}")
    return Resolved(
        collection.vector(found.id),
        position=found.position,
        ids=(found.id,),
        attributes={**found.attributes, "valid_fraction": found.valid_fraction},
        flags=found.flags,
    )


def nearest_on_sky(query: SkyQuery, collection: Collection) -> SkyObject:
    """The object nearest to a place; raises as `resolve`."""
    found = collection.scroll(Cone(query.position, query.radius_deg), limit=_MOST_NEAR)
    if not found:
        place = f"ra {query.position.ra_deg:.6f}, dec {query.position.dec_deg:.6f}"
        raise UnknownId(
            f"{collection.name!r} has no object within {query.radius_deg:.6g} degrees of "
            f"{place}",
            reason="nothing_there",
        )
    if len(found) == _MOST_NEAR:
        raise BadRequest(
            f"{_MOST_NEAR} objects or more lie within {query.radius_deg:.6g} degrees: ask "
            "for a smaller radius",
            reason="bad_radius",
        )

    def away(one: SkyObject) -> tuple[float, str]:
        return separation_deg(query.position, one.position) or 0.0, one.id

    return min((one for _, one in found), key=away)


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
