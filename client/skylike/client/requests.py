"""From filters, options and jobs to the messages of the service."""

import uuid
from collections.abc import Sequence
from typing import Any

from skylike.client import filters
from skylike.client.errors import BadInput
from skylike.client.filters import Filter
from skylike.client.inputs import sendable, texts, to_position, to_value
from skylike.client.queries import (
    Ack,
    CompactJob,
    FitJob,
    IndexJob,
    ReindexJob,
    SnapshotJob,
    Work,
)
from skylike.v1 import catalog_pb2, job_pb2, types_pb2

_ACKS = {
    "sync": catalog_pb2.ACK_LEVEL_SYNC,
    "async": catalog_pb2.ACK_LEVEL_ASYNC,
}


def how(
    k: int,
    thumbnails: bool,
    where: Filter | None,
    exact: bool,
    effort: float,
    least: bool,
    min_score: float | None,
) -> dict[str, Any]:
    """The fields of a request that say what to find."""
    options = types_pb2.SearchOptions(
        filter=None if where is None else to_filter(where),
        exact=exact,
        effort=effort,
        least=least,
        min_score=min_score,
    )
    return {"k": _checked(k), "thumbnails": thumbnails, "options": options}


def writing(request_id: str | None, ack: Ack) -> catalog_pb2.WriteOptions:
    """How to write; without a name of its own the write gets one."""
    if ack not in _ACKS:
        raise BadInput(f"ack is {ack!r}; it can be 'sync' or 'async'", reason="bad_ack")
    return catalog_pb2.WriteOptions(request_id=named(request_id), ack=_ACKS[ack])


def named(request_id: str | None) -> str:
    """The name of a request: the one that is given, or one of its own."""
    name = str(uuid.uuid4()) if request_id is None else sendable(request_id)
    if not name:
        raise BadInput("a request_id is not empty", reason="bad_request_id")
    return name


def limit(number: int) -> int:
    """How many objects a map has at most."""
    if not 1 <= number < 2**32:
        raise BadInput(f"limit is {number}; it is 1 or more", reason="bad_limit")
    return number


def label(number: int) -> int:
    """The number of a cluster."""
    if not 0 <= number < 2**32:
        raise BadInput(f"label is {number}; it is a number from 0", reason="bad_label")
    return number


def counted(number: int, what: str, bits: int = 32) -> int:
    """A whole number that fits so many bits."""
    if not 0 <= number < 2**bits:
        raise BadInput(
            f"{what} is {number}; it is from 0, below 2^{bits}", reason=f"bad_{what}"
        )
    return number


def to_filter(one: Filter) -> types_pb2.Filter:
    """The message for a filter; deeper ones than Python can follow are refused."""
    try:
        return _filter(one)
    except RecursionError:
        raise BadInput("the filter is too deep", reason="bad_filter") from None


def to_job(work: Work) -> job_pb2.StartJobRequest:
    """The request that starts a job."""
    match work:
        case IndexJob():
            index = job_pb2.IndexJob(
                collection=sendable(work.collection),
                sources=texts(work.sources),
                max_reject_fraction=work.max_reject_fraction,
                calibration=texts(work.calibration),
                workers=counted(work.workers, "workers"),
                id_prefix=sendable(work.id_prefix),
            )
            return job_pb2.StartJobRequest(index=index)
        case FitJob():
            fit = job_pb2.FitJob(
                collection=sendable(work.collection or ""),
                calibration=texts(work.calibration),
                seed=None if work.seed is None else counted(work.seed, "seed"),
                method=sendable(work.method or ""),
                num_clusters=None
                if work.num_clusters is None
                else counted(work.num_clusters, "num_clusters"),
                layouts=texts(work.layouts),
            )
            return job_pb2.StartJobRequest(fit=fit)
        case ReindexJob():
            reindex = job_pb2.ReindexJob(
                alias=sendable(work.alias),
                model=sendable(work.model),
                max_reject_fraction=work.max_reject_fraction,
                calibration=texts(work.calibration),
            )
            return job_pb2.StartJobRequest(reindex=reindex)
        case CompactJob():
            compact = job_pb2.CompactJob(
                collection=sendable(work.collection or ""),
                kind=sendable(work.kind or ""),
            )
            return job_pb2.StartJobRequest(compact=compact)
        case SnapshotJob():
            snapshot = job_pb2.SnapshotJob(
                collection=sendable(work.collection or ""), path=sendable(work.path)
            )
            return job_pb2.StartJobRequest(snapshot=snapshot)
    raise TypeError(f"a {type(work).__name__} is no job")


def _filter(one: Filter) -> types_pb2.Filter:
    match one:
        case filters.Cone():
            cone = types_pb2.Cone(
                position=to_position(one.ra_deg, one.dec_deg), radius_deg=one.radius_deg
            )
            return types_pb2.Filter(cone=cone)
        case filters.OneOf():
            if isinstance(one.values, str):
                raise TypeError(f"expected several values, not {one.values!r} alone")
            values = [to_value(one.name, value) for value in one.values]
            named = types_pb2.AttributeIn(name=sendable(one.name), values=values)
            return types_pb2.Filter(attribute_in=named)
        case filters.Between():
            between = types_pb2.AttributeRange(
                name=sendable(one.name), low=one.low, high=one.high
            )
            return types_pb2.Filter(attribute_range=between)
        case filters.Observed():
            epoch = types_pb2.EpochRange(low_mjd=one.low_mjd, high_mjd=one.high_mjd)
            return types_pb2.Filter(epoch=epoch)
        case filters.Flagged():
            flags = types_pb2.FlagSet(flags=texts(one.flags))
            return types_pb2.Filter(flags=flags)
        case filters.Labelled():
            return types_pb2.Filter(label=sendable(one.label))
        case filters.WithIds():
            return types_pb2.Filter(ids=types_pb2.IdSet(ids=texts(one.ids)))
        case filters.All():
            return types_pb2.Filter(all=_filters(one.filters))
        case filters.AnyOf():
            return types_pb2.Filter(any=_filters(one.filters))
        case filters.Not():
            return types_pb2.Filter(negated=_filter(one.filter))
    raise TypeError(f"a {type(one).__name__} is no filter")


def _filters(several: Sequence[Filter]) -> types_pb2.FilterList:
    return types_pb2.FilterList(filters=[_filter(one) for one in several])


def _checked(k: int) -> int:
    """Refuse what the message cannot hold, or takes for its default."""
    if not 1 <= k < 2**32:
        raise BadInput(f"k is {k}; ask for 1 to 1000 hits", reason="bad_k")
    return k
