"""What a call gives: frozen, with plain numbers, ready for JSON by `to_dict`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skylike.client.oddity import (
    AnomalyPart,
    NearestCluster,
    Nuisance,
    OutstandingAttribute,
)
from skylike.client.plain import Plain
from skylike.client.tables import columns
from skylike.client.tables.origin import origin
from skylike.client.tables.table import Table, gather
from skylike.client.tables.tabular import Tabular

Attribute = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Asked(Plain):
    """What was asked, whom and when (UTC): `request` is as sent, but for uploads' bytes."""

    server: str
    method: str
    request: Mapping[str, Any]
    time: str

    @property
    def sha256(self) -> str:
        """Of the file that was sent, hexadecimal; empty where none was."""
        sent = self.request.get("query", {}).get("cutout", {}).get("fits", "")
        return str(sent).removeprefix("sha256:")


@dataclass(frozen=True, slots=True)
class Context(Plain):
    """Which archive answered, in which state, in whose embedding space, and what.

    `asked` is None of answers to writes, and of listings in no order of a fit;
    `service_version` is empty of a service that does not tell it.
    """

    collection: str
    collection_version: int
    model_id: str
    service_version: str = ""
    asked: Asked | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Reading(Plain):
    """How a cutout was read: `shape` is channels, rows, columns."""

    hdu: str
    axes: str
    shape: tuple[int, ...]
    ra_deg: float | None
    dec_deg: float | None
    pixel_scale_arcsec: float | None
    unit: str
    flags: tuple[str, ...]
    valid_fraction: float
    warnings: tuple[str, ...]

    @property
    def radius_deg(self) -> float | None:
        """Half of the image's longer side on the sky, where the scale is known."""
        if self.pixel_scale_arcsec is None:
            return None
        return max(self.shape[-2:]) * self.pixel_scale_arcsec / 7200


@dataclass(frozen=True, slots=True)
class Object(Plain):
    """An object of a collection; `box` is x0, y0, x1, y1, the end excluded."""

    id: str
    ra_deg: float | None
    dec_deg: float | None
    epoch_mjd: float | None
    uri: str
    hdu: str
    box: tuple[int, ...]
    attributes: Mapping[str, Attribute]
    flags: tuple[str, ...]
    valid_fraction: float
    thumbnail_png: bytes = field(repr=False)
    labels: tuple[str, ...] = ()

    @property
    def radius_deg(self) -> float | None:
        """Half of the longer side of its box on the sky, where both are known."""
        scale = self.attributes.get("pixel_scale_arcsec")
        if not self.box or not isinstance(scale, float):
            return None
        x0, y0, x1, y1 = self.box
        return max(x1 - x0, y1 - y0) * scale / 7200


@dataclass(frozen=True, slots=True)
class Hit(Plain):
    """One neighbour: `score` is the cosine, -1 to 1; rank 1 is the most alike."""

    rank: int
    score: float
    separation_deg: float | None
    object: Object

    @property
    def id(self) -> str:
        """The object's id."""
        return self.object.id


@dataclass(frozen=True, slots=True, eq=False)
class Embedding(Plain, Tabular):
    """An embedding: (dimension,) float32, unit norm. May be used as a query.

    As a table one row with a column for each number.
    """

    context: Context
    reading: Reading | None
    vector: NDArray[np.float32]

    def _table(self) -> Table:
        fields = columns.embedding(len(self.vector), "vector")
        return gather(fields, [self], origin(self.context))


@dataclass(frozen=True, slots=True)
class Neighbors(Plain, Tabular):
    """The most alike objects, best first; a table of hits."""

    context: Context
    reading: Reading | None
    hits: tuple[Hit, ...]

    def _table(self) -> Table:
        return columns.hits(self.hits, origin(self.context))


@dataclass(frozen=True, slots=True)
class ClusterShare(Plain):
    """The probability of one cluster."""

    label: int
    name: str
    probability: float


@dataclass(frozen=True, slots=True)
class Cluster(Plain):
    """The kind of object: the most probable cluster, and every cluster's share.

    Where `in_no_cluster` it is of none of them, and this is the nearest.
    """

    label: int
    name: str
    probability: float
    size: int
    exemplar_ids: tuple[str, ...]
    shares: tuple[ClusterShare, ...]
    fit_version: int
    in_no_cluster: bool
    no_cluster_probability: float


@dataclass(frozen=True, slots=True)
class Anomaly(Plain):
    """How odd: share of the archive that scores lower, and a conformal p-value.

    `p_value` is None where it would not be valid: the query is an object of the
    archive, or the collection was fitted without calibration objects.
    `controlled_percentile` is the share of objects observed alike that score lower, None
    where that is not known. `discovered` tells, where `analyze_many` was asked for a
    false-discovery rate, whether this is a discovery.
    """

    score: float
    percentile: float
    p_value: float | None
    calibrated: bool
    num_calibration: int
    neighbors: tuple[Hit, ...]
    fit_version: int
    controlled_percentile: float | None = None
    parts: tuple[AnomalyPart, ...] = ()
    discovered: bool | None = None


@dataclass(frozen=True, slots=True)
class ClusterResult(Plain, Tabular):
    """A cluster and where it comes from; a table of the shares of all clusters."""

    context: Context
    reading: Reading | None
    cluster: Cluster

    def _table(self) -> Table:
        facts = origin(self.context, cluster=self.cluster)
        return gather(columns.SHARE, self.cluster.shares, facts)


@dataclass(frozen=True, slots=True)
class AnomalyResult(Plain, Tabular):
    """An anomaly, what explains it, and where it comes from; a table of its neighbours."""

    context: Context
    reading: Reading | None
    anomaly: Anomaly
    nearest_cluster: NearestCluster | None = None
    outstanding: tuple[OutstandingAttribute, ...] = ()
    flags: tuple[str, ...] = ()

    def _table(self) -> Table:
        facts = origin(self.context, anomaly=self.anomaly)
        return columns.hits(self.anomaly.neighbors, facts)


@dataclass(frozen=True, slots=True)
class Analysis(Plain, Tabular):
    """All three answers; cluster and anomaly are None while they are not fitted.

    As a table its hits; `tabulate` of several shows the other answers beside them.
    """

    context: Context
    reading: Reading | None
    hits: tuple[Hit, ...]
    cluster: Cluster | None
    anomaly: Anomaly | None

    def _table(self) -> Table:
        return columns.hits(self.hits, origin(self.context, self.cluster, self.anomaly))


Answer = Embedding | Neighbors | ClusterResult | AnomalyResult | Analysis


@dataclass(frozen=True, slots=True)
class Added(Plain, Tabular):
    """What was stored, in the order sent; a table of objects.

    Nothing where `was_done`: the write had been done before, by its request id.
    """

    context: Context
    objects: tuple[Object, ...]
    was_done: bool = False

    def _table(self) -> Table:
        return columns.objects(self.objects, origin(self.context))


@dataclass(frozen=True, slots=True)
class Changed(Plain):
    """How many objects a write found, and which ids it did not.

    `was_done` says that it had been done before, of which the unknown ids are not told.
    """

    context: Context
    num_objects: int
    was_done: bool
    unknown_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Count(Plain):
    """How many objects there are."""

    context: Context
    num_objects: int


@dataclass(frozen=True, slots=True, eq=False)
class Found(Plain, Tabular):
    """One object, and its embedding when asked for; a table of one object."""

    context: Context
    object: Object
    vector: NDArray[np.float32] | None

    def _table(self) -> Table:
        return columns.objects([self.object], origin(self.context))


@dataclass(frozen=True, slots=True)
class CollectionInfo(Plain):
    """A collection's state; `damage` says why it cannot be used, if it cannot.

    `model_metadata` is what the model's file says of itself, by key: "skylike.training"
    is the recipe that it was trained by, as JSON, and "skylike.data_hash" the sha256 of
    all stamps that it learned from.
    """

    name: str
    version: int
    model_id: str
    num_objects: int
    dimension: int
    stamp_spec: Mapping[str, Any]
    cluster_fit_version: int
    anomaly_fit_version: int
    damage: str
    nuisances: tuple[Nuisance, ...] = ()
    model_metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alias(Plain):
    """A name that points to a collection."""

    alias: str
    collection: str


class JobState(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job(Plain):
    """Long work on the server.

    `done` of `total` in its `stage`, at a `rate` per second; `total` is 0 and
    `seconds_left` None while nobody knows. `result` is what it did, when it is done;
    `reason` and `message` are why it failed. `created`, `started` and `ended` are when
    it was put in line, began and ended (UTC), None before; `num_rejects` is how many
    images it left out, once it has ended.
    """

    id: str
    kind: str
    state: JobState
    stage: str
    done: int
    total: int
    rate: float
    seconds_left: float | None
    seconds: float
    result: Mapping[str, Any]
    reason: str
    message: str
    collection: str
    created: datetime
    started: datetime | None
    ended: datetime | None
    num_rejects: int

    @property
    def has_ended(self) -> bool:
        """Whether nothing will come of it any more."""
        return self.state not in (JobState.WAITING, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class JobReject(Plain):
    """An image that a job left out, and why; named below the service's root of it."""

    image: str
    reason: str
    message: str
