"""What people teach a collection, and what is learned from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from skylike.client.plain import Plain
from skylike.client.tables import columns, taught
from skylike.client.tables.origin import origin
from skylike.client.tables.table import Table, gather
from skylike.client.tables.tabular import Tabular
from skylike.client.types import Context, Object, Reading

INTERESTING = 3.0
"""From which score on something is labelled an anomaly."""


_SUGGESTION = (
    columns.OBJECT[0].within("object"),
    *taught.SUGGESTED,
    columns.ANOMALY[0],
    *(field.within("object") for field in columns.OBJECT[1:]),
)


@dataclass(frozen=True, slots=True)
class Rating(Plain):
    """What somebody thinks of an object; `time` is when it was written (UTC).

    `who` is what the writer said; `key` names the API key, empty where none was asked for.
    """

    id: str
    score: float
    is_artefact: bool
    note: str
    who: str
    time: datetime
    key: str = ""

    @property
    def label(self) -> str:
        """``anomaly`` where it is interesting, else ``normal``."""
        is_odd = self.score >= INTERESTING and not self.is_artefact
        return "anomaly" if is_odd else "normal"


@dataclass(frozen=True, slots=True)
class Ratings(Plain, Tabular):
    """Ratings by object in the order of writing, then by who; a table of them.

    `ratings_version` is that of the collection when one was changed last, 0: never.
    """

    context: Context
    ratings_version: int
    ratings: tuple[Rating, ...]

    def _table(self) -> Table:
        return gather(taught.RATING, self.ratings, origin(self.context))


@dataclass(frozen=True, slots=True)
class Suggestion(Plain):
    """An object that is worth looking at: its interest is expected, 0 to 5.

    `uncertainty` is the standard deviation of that; `is_random` says that it was drawn at
    random, as one in ten is.
    """

    interest: float
    uncertainty: float
    score: float
    is_random: bool
    object: Object

    @property
    def id(self) -> str:
        """The object's id."""
        return self.object.id


@dataclass(frozen=True, slots=True)
class Suggestions(Plain, Tabular):
    """What to look at next, the most promising first; a table of it.

    `num_rated` objects were learned from.
    """

    context: Context
    fit_version: int
    ratings_version: int
    num_rated: int
    items: tuple[Suggestion, ...]

    def _table(self) -> Table:
        facts = origin(self.context, anomaly=self)
        return columns.ranked(_SUGGESTION, self.items, facts)


@dataclass(frozen=True, slots=True)
class ClassShare(Plain):
    """How likely a class is; `is_possible` is None where nobody can say."""

    name: str
    probability: float
    is_possible: bool | None


@dataclass(frozen=True, slots=True)
class Quality(Plain):
    """How well others are predicted, each from those of other places on the sky.

    The first two are of numbers, the next three of classes; None where there is nothing
    to tell. `coverage` is how often interval or set hold the truth.
    """

    num_folds: int
    num_objects: int
    r_squared: float | None
    median_absolute_error: float | None
    balanced_accuracy: float | None
    log_loss: float | None
    calibration_error: float | None
    coverage: float | None


@dataclass(frozen=True, slots=True)
class Prediction(Plain, Tabular):
    """What something is likely to be: `value` is a number, or the name of a class.

    A number lies between `low` and `high`, and a class is one of the possible, as often as
    `confidence` says; None where there are too few places to say so. That is promised
    for new objects: what `is_example` itself is told by those of other places. As a table
    the classes, or one row.
    """

    context: Context
    reading: Reading | None
    value: float | str
    low: float | None
    high: float | None
    classes: tuple[ClassShare, ...]
    confidence: float
    num_examples: int
    num_calibration: int
    quality: Quality
    neighbor_ids: tuple[str, ...]
    is_example: bool = False

    @property
    def number(self) -> float | None:
        """The value, if it is a number."""
        return None if isinstance(self.value, str) else self.value

    @property
    def name(self) -> str | None:
        """The likeliest class, if there are classes."""
        return self.value if isinstance(self.value, str) else None

    @property
    def probability(self) -> float | None:
        """Of the likeliest class."""
        return self.classes[0].probability if self.classes else None

    @property
    def probabilities(self) -> Mapping[str, float]:
        """Of classes by name, the most likely first."""
        return {one.name: one.probability for one in self.classes}

    def _table(self) -> Table:
        facts = origin(self.context)
        if self.classes:
            return gather(taught.GUESS, self.classes, facts)
        return gather(taught.PREDICTED, [self], facts)


Told = Suggestions | Prediction
