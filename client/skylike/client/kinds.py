"""The clusters of a collection, as a fit of it tells them."""

from dataclasses import dataclass

from skylike.client.plain import Plain
from skylike.client.tables import columns
from skylike.client.tables.origin import origin
from skylike.client.tables.table import Table, gather
from skylike.client.tables.tabular import Tabular
from skylike.client.types import Context


@dataclass(frozen=True, slots=True)
class NumberSpread(Plain):
    """A number that `count` members have: its quartiles."""

    name: str
    count: int
    low: float
    median: float
    high: float


@dataclass(frozen=True, slots=True)
class MemberShare(Plain):
    """How many members have a flag or a label, 0 to 1."""

    name: str
    share: float


@dataclass(frozen=True, slots=True)
class Portrait(Plain):
    """What members look like, and what is known of them.

    `mean_thumbnail` is a PNG, empty where they have no thumbnails.
    """

    mean_thumbnail: bytes
    numbers: tuple[NumberSpread, ...]
    flags: tuple[MemberShare, ...]
    labels: tuple[MemberShare, ...]


@dataclass(frozen=True, slots=True)
class ClusterInfo(Plain):
    """A cluster: `weight` is its share of all objects, the mean of their probabilities.

    `portrait` is None unless it was asked for.
    """

    label: int
    name: str
    size: int
    weight: float
    exemplar_ids: tuple[str, ...]
    portrait: Portrait | None = None


@dataclass(frozen=True, slots=True)
class Clusters(Plain, Tabular):
    """The clusters, by falling size; version 0 and none before the first fit.

    `num_clusters` is how many were asked for, 0 where the number was chosen; `stability`
    how well halves of the archive agree about as many by this method, at most 1, None
    where there are too few objects. `num_outside` of the `num_objects` are in no cluster. `fit_versions` can be asked for.
    """

    context: Context
    fit_version: int
    clusters: tuple[ClusterInfo, ...]
    method: str
    num_clusters: int
    seed: int
    stability: float | None
    num_objects: int
    num_outside: int
    fit_versions: tuple[int, ...]

    def _table(self) -> Table:
        return gather(
            columns.CLUSTER, self.clusters, origin(self.context, cluster=self)
        )


@dataclass(frozen=True, slots=True)
class Renamed(Plain):
    """A cluster has its name; `was_done` says that it had been given before."""

    context: Context
    was_done: bool
