"""What a fit has put in order: pages of the oddest objects, and of clusters' members."""

from dataclasses import dataclass

from skylike.client.plain import Plain
from skylike.client.tables import columns
from skylike.client.tables.origin import origin
from skylike.client.tables.table import Table
from skylike.client.tables.tabular import Tabular
from skylike.client.tables.taught import INTEREST
from skylike.client.types import Context, Object

_TAUGHT = (*columns.RANKED_ANOMALY[:2], INTEREST, *columns.RANKED_ANOMALY[2:])


@dataclass(frozen=True, slots=True)
class RankedAnomaly(Plain):
    """How odd an object of the archive is; rank 1 is the first of the order.

    `percentile` is the share of the archive that scores lower, `controlled_percentile`
    that of the objects observed alike, None where it is not known how it was observed.
    `calibrated` is False: p-values are for what is not in the archive. `interest` is how
    interesting it is expected to be, 0 to 5; None but in the taught order.
    """

    rank: int
    score: float
    percentile: float
    calibrated: bool
    object: Object
    controlled_percentile: float | None = None
    interest: float | None = None

    @property
    def id(self) -> str:
        """The object's id."""
        return self.object.id


@dataclass(frozen=True, slots=True)
class Anomalies(Plain, Tabular):
    """Objects of a fit in the order asked for; a table of them.

    `num_unranked` objects that were asked for came after the fit; `ratings_version` is that
    of the collection when a rating was changed last, 0 but in the taught order.
    """

    context: Context
    fit_version: int
    items: tuple[RankedAnomaly, ...]
    num_unranked: int
    ratings_version: int = 0

    def _table(self) -> Table:
        facts = origin(self.context, anomaly=self)
        is_taught = self.ratings_version > 0
        fields = _TAUGHT if is_taught else columns.RANKED_ANOMALY
        return columns.ranked(fields, self.items, facts)


@dataclass(frozen=True, slots=True)
class ClusterMember(Plain):
    """An object of a cluster; rank 1 is the most typical.

    `probability` is that of the cluster, `similarity` the cosine to its centre.
    """

    rank: int
    probability: float
    similarity: float
    object: Object

    @property
    def id(self) -> str:
        """The object's id."""
        return self.object.id


@dataclass(frozen=True, slots=True)
class ClusterMembers(Plain, Tabular):
    """Members of the cluster `label` of a fit, nearest to its centre first; a table of them.

    Where `label` is None they are in no cluster. `num_unranked` objects that were asked
    for came after the fit.
    """

    context: Context
    fit_version: int
    label: int | None
    items: tuple[ClusterMember, ...]
    num_unranked: int

    def _table(self) -> Table:
        facts = {**origin(self.context, cluster=self), "cluster": str(self.label)}
        return columns.ranked(columns.MEMBER, self.items, facts)


Listed = Anomalies | ClusterMembers
