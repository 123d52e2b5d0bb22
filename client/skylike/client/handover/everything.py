"""All objects of a collection with what fits say of them, as one table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from skylike.client.client import Client
from skylike.client.errors import FailedPrecondition
from skylike.client.filters import Filter, WithIds
from skylike.client.plain import Plain
from skylike.client.ranked import RankedAnomaly
from skylike.client.tables import columns
from skylike.client.tables.origin import origin
from skylike.client.tables.table import Table, gather
from skylike.client.tables.tabular import Tabular
from skylike.client.types import Context, Object

_AT_A_TIME = 5000  # ids in a filter


@dataclass(frozen=True, slots=True)
class Kind(Plain):
    """The cluster that an object is a member of; `label` is None for those in none."""

    label: int | None
    name: str
    probability: float


@dataclass(frozen=True, slots=True)
class Described(Plain):
    """An object, and what the newest fits say of it; None of what they have not seen."""

    object: Object
    cluster: Kind | None
    anomaly: RankedAnomaly | None


@dataclass(frozen=True, slots=True)
class Everything(Plain, Tabular):
    """Objects in the order of writing, their clusters and how odd they are; a table."""

    context: Context
    items: tuple[Described, ...]

    def _table(self) -> Table:
        fields = [
            *(field.within("object") for field in columns.OBJECT),
            *(field.within("cluster") for field in columns.SHARE),
            *(field.within("anomaly") for field in columns.ANOMALY[:3]),
            *columns.attributes(self.items, "object.attributes"),
        ]
        return gather(fields, self.items, origin(self.context))


def everything(
    client: Client,
    where: Filter | None = None,
    *,
    collection: str | None = None,
) -> Everything:
    """All objects of a collection with their clusters and anomaly scores.

    Parameters
    ----------
    client
        Whom to ask.
    where
        Which objects, by `skylike.client.filters`; None: all.
    collection
        May be left out where the service has only one.
    """
    context = client.count(where, collection=collection).context
    objects = list(client.objects(where, collection=collection))
    return Everything(context, _described(client, objects, where, collection))


def of_ids(
    client: Client, ids: Iterable[str], collection: str | None
) -> tuple[Described, ...]:
    """Some objects, in the order of their ids; those that are gone are left out."""
    named = list(ids)
    found: dict[str, Object] = {}
    for at in range(0, len(named), _AT_A_TIME):
        some = WithIds(named[at : at + _AT_A_TIME])
        found |= {one.id: one for one in client.objects(some, collection=collection)}
    objects = [found[id] for id in named if id in found]
    return _described(client, objects, None, collection)


def _described(
    client: Client,
    objects: list[Object],
    where: Filter | None,
    collection: str | None,
) -> tuple[Described, ...]:
    kinds = _kinds(client, where, collection)
    odd = _odd(client, where, collection)
    return tuple(Described(one, kinds.get(one.id), odd.get(one.id)) for one in objects)


def _kinds(
    client: Client, where: Filter | None, collection: str | None
) -> Mapping[str, Kind]:
    fit = client.clusters(collection)
    if not fit.fit_version:
        return {}
    labels: list[tuple[int | None, str]] = [
        (one.label, one.name) for one in fit.clusters
    ]
    return {
        one.id: Kind(label, name, one.probability)
        for label, name in (*labels, (None, ""))
        for page in client.member_pages(label, where, collection=collection)
        for one in page.items
    }


def _odd(
    client: Client, where: Filter | None, collection: str | None
) -> Mapping[str, RankedAnomaly]:
    try:
        return {
            one.id: one
            for page in client.anomaly_pages(where, collection=collection)
            for one in page.items
        }
    except FailedPrecondition as error:
        if error.reason != "not_fitted":
            raise
        return {}
