"""Several answers as one table."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from skylike.client import types
from skylike.client.tables import columns
from skylike.client.tables.origin import origin, together
from skylike.client.tables.table import Table, gather
from skylike.client.tables.tabular import Tabular

Answer = types.Analysis | types.Neighbors | types.ClusterResult | types.AnomalyResult


@dataclass(frozen=True, slots=True)
class Tabulated(Tabular):
    """One table of several answers."""

    table: Table

    def _table(self) -> Table:
        return self.table


def tabulate(answers: Iterable[Any] | Mapping[str, Answer]) -> Tabulated:
    """One table of several answers of one kind.

    Parameters
    ----------
    answers
        Analyses, neighbours, clusters or anomalies, by the names of what was asked about
        or without names; or objects, hits or collections.

    Returns
    -------
    Tabulated
        Of analyses and neighbours a row for each hit beside what was asked about, and
        one row for what has no hits; of all others a row each.

    Raises
    ------
    TypeError
        If the answers are not all of one of these kinds.
    """
    if isinstance(answers, Mapping):
        names, items = list(answers), list(answers.values())
    else:
        items = list(answers)
        names = [str(number) for number in range(1, len(items) + 1)]
    kind = type(items[0]) if items else types.Analysis
    if any(type(one) is not kind for one in items):
        raise TypeError("a table is made of answers of one kind")
    if kind in get_args(Answer):
        return Tabulated(_asked(kind, names, items))
    if kind is types.Hit:
        return Tabulated(columns.hits(items, {}))
    if kind is types.Object:
        return Tabulated(columns.objects(items, {}))
    if kind is types.CollectionInfo:
        return Tabulated(gather(columns.COLLECTION, items, {}))
    raise TypeError(f"no table is made of a {kind.__name__}")


@dataclass(frozen=True, slots=True)
class _Row:
    query: str
    answer: Answer
    hit: types.Hit | None


def _asked(
    kind: type[Answer], names: Sequence[str], answers: Sequence[Answer]
) -> Table:
    """A row for each hit, and one for each answer without."""
    rows = [
        _Row(name, answer, hit)
        for name, answer in zip(names, answers, strict=True)
        for hit in getattr(answer, "hits", ()) or [None]
    ]
    told = {field.name for field in dataclasses.fields(kind)}
    fields = list(columns.QUERY)
    for name, some in (("cluster", columns.SHARE), ("anomaly", columns.ANOMALY)):
        if name in told:
            fields += [field.within(f"answer.{name}") for field in some]
    if "hits" in told:
        fields += [field.within("hit") for field in columns.HIT]
        fields += columns.attributes(rows, "hit.object.attributes")
    facts = [
        origin(
            answer.context,
            getattr(answer, "cluster", None),
            getattr(answer, "anomaly", None),
        )
        for answer in answers
    ]
    return gather(fields, rows, together(facts))
