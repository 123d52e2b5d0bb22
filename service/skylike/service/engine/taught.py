"""What teaching gives: ratings, suggestions, predictions, and all that is alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from skylike.service.collection import Rating, SkyObject, Spot
from skylike.service.engine.types import Context, Hit
from skylike.service.uploads import Reading


class LastRating(NamedTuple):
    """The last of a page of ratings, of a collection in one version of them."""

    collection: str
    version: int
    row: int
    who: str


@dataclass(frozen=True, slots=True)
class Ratings:
    """Ratings by object in the order of writing, then by who; no `last` on the last page."""

    context: Context
    version: int
    ratings: tuple[Rating, ...]
    last: LastRating | None


class Suggestion(NamedTuple):
    """An object that is worth looking at, and how interesting it is expected to be."""

    object: SkyObject
    interest: float
    uncertainty: float
    score: float
    is_random: bool


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What to look at, the most promising first, those drawn at random at the end."""

    context: Context
    fit_version: int
    ratings_version: int
    num_rated: int
    suggestions: tuple[Suggestion, ...]


class ClassGuess(NamedTuple):
    """The probability of a class, and whether it is in the set that holds the truth."""

    name: str
    probability: float
    is_possible: bool | None


@dataclass(frozen=True, slots=True)
class Prediction:
    """What something is likely to be: a number between two others, or a class.

    `quality` tells by name how well examples are predicted by others.
    """

    context: Context
    reading: Reading | None
    value: float | str | bool
    low: float | None
    high: float | None
    classes: tuple[ClassGuess, ...]
    confidence: float
    num_examples: int
    num_calibration: int
    num_folds: int
    quality: Mapping[str, float]
    neighbor_ids: tuple[str, ...]
    is_example: bool


class Reached(NamedTuple):
    """The last of a page of what is alike: its rank, and where it stands.

    `basis` is a digest of all that its score depends on.
    """

    basis: str
    rank: int
    spot: Spot


@dataclass(frozen=True, slots=True)
class Alike:
    """A page of the most alike; `last` is None on the last page."""

    context: Context
    reading: Reading | None
    hits: tuple[Hit, ...]
    last: Reached | None
