"""The columns there are: name, unit, UCD, description and where each is found.

A name that is used in forms without units says its unit, but for ``ra`` and ``dec``,
which are degrees wherever astronomers meet them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from skylike.client.tables.table import Field, Kind, Table, gather, walk
from skylike.client.tables.taught import SUGGESTED
from skylike.client.tables.text import printable

TEXT, NUMBER, INTEGER, TRUTH = Kind.TEXT, Kind.NUMBER, Kind.INTEGER, Kind.TRUTH


def _section(box: Sequence[int]) -> str:
    """A pixel box as cfitsio and DS9 write it: from 1, the end included."""
    if not box:
        return ""
    x0, y0, x1, y1 = box
    return f"[{x0 + 1}:{x1},{y0 + 1}:{y1}]"


def _time(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")


OBJECT = (
    Field("object_id", TEXT, "id", "Name in the collection", ucd="meta.id;meta.main"),
    Field("ra", NUMBER, "ra_deg", "Right ascension", "deg", "pos.eq.ra;meta.main"),
    Field("dec", NUMBER, "dec_deg", "Declination", "deg", "pos.eq.dec;meta.main"),
    Field(
        "epoch_mjd",
        NUMBER,
        "epoch_mjd",
        "When it was observed, Modified Julian Date",
        "d",
        "time.epoch",
    ),
    Field("flags", TEXT, "flags", "What is poor about its stamp", ucd="meta.code.qual"),
    Field("labels", TEXT, "labels", "What people call it", ucd="src.class"),
    Field(
        "valid_fraction",
        NUMBER,
        "valid_fraction",
        "Share of its pixels that hold data, 0 to 1",
        ucd="stat.filling",
    ),
    Field("uri", TEXT, "uri", "The file of its pixels", ucd="meta.ref.uri"),
    Field("hdu", TEXT, "hdu", "The HDU of its pixels", ucd="meta.id.part"),
    Field(
        "section",
        TEXT,
        "box",
        "The pixels of the HDU, as a FITS section; none: all",
        ucd="meta.id.part",
        cell=_section,
    ),
    Field(
        "radius_deg",
        NUMBER,
        "radius_deg",
        "Half of the longer side of its section on the sky",
        "deg",
        "phys.angSize",
    ),
)

HIT = (
    Field("rank", INTEGER, "rank", "1 for the most alike", ucd="stat.rank"),
    OBJECT[0].within("object"),
    Field(
        "score",
        NUMBER,
        "score",
        "Cosine similarity to the query, -1 to 1",
        ucd="stat.correlation",
    ),
    Field(
        "separation_deg",
        NUMBER,
        "separation_deg",
        "Angular distance to the query",
        "deg",
        "pos.angDistance",
    ),
    *(field.within("object") for field in OBJECT[1:]),
)

SHARE = (
    Field(
        "cluster",
        INTEGER,
        "label",
        "Number of the cluster within its fit",
        ucd="meta.code.class",
    ),
    Field("cluster_name", TEXT, "name", "Name of the cluster", ucd="meta.note"),
    Field(
        "cluster_probability",
        NUMBER,
        "probability",
        "Probability that the query belongs to the cluster",
        ucd="stat.probability",
    ),
)

ANOMALY = (
    Field(
        "anomaly_score",
        NUMBER,
        "score",
        "How far from all others; to be compared within one fit only",
        ucd="stat.value",
    ),
    Field(
        "anomaly_percentile",
        NUMBER,
        "percentile",
        "Share of the archive that scores lower, percent",
        ucd="stat.percentile",
    ),
    Field(
        "anomaly_controlled_percentile",
        NUMBER,
        "controlled_percentile",
        "Share of the objects observed alike that score lower, percent",
        ucd="stat.percentile",
    ),
    Field(
        "p_value",
        NUMBER,
        "p_value",
        "Conformal p-value of being ordinary; small means odd",
        ucd="stat.probability",
    ),
)

DISCOVERED = Field(
    "discovered",
    TRUTH,
    "discovered",
    "Whether it is a discovery at the false-discovery rate that was asked for",
    ucd="meta.code",
)

RANKED_ANOMALY = (
    Field("rank", INTEGER, "rank", "1 for the oddest of all", ucd="stat.rank"),
    OBJECT[0].within("object"),
    *ANOMALY[:3],
    *(field.within("object") for field in OBJECT[1:]),
)

MEMBER = (
    Field("rank", INTEGER, "rank", "1 for the most typical", ucd="stat.rank"),
    OBJECT[0].within("object"),
    Field(
        "cluster_probability",
        NUMBER,
        "probability",
        "Probability that it belongs to the cluster",
        ucd="stat.probability",
    ),
    Field(
        "centre_similarity",
        NUMBER,
        "similarity",
        "Cosine to the cluster's centre, -1 to 1",
        ucd="stat.correlation",
    ),
    *(field.within("object") for field in OBJECT[1:]),
)

COLLECTION = (
    Field("collection", TEXT, "name", "Name of the collection", ucd="meta.id"),
    Field("collection_version", INTEGER, "version", "Its version", ucd="meta.version"),
    Field("num_objects", INTEGER, "num_objects", "Objects it holds", ucd="meta.number"),
    Field("dimension", INTEGER, "dimension", "Length of its vectors"),
    Field("model_id", TEXT, "model_id", "sha256 of the model's file", ucd="meta.id"),
    Field(
        "cluster_fit_version",
        INTEGER,
        "cluster_fit_version",
        "Version of its cluster fit; 0: none",
        ucd="meta.version",
    ),
    Field(
        "anomaly_fit_version",
        INTEGER,
        "anomaly_fit_version",
        "Version of its anomaly fit; 0: none",
        ucd="meta.version",
    ),
    Field("damage", TEXT, "damage", "Why it cannot be used", ucd="meta.note"),
)

CLUSTER = (
    *SHARE[:2],
    Field("size", INTEGER, "size", "Objects it held when fitted", ucd="meta.number"),
    Field(
        "weight",
        NUMBER,
        "weight",
        "Share of all objects, 0 to 1: the mean of their probabilities",
        ucd="stat.weight",
    ),
    Field(
        "exemplars",
        TEXT,
        "exemplar_ids",
        "Ids of its members closest to its centre",
        ucd="meta.id.assoc",
    ),
)

ALIAS = (
    Field("alias", TEXT, "alias", "The name", ucd="meta.id"),
    Field("collection", TEXT, "collection", "What it points to", ucd="meta.id.assoc"),
)

JOB = (
    Field("job_id", TEXT, "id", "Name of the job", ucd="meta.id;meta.main"),
    Field("kind", TEXT, "kind", "What it does"),
    Field(
        "collection",
        TEXT,
        "collection",
        "The collection it works on",
        ucd="meta.id.assoc",
    ),
    Field("state", TEXT, "state", "How far it is", ucd="meta.code.status"),
    Field("stage", TEXT, "stage", "What it is at", ucd="meta.note"),
    Field("done", INTEGER, "done", "How much of the stage is done", ucd="meta.number"),
    Field(
        "total", INTEGER, "total", "How much there is; 0: unknown", ucd="meta.number"
    ),
    Field("created", TEXT, "created", "When it was put in line", "", "time", _time),
    Field("started", TEXT, "started", "When it began", "", "time.start", _time),
    Field("ended", TEXT, "ended", "When it ended", "", "time.end", _time),
    Field("seconds", NUMBER, "seconds", "Since it was started", "s", "time.duration"),
    Field("rejects", INTEGER, "num_rejects", "Images it left out", ucd="meta.number"),
    Field("reason", TEXT, "reason", "Why it failed", ucd="meta.code.error"),
    Field("message", TEXT, "message", "Why it failed, in words", ucd="meta.note"),
)

JOB_REJECT = (
    Field("image", TEXT, "image", "What was left out", ucd="meta.id;meta.main"),
    Field("reason", TEXT, "reason", "Why", ucd="meta.code.error"),
    Field("message", TEXT, "message", "Why, in words", ucd="meta.note"),
)

# What was asked about, beside each of its hits.
QUERY = (
    Field("query", TEXT, "query", "What was asked about", ucd="meta.id"),
    Field(
        "query_sha256",
        TEXT,
        "answer.context.asked.sha256",
        "sha256 of the file that was sent",
        ucd="meta.checksum",
    ),
    Field(
        "error", TEXT, "error.reason", "Why there is no answer", ucd="meta.code.error"
    ),
    Field(
        "query_ra",
        NUMBER,
        "answer.reading.ra_deg",
        "Right ascension of the query's centre",
        "deg",
        "pos.eq.ra",
    ),
    Field(
        "query_dec",
        NUMBER,
        "answer.reading.dec_deg",
        "Declination of the query's centre",
        "deg",
        "pos.eq.dec",
    ),
    Field(
        "query_radius_deg",
        NUMBER,
        "answer.reading.radius_deg",
        "Half of the longer side of the query's image",
        "deg",
        "phys.angSize",
    ),
    Field(
        "query_flags",
        TEXT,
        "answer.reading.flags",
        "What is poor about the query's stamp",
        ucd="meta.code.qual",
    ),
)

COMPONENT = "embedding_"
"""How the columns of an embedding's numbers begin."""


def embedding(dimension: int, path: str) -> list[Field]:
    """A field for each number of an embedding."""
    return [
        Field(
            f"{COMPONENT}{number}",
            NUMBER,
            path,
            f"Number {number} of the embedding, which has unit norm",
            ucd="stat.value",
            cell=itemgetter(number),
        )
        for number in range(dimension)
    ]


_KNOWN = (*HIT, *QUERY, *SHARE, *ANOMALY, DISCOVERED, *MEMBER, *SUGGESTED)
_TAKEN = frozenset(field.name for field in _KNOWN)


def objects(found: Sequence[Any], facts: Mapping[str, str]) -> Table:
    """A row for each object, its attributes in columns of their own."""
    return gather([*OBJECT, *attributes(found, "attributes")], found, facts)


def hits(found: Sequence[Any], facts: Mapping[str, str]) -> Table:
    """A row for each hit, with its object."""
    return ranked(HIT, found, facts)


def ranked(
    fields: Sequence[Field], found: Sequence[Any], facts: Mapping[str, str]
) -> Table:
    """A row for each, with some fields and the attributes of its object."""
    return gather([*fields, *attributes(found, "object.attributes")], found, facts)


def attributes(rows: Iterable[Any], path: str) -> list[Field]:
    """A field for each attribute that one of the objects has, by name.

    Numbers are whole where all are; what is of several kinds is written as text. A
    name that is taken by a column, or differs from another by case alone, becomes
    ``attribute_NAME``.
    """
    kinds: dict[str, set[Kind]] = {}
    for row in rows:
        for name, value in (walk(row, path) or {}).items():
            kinds.setdefault(name, set()).add(_kind(value))
    fields, taken = [], set(_TAKEN)
    for name in sorted(kinds):
        shown = printable(name) or "attribute"
        while shown.casefold() in taken:
            shown = f"attribute_{shown}"
        taken.add(shown.casefold())
        kind = _together(kinds[name])
        fields.append(
            Field(
                shown,
                kind,
                path,
                f"Attribute {printable(name)} of the object",
                cell=_Attribute(name, kind),
            )
        )
    return fields


class _Attribute:
    """Takes one attribute, as the kind that its column has."""

    def __init__(self, name: str, kind: Kind) -> None:
        self._name, self._kind = name, kind

    def __call__(self, attributes: Any) -> Any:
        value = attributes.get(self._name)
        if value is None or self._kind is not TEXT:
            return value
        return str(value)


def _kind(value: Any) -> Kind:
    match value:
        case bool():
            return TRUTH
        case int():
            return INTEGER
        case float():
            return NUMBER
    return TEXT


def _together(kinds: set[Kind]) -> Kind:
    if len(kinds) == 1:
        return next(iter(kinds))
    return NUMBER if kinds == {INTEGER, NUMBER} else TEXT
