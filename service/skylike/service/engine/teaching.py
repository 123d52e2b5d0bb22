"""What people teach: ratings, what to look at next, and what can be predicted."""

import hashlib
from collections.abc import Mapping

import numpy as np

from skylike.service.collection import (
    DURABLE,
    Collection,
    Opinion,
    Target,
    Writing,
)
from skylike.service.columns import Filter
from skylike.service.engine.keeping import MAX_PAGE, changed, context_of
from skylike.service.engine.ranking import Ranking, newest_or_marked, stale
from skylike.service.engine.resolve import Resolved, resolve
from skylike.service.engine.separation import separation_deg
from skylike.service.engine.taught import (
    Alike,
    ClassGuess,
    LastRating,
    Prediction,
    Ratings,
    Reached,
    Suggestion,
    Suggestions,
)
from skylike.service.engine.types import Changed, Context, Hit, Query
from skylike.service.errors import BadRequest
from skylike.service.teaching import NUM_FOLDS, Classes, improvement, suggested
from skylike.service.uploads import CutoutQuery

_MOST_SUGGESTED = 1000


class Teaching(Ranking):
    """Takes what people know, and answers by it."""

    def rate(
        self,
        collection: str,
        who: str,
        opinions: Mapping[str, Opinion | None],
        how: Writing = DURABLE,
        *,
        key: str = "",
    ) -> Changed:
        """Keep somebody's opinions of objects by id, None to forget one.

        `key` is the name of the key that the call came with.

        Raises
        ------
        BadRequest
            ``bad_rating`` if nobody can be called so; ``bad_batch_size`` unless there are 1
            to 10,000.
        """
        if not opinions:
            raise BadRequest("no ratings were sent", reason="bad_batch_size")
        with self._archive(collection, writes=True) as archive:
            return changed(
                archive,
                list(opinions),
                lambda: archive.rate(who, opinions, how, key=key),
            )

    def ratings(
        self,
        collection: str,
        who: str = "",
        *,
        after: LastRating | None = None,
        limit: int = 100,
    ) -> Ratings:
        """Ratings of one person, or of all.

        Raises
        ------
        BadRequest
            ``bad_page_token`` if they have changed since the page before, or are another
            collection's.
        """
        with self._archive(collection) as archive:
            context = context_of(archive)
            limit = min(limit, MAX_PAGE)
            found = archive.some_ratings(
                who, None if after is None else (after.row, after.who), limit + 1
            )
            if after is not None and after[:2] != (archive.name, found.version):
                raise stale(
                    f"the page token is of ratings of {after.collection!r}, or they have "
                    "changed since the page before"
                )
            page = found.ratings[:limit]
            is_last = len(found.ratings) == len(page)
            last = (
                None
                if is_last
                else LastRating(archive.name, found.version, page[-1].row, page[-1].who)
            )
            return Ratings(context, found.version, page, last)

    def suggestions(
        self,
        collection: str,
        where: Filter | None = None,
        *,
        num: int = 10,
        seed: int = 0,
        thumbnails: bool = False,
    ) -> Suggestions:
        """Objects that are worth looking at, which nobody has rated.

        Raises
        ------
        NotReady
            ``not_fitted`` while there is no fit.
        BadRequest
            ``bad_batch_size`` unless 1 <= num <= 1000.
        """
        if not 1 <= num <= _MOST_SUGGESTED:
            raise BadRequest(
                f"{num} suggestions were asked for; 1 to {_MOST_SUGGESTED} can be",
                reason="bad_batch_size",
            )
        with self._archive(collection) as archive:
            context = context_of(archive)
            ranks = newest_or_marked(archive, None)
            taught = archive.taught(ranks)
            assert taught is not None  # what is now is always known
            free = archive.holds(ranks.rows, where) & ~archive.is_rated(ranks.rows)
            places = np.flatnonzero(free)
            gains = improvement(taught.interests[places], taught.deviations[places])
            chosen, is_random = suggested(gains, num, seed)
            listed = archive.listed(
                ranks.rows, places[chosen], limit=num, thumbnails=thumbnails
            )
            return Suggestions(
                context,
                ranks.version,
                taught.version,
                taught.num_rated,
                tuple(
                    Suggestion(
                        one,
                        float(taught.interests[places[chosen[place]]]),
                        float(taught.deviations[places[chosen[place]]]),
                        float(ranks.scores[places[chosen[place]]]),
                        bool(is_random[place]),
                    )
                    for place, one in listed
                ),
            )

    def predict(
        self,
        collection: str,
        query: Query,
        target: Target,
        *,
        confidence: float = 0.9,
        where: Filter | None = None,
    ) -> Prediction:
        """What an attribute or label of the query is likely to be.

        A query that is among the examples, by id or by its vector, is predicted from
        those of other places.

        Raises
        ------
        BadRequest
            ``bad_confidence`` unless 0 < confidence < 1; and as `Collection.lesson`.
        NotReady
            ``too_few_examples``.
        """
        if not 0 < confidence < 1:
            raise BadRequest(
                f"confidence is {confidence}; it is above 0 and below 1",
                reason="bad_confidence",
            )
        with self._archive(collection) as archive:
            context, found = self._resolve(archive, query)
            lesson = archive.lesson(target, where)
            model = lesson.model
            example = lesson.example(found.vector, found.ids)
            near = model.examples.nearest(found.vector, example).tolist()
            value: float | str | bool
            low = high = None
            guesses: tuple[ClassGuess, ...] = ()
            if isinstance(model, Classes):
                shares = (
                    model(found.vector, confidence)
                    if example is None
                    else model.of_example(example, confidence)
                )
                order = np.argsort(-shares.probabilities, kind="stable")
                guesses = tuple(
                    ClassGuess(
                        lesson.classes[place],
                        float(shares.probabilities[place]),
                        None
                        if shares.is_possible is None
                        else bool(shares.is_possible[place]),
                    )
                    for place in order.tolist()
                )
                value = guesses[0].name
            else:
                value, low, high = (
                    model(found.vector, confidence)
                    if example is None
                    else model.of_example(example, confidence)
                )
            return Prediction(
                context,
                found.reading,
                value,
                low,
                high,
                guesses,
                confidence,
                len(lesson.ids),
                model.num_calibration,
                NUM_FOLDS,
                model.quality(confidence),
                tuple(lesson.ids[place] for place in near),
                example is not None,
            )

    def alike(
        self,
        collection: str,
        query: Query,
        where: Filter | None = None,
        *,
        after: Reached | None = None,
        limit: int = 100,
        thumbnails: bool = False,
    ) -> Alike:
        """Objects by falling similarity to the query, which never finds itself.

        Raises
        ------
        BadRequest
            ``bad_page_token`` if other scores would be told than on the page before: of
            another collection, of objects that were replaced, or after a compaction that
            rounds vectors.
        """
        limit = min(limit, MAX_PAGE)
        with self._archive(collection) as archive:
            context, found = self._resolve(archive, query)
            asked = b"" if isinstance(query, CutoutQuery) else found.vector.tobytes()
            basis = _digest(archive.name, archive.model_id, asked, archive.rounded)
            if after is not None and after.basis != basis:
                raise stale(
                    "what the page token was made for has changed: the collection, the "
                    "objects that were asked about, or how vectors are kept"
                )
            listed = archive.alike(
                found.vector,
                where,
                unwanted=found.ids,
                after=None if after is None else after.spot,
                limit=limit,
                thumbnails=thumbnails,
            )
            before = 0 if after is None else after.rank
            is_last = len(listed) < limit
            return Alike(
                context,
                found.reading,
                tuple(
                    Hit(
                        rank,
                        min(spot.score, 1.0),
                        one,
                        separation_deg(found.position, one.position),
                    )
                    for rank, (spot, one) in enumerate(listed, start=before + 1)
                ),
                None if is_last else Reached(basis, before + limit, listed[-1][0]),
            )

    def _resolve(self, archive: Collection, query: Query) -> tuple[Context, Resolved]:
        context = context_of(archive)
        encoder = self.library.encoder_of(archive)
        return context, resolve(query, archive, encoder, self._limits)


def _digest(*what: object) -> str:
    return hashlib.sha256(repr(what).encode()).hexdigest()[:16]
