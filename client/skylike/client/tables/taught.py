"""The columns of what people teach, and of what is learned from it."""

from datetime import datetime

from skylike.client.tables.table import Field, Kind
from skylike.client.tables.text import spelled

TEXT, NUMBER, TRUTH = Kind.TEXT, Kind.NUMBER, Kind.TRUTH


def _time(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")


INTEREST = Field(
    "interest", NUMBER, "interest", "How interesting it is expected to be, 0 to 5"
)

SUGGESTED = (
    INTEREST,
    Field(
        "uncertainty",
        NUMBER,
        "uncertainty",
        "Standard deviation of the interest",
        ucd="stat.stdev",
    ),
    Field("is_random", TRUTH, "is_random", "Whether it was drawn at random"),
)

# As other tools of this kind read and write labels: a name and a label come first. What
# is written can be read again, and is the same then.
RATING = (
    Field(
        "filename",
        TEXT,
        "id",
        "Name in the collection",
        "",
        "meta.id;meta.main",
        spelled,
    ),
    Field("label", TEXT, "label", "anomaly where it is interesting, else normal"),
    Field("score", NUMBER, "score", "How interesting it is, 0 to 5"),
    Field("is_artefact", TRUTH, "is_artefact", "Whether it is nothing on the sky"),
    Field("note", TEXT, "note", "Anything else", "", "meta.note", spelled),
    Field("who", TEXT, "who", "Who says so", "", "meta.curation", spelled),
    Field("time", TEXT, "time", "When it was written", "", "time", _time),
    Field("key", TEXT, "key", "The API key it was written with", ucd="meta.note"),
)

GUESS = (
    Field("class", TEXT, "name", "The class", ucd="meta.code.class"),
    Field(
        "probability", NUMBER, "probability", "Its probability", ucd="stat.probability"
    ),
    Field(
        "is_possible",
        TRUTH,
        "is_possible",
        "Whether it is in the set that holds the truth as often as was asked for",
    ),
)

PREDICTED = (
    Field("value", NUMBER, "number", "The most likely value"),
    Field("class", TEXT, "name", "The most likely class", ucd="meta.code.class"),
    Field("probability", NUMBER, "probability", "Of the class", ucd="stat.probability"),
    Field("low", NUMBER, "low", "Lower end of the interval", ucd="stat.min"),
    Field("high", NUMBER, "high", "Upper end of the interval", ucd="stat.max"),
    Field("confidence", NUMBER, "confidence", "How often it holds the truth"),
)
