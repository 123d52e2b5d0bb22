"""From the protos' filters and options to those of collections."""

import copy
import hashlib
import math
from typing import TypeAlias

from skylike.service import columns
from skylike.service.collection import DURABLE, How, Writing
from skylike.service.columns import Filter
from skylike.service.errors import BadRequest
from skylike.service.fits import SkyPosition
from skylike.service.flags import Flag
from skylike.v1 import catalog_pb2, teaching_pb2, types_pb2

_Write: TypeAlias = (
    catalog_pb2.AddObjectsRequest
    | catalog_pb2.DeleteObjectsRequest
    | catalog_pb2.SetAttributesRequest
    | catalog_pb2.SetLabelsRequest
    | catalog_pb2.RenameClusterRequest
    | teaching_pb2.RateObjectsRequest
)
_Value = str | int | float | bool


def how_from(message: types_pb2.SearchOptions) -> How:
    """How to search; empty where nothing is said."""
    how = How()
    if message.HasField("filter"):
        how["where"] = filter_from(message.filter)
    if message.exact:
        how["exact"] = True
    if message.effort:
        how["effort"] = message.effort
    if message.least:
        how["least"] = True
    if message.HasField("min_score"):
        how["min_score"] = message.min_score
    return how


def writing_from(request: _Write) -> Writing:
    """What a write promises, and what it is called."""
    message = request.options
    if message.ack not in catalog_pb2.AckLevel.values():
        raise BadRequest(
            f"the level {message.ack} is not known to this service", reason="bad_ack"
        )
    is_durable = message.ack != catalog_pb2.ACK_LEVEL_ASYNC
    if not message.request_id and is_durable:
        return DURABLE
    digest = _digest(request) if message.request_id else ""
    return Writing(message.request_id, is_durable, digest)


def _digest(request: _Write) -> str:
    """Of what was asked, but for how, and by which of its names the collection is called."""
    asked = copy.deepcopy(request)
    asked.ClearField("options")
    asked.ClearField("collection")
    asked_as = request.DESCRIPTOR.full_name.encode()
    return hashlib.sha256(
        asked_as + b"\0" + asked.SerializeToString(deterministic=True)
    ).hexdigest()


def filter_from(message: types_pb2.Filter, depth: int = 1) -> Filter:
    """A filter.

    Raises
    ------
    BadRequest
        ``bad_filter`` if it is empty, says something without meaning, or is deeper
        than filters may be.
    """
    if depth > columns.MAX_DEPTH:
        raise _bad(f"it is deeper than {columns.MAX_DEPTH} levels")
    match message.WhichOneof("condition"):
        case "cone":
            cone = message.cone
            if not cone.HasField("position"):
                raise _bad("a cone has no position")
            return columns.Cone(position_from(cone.position), cone.radius_deg)
        case "attribute_in":
            one = message.attribute_in
            values = tuple(value_from(one.name, value) for value in one.values)
            return columns.OneOf(one.name, values)
        case "attribute_range":
            low, high = _ends(message.attribute_range, "low", "high")
            return columns.Between(message.attribute_range.name, low, high)
        case "epoch":
            return columns.Observed(*_ends(message.epoch, "low_mjd", "high_mjd"))
        case "flags":
            return columns.Flagged(_flags(message.flags))
        case "label":
            return columns.Labelled(message.label)
        case "ids":
            return columns.WithIds(frozenset(message.ids.ids))
        case "all":
            return columns.All(_parts(message.all, depth))
        case "any":
            return columns.AnyOf(_parts(message.any, depth))
        case "negated":
            return columns.Not(filter_from(message.negated, depth + 1))
        case None:
            raise _bad("one of its parts has no condition")


def position_from(message: types_pb2.Position) -> SkyPosition:
    """A position as it is; who uses it checks it."""
    return SkyPosition(message.ra_deg, message.dec_deg)


def value_from(name: str, value: types_pb2.Value) -> _Value:
    """The value of an attribute; `BadRequest` (``bad_attribute``) without one."""
    match value.WhichOneof("kind"):
        case "number":
            return value.number
        case "text":
            return value.text
        case "truth":
            return value.truth
        case "integer":
            return value.integer
        case None:
            raise BadRequest(
                f"the attribute {name!r} has no value", reason="bad_attribute"
            )


def _parts(message: types_pb2.FilterList, depth: int) -> tuple[Filter, ...]:
    return tuple(filter_from(part, depth + 1) for part in message.filters)


def _ends(
    message: types_pb2.AttributeRange | types_pb2.EpochRange, *names: str
) -> tuple[float | None, float | None]:
    low, high = (
        getattr(message, name) if message.HasField(name) else None  # type: ignore[arg-type]
        for name in names
    )
    if any(end is not None and math.isnan(end) for end in (low, high)):
        raise _bad("a number is compared with NaN")
    return low, high


def _flags(message: types_pb2.FlagSet) -> Flag:
    found = Flag(0)
    for name in message.flags:
        if name not in Flag.__members__:
            known = ", ".join(Flag.__members__)
            raise _bad(f"there is no flag {name!r}; there are: {known}")
        found |= Flag[name]
    return found


def _bad(what: str) -> BadRequest:
    return BadRequest(f"the filter cannot be used: {what}", reason="bad_filter")
