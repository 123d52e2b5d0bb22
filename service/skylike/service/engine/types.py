"""What goes into the engine and what comes out; field for field as in the protos."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from skylike.service.anomaly import Correlation, Outstanding, Part
from skylike.service.clusters import Settings
from skylike.service.collection import Portrait, SkyObject
from skylike.service.columns import Filter
from skylike.service.fits import SkyPosition
from skylike.service.flags import Flag
from skylike.service.uploads import CutoutQuery, Reading

_Item = TypeVar("_Item")

NEAR_DEG = 5 / 3600
"""How far from a place its object may lie, by default."""


@dataclass(frozen=True, slots=True)
class IdQuery:
    """An object of the collection."""

    id: str


@dataclass(frozen=True, slots=True, eq=False)
class VectorQuery:
    """An embedding.

    Attributes
    ----------
    vector : (dimension,) float32
        Any length but zero.
    model_id
        The model that made it, if known.
    """

    vector: NDArray[np.float32]
    model_id: str | None = None


@dataclass(frozen=True, slots=True)
class ExamplesQuery:
    """What some objects of the collection have in common, and others have not."""

    like: tuple[str, ...]
    unlike: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SkyQuery:
    """The object of the collection that is nearest to a place, within a radius."""

    position: SkyPosition
    radius_deg: float = NEAR_DEG


Query = CutoutQuery | IdQuery | VectorQuery | ExamplesQuery | SkyQuery


@dataclass(frozen=True, slots=True)
class NewObject:
    """An object to add; what is None is taken from a cutout's header."""

    id: str
    input: CutoutQuery | VectorQuery
    position: SkyPosition | None = None
    epoch_mjd: float | None = None
    uri: str | None = None
    hdu: str | None = None
    box: tuple[int, int, int, int] | None = None
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Context:
    """Which archive answered; the answer knows at least this version's objects."""

    collection: str
    collection_version: int
    model_id: str


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """The embedding of a query: (dimension,) float32, unit norm."""

    context: Context
    reading: Reading | None
    vector: NDArray[np.float32]


class Hit(NamedTuple):  # there are many in an answer, and tuples are made quickly
    """One neighbour; `separation_deg` is None unless both positions are known."""

    rank: int
    score: float
    object: SkyObject
    separation_deg: float | None


@dataclass(frozen=True, slots=True)
class Neighbors:
    """The most alike objects, best first, equal scores by id."""

    context: Context
    reading: Reading | None
    hits: tuple[Hit, ...]


class ClusterShare(NamedTuple):
    """The probability of one cluster."""

    label: int
    name: str
    probability: float


@dataclass(frozen=True, slots=True)
class ClusterAnswer:
    """The kind of object: clusters that are possible at all, most probable first.

    `outside` is the probability that it is in no cluster; above one half it is.
    """

    fit_version: int
    shares: tuple[ClusterShare, ...]
    exemplar_ids: tuple[str, ...]
    size: int
    outside: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster of a query."""

    context: Context
    reading: Reading | None
    cluster: ClusterAnswer


@dataclass(frozen=True, slots=True)
class AnomalyAnswer:
    """How odd, and by which objects: id and cosine of each, nearest first.

    `p_value` is None where it would not be valid; `controlled_percentile`, the share of
    the objects observed alike that score lower, where it is not known how the query was
    observed. `parts` are other ways to tell oddness; within an analysis there are none.
    """

    fit_version: int
    score: float
    percentile: float
    p_value: float | None
    num_calibration: int
    neighbors: tuple[tuple[str, float], ...]
    controlled_percentile: float | None
    parts: tuple[Part, ...]


class NearestCluster(NamedTuple):
    """The cluster that something nearly is, and the cosine to its centre."""

    share: ClusterShare
    similarity: float


@dataclass(frozen=True, slots=True)
class Anomaly:
    """The anomaly of a query, and what explains it.

    `hits` are its neighbours, `outstanding` the attributes that stand out against these
    or the archive; `cluster` is None while there are no clusters.
    """

    context: Context
    reading: Reading | None
    anomaly: AnomalyAnswer
    hits: tuple[Hit, ...]
    cluster: NearestCluster | None
    outstanding: tuple[Outstanding, ...]
    flags: Flag


@dataclass(frozen=True, slots=True)
class Analysis:
    """All three; cluster and anomaly are None while they are not fitted."""

    context: Context
    reading: Reading | None
    hits: tuple[Hit, ...]
    cluster: ClusterAnswer | None
    anomaly: AnomalyAnswer | None


@dataclass(frozen=True, slots=True)
class Added:
    """What was stored, in the order given; nothing if it had been done before."""

    context: Context
    objects: tuple[SkyObject, ...]
    was_done: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """How many objects a write has found, now or when it was done before.

    `unknown_ids` are those that it has not found; of one that was done before nobody
    knows them any more.
    """

    context: Context
    num_objects: int
    was_done: bool = False
    unknown_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Objects in the order of writing; `last_row` is None on the last page."""

    context: Context
    objects: tuple[SkyObject, ...]
    last_row: int | None


@dataclass(frozen=True, slots=True)
class ClusterInfo:
    """A cluster of a fit; `portrait` is None where none is kept or asked for."""

    label: int
    name: str
    size: int
    weight: float
    exemplar_ids: tuple[str, ...]
    portrait: Portrait | None = None


@dataclass(frozen=True, slots=True)
class Clusters:
    """All clusters, by falling size; version 0 and none before the first fit.

    `stability` is None where there are too few objects; `fit_versions` are kept.
    """

    context: Context
    fit_version: int
    clusters: tuple[ClusterInfo, ...]
    settings: Settings | None = None
    stability: float | None = None
    num_objects: int = 0
    num_outside: int = 0
    fit_versions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Renamed:
    """A cluster has got a name, now or when it was done before."""

    context: Context
    was_done: bool = False


class Order(Enum):
    """In which order anomalies are listed."""

    ODDEST = "oddest"
    TYPICAL = "typical"
    TAUGHT = "taught"


class Odd(NamedTuple):
    """An object and how odd it is: the share of the archive that scores lower, percent.

    `controlled_percentile` is that of the objects observed alike, None if not known;
    `interest` is None but in the taught order.
    """

    rank: int
    object: SkyObject
    score: float
    percentile: float
    controlled_percentile: float | None
    interest: float | None = None


class Member(NamedTuple):
    """An object and how typical it is of its cluster: cosine to the centre."""

    rank: int
    object: SkyObject
    probability: float
    similarity: float


class Mark(NamedTuple):
    """The last of a page, by its place in the list that a fit, and ratings, give."""

    collection: str
    fit_version: int
    place: int
    ratings_version: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which page of a list: at most 1000, behind the last of the page before.

    `where` is None for all, `after` for the first page.
    """

    where: Filter | None = None
    thumbnails: bool = False
    after: Mark | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Ranked(Generic[_Item]):
    """A page in the order of a fit; `last` is None on the last page.

    `num_unranked` fulfil the filter and came after the fit.
    """

    context: Context
    fit_version: int
    items: tuple[_Item, ...]
    num_unranked: int
    last: Mark | None
    ratings_version: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """One object, and its embedding when asked for."""

    context: Context
    object: SkyObject
    vector: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """A collection's state; `damage` says why it cannot be used, if it cannot.

    `nuisances` tell how the anomaly score goes with how objects were observed,
    `model_metadata` what the model's file says of itself but for the StampSpec.
    """

    context: Context
    num_objects: int = 0
    dimension: int = 0
    stamp_spec_json: str = ""
    cluster_fit_version: int = 0
    anomaly_fit_version: int = 0
    damage: str = ""
    nuisances: tuple[Correlation, ...] = ()
    model_metadata: Mapping[str, str] = field(default_factory=dict)
