"""Several answers as one table."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from skylike.client import kinds, taught, types
from skylike.client.errors import SkylikeClientError
from skylike.client.tables import columns
from skylike.client.tables.origin import origin, together
from skylike.client.tables.table import Field, Table, gather
from skylike.client.tables.tabular import Tabular
from skylike.client.tables.taught import PREDICTED

Answer = (
    types.Analysis
    | types.Neighbors
    | types.ClusterResult
    | types.AnomalyResult
    | types.Embedding
    | taught.Prediction
)
Outcome = Answer | SkylikeClientError

_PLAIN: Mapping[type, Sequence[Field]] = {
    types.Alias: columns.ALIAS,
    kinds.ClusterInfo: columns.CLUSTER,
    types.CollectionInfo: columns.COLLECTION,
    types.Job: columns.JOB,
    types.JobReject: columns.JOB_REJECT,
}


@dataclass(frozen=True, slots=True)
class Tabulated(Tabular):
    """One table of several answers."""

    table: Table

    def _table(self) -> Table:
        return self.table


def tabulate(
    answers: Iterable[Any] | Mapping[Any, Outcome],
    kind: type | None = None,
    *,
    context: types.Context | None = None,
) -> Tabulated:
    """One table of several answers of one kind.

    Parameters
    ----------
    answers
        Analyses, neighbours, clusters, anomalies, predictions or embeddings, errors among
        them: by
        the names of what was asked about, as pairs of name and answer, or without names.
        Or objects, hits, collections, clusters, aliases or jobs.
    kind
        What they are; by default what the first of them is.
    context
        Where objects, hits or clusters come from, which do not tell it themselves.

    Returns
    -------
    Tabulated
        Of analyses and neighbours a row for each hit beside what was asked about, and
        one row for what has no hits or is an error; of all others a row each.

    Raises
    ------
    TypeError
        If the answers are not all of one of these kinds.
    """
    items = list(answers.items() if isinstance(answers, Mapping) else answers)
    names = [str(number) for number in range(1, len(items) + 1)]
    if items and all(isinstance(one, tuple) for one in items):
        names = [str(name) for name, _ in items]
        items = [outcome for _, outcome in items]
    if kind is None:
        kinds = [type(one) for one in items if not isinstance(one, SkylikeClientError)]
        kind = kinds[0] if kinds else types.Analysis
    if not all(isinstance(one, kind | SkylikeClientError) for one in items):
        raise TypeError("a table is made of answers of one kind")
    if kind in get_args(Answer):
        return Tabulated(_asked(kind, names, items))
    facts = {} if context is None else origin(context)
    if kind is types.Hit:
        return Tabulated(columns.hits(items, facts))
    if kind is types.Object:
        return Tabulated(columns.objects(items, facts))
    if kind in _PLAIN:
        return Tabulated(gather(_PLAIN[kind], items, facts))
    raise TypeError(f"no table is made of a {kind.__name__}")


@dataclass(frozen=True, slots=True)
class _Row:
    query: str
    answer: Answer | None
    hit: types.Hit | None
    error: SkylikeClientError | None = None


def _is_discovered(outcome: Any) -> bool | None:
    anomaly = getattr(outcome, "anomaly", None)
    return None if anomaly is None else anomaly.discovered


def _asked(kind: type[Answer], names: Sequence[str], outcomes: Sequence[Any]) -> Table:
    """A row for each hit, and one for each answer without."""
    rows = []
    for name, outcome in zip(names, outcomes, strict=True):
        if isinstance(outcome, SkylikeClientError):
            rows.append(_Row(name, None, None, outcome))
        else:
            hits = getattr(outcome, "hits", ()) or [None]
            rows += [_Row(name, outcome, hit) for hit in hits]
    told = {field.name for field in dataclasses.fields(kind)}
    fields = list(columns.QUERY)
    for name, some in (("cluster", columns.SHARE), ("anomaly", columns.ANOMALY)):
        if name in told:
            fields += [field.within(f"answer.{name}") for field in some]
    if any(_is_discovered(one) is not None for one in outcomes):
        fields.append(columns.DISCOVERED.within("answer.anomaly"))
    if "vector" in told:
        sizes = [
            len(one.vector) for one in outcomes if isinstance(one, types.Embedding)
        ]
        fields += columns.embedding(max(sizes, default=0), "answer.vector")
    if "quality" in told:
        fields += [field.within("answer") for field in PREDICTED]
    if "hits" in told:
        fields += [field.within("hit") for field in columns.HIT]
        fields += columns.attributes(rows, "hit.object.attributes")
    facts = [
        origin(
            answer.context,
            getattr(answer, "cluster", None),
            getattr(answer, "anomaly", None),
        )
        for answer in outcomes
        if not isinstance(answer, SkylikeClientError)
    ]
    return gather(fields, rows, together(facts))
