"""Teaching a collection: ratings, what to look at next, and what can be predicted."""

import dataclasses
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from skylike.client import convert, convert_taught, queries, requests, taught, types
from skylike.client.asked import told
from skylike.client.errors import BadInput
from skylike.client.filters import Filter
from skylike.client.inputs import sendable, texts
from skylike.client.queries import Ack
from skylike.client.session import Session
from skylike.client.transport import Rpc
from skylike.v1 import search_pb2, teaching_pb2

_SERVICE = "/skylike.v1.TeachingService"
_RATE = Rpc(f"{_SERVICE}/RateObjects", teaching_pb2.RateObjectsResponse.FromString)
_RATINGS = Rpc(f"{_SERVICE}/ListRatings", teaching_pb2.ListRatingsResponse.FromString)
_SUGGEST = Rpc(
    f"{_SERVICE}/ListSuggestions", teaching_pb2.ListSuggestionsResponse.FromString
)
_SEARCH = "/skylike.v1.SearchService"
_PREDICT = Rpc(f"{_SEARCH}/Predict", search_pb2.PredictResponse.FromString)
_NEAREST = Rpc(f"{_SEARCH}/ListNearest", search_pb2.ListNearestResponse.FromString)
_MOST = 1000  # on a page


@dataclass(frozen=True, slots=True)
class NewRating:
    """What somebody thinks of an object.

    Attributes
    ----------
    score
        How interesting it is, 0 to 5; None takes the rating away.
    is_artefact
        Whether it is nothing on the sky, such as a ghost or a trail.
    note
        Anything else, up to 1,000 characters.
    """

    score: float | None
    is_artefact: bool = False
    note: str = ""


class Teaching(Session):
    """Takes what people know, and asks what is learned from it."""

    async def rate(
        self,
        ratings: Mapping[str, NewRating | float | None],
        *,
        who: str,
        collection: str | None = None,
        request_id: str | None = None,
        ack: Ack = "sync",
    ) -> types.Changed:
        """Rate up to 10,000 objects: all of them, or none; ids that are not there are told.

        Parameters
        ----------
        ratings
            By id: a score from 0 to 5 or more than that; None takes a rating away.
        who
            Who rates: of each object one rating by each is kept, the last.
        collection
            May be left out where the service has only one, here and below.
        request_id, ack
            As in `add`.
        """
        request = teaching_pb2.RateObjectsRequest(
            collection=sendable(collection or ""),
            who=sendable(who),
            options=requests.writing(request_id, ack),
        )
        for id, given in ratings.items():
            one = given if isinstance(given, NewRating) else NewRating(given)
            request.ratings.add(
                object_id=sendable(id),
                score=one.score,
                is_artefact=one.is_artefact,
                note=sendable(one.note),
            )
        return convert.changed(await self._call(_RATE, request))

    async def ratings(
        self, *, who: str | None = None, collection: str | None = None
    ) -> taught.Ratings:
        """The ratings of one person, or of all."""
        request = teaching_pb2.ListRatingsRequest(
            collection=sendable(collection or ""),
            who=sendable(who or ""),
            page_size=_MOST,
        )
        pages = [
            convert_taught.ratings(one) async for one in self._pages(_RATINGS, request)
        ]
        found = tuple(one for page in pages for one in page.ratings)
        return dataclasses.replace(pages[-1], ratings=found)

    async def suggestions(
        self,
        where: Filter | None = None,
        *,
        collection: str | None = None,
        num: int = 10,
        seed: int = 0,
        thumbnails: bool = False,
    ) -> taught.Suggestions:
        """What is worth looking at next: objects that nobody has rated.

        Parameters
        ----------
        where
            Which, by `skylike.client.filters`; None: all.
        num
            How many, 1 to 1000; one in ten is drawn at random.
        seed
            Same seed, collection and ratings, same answer.
        thumbnails
            Whether objects come with their thumbnails.
        """
        if not 1 <= num <= _MOST:
            raise BadInput(f"num is {num}; ask for 1 to {_MOST}", reason="bad_limit")
        if not 0 <= seed < 2**64:
            raise BadInput(f"seed is {seed}; it is from 0", reason="bad_seed")
        request = teaching_pb2.ListSuggestionsRequest(
            collection=sendable(collection or ""),
            filter=None if where is None else requests.to_filter(where),
            thumbnails=thumbnails,
            num=num,
            seed=seed,
        )
        answer = convert_taught.suggestions(await self._call(_SUGGEST, request))
        return told(answer, _SUGGEST.path, request, self.address)

    async def predict(
        self,
        query: queries.Source | None = None,
        *,
        attribute: str | None = None,
        labels: Sequence[str] = (),
        object_id: str | None = None,
        collection: str | None = None,
        confidence: float = 0.9,
        where: Filter | None = None,
    ) -> taught.Prediction:
        """What an attribute or a label of the query is likely to be.

        Parameters
        ----------
        query, object_id
            Exactly one of them: see the class.
        attribute
            What to predict: a number, or a class where it is text or a truth value.
        labels
            Or else: which of these labels.
        confidence
            How often interval, or set of classes, shall hold the truth.
        where
            What to learn from, by `skylike.client.filters`; None: all that have it.
        """
        if (attribute is None) == (not labels):
            raise TypeError("give either an attribute or labels")
        if not 0 < confidence < 1:
            raise BadInput(
                f"confidence is {confidence}; it is above 0 and below 1",
                reason="bad_confidence",
            )
        request = await self._about(
            search_pb2.PredictRequest,
            query,
            object_id,
            collection,
            attribute=None if attribute is None else sendable(attribute),
            labels=search_pb2.LabelSet(labels=texts(labels)) if labels else None,
            confidence=confidence,
            filter=None if where is None else requests.to_filter(where),
        )
        answer = convert_taught.prediction(await self._call(_PREDICT, request))
        return told(answer, _PREDICT.path, request, self.address)

    async def nearest(
        self,
        query: queries.Source | None = None,
        where: Filter | None = None,
        *,
        object_id: str | None = None,
        collection: str | None = None,
        limit: int | None = 100,
        thumbnails: bool = False,
    ) -> types.Neighbors:
        """Objects by falling similarity to the query, as many as are wanted.

        As `neighbors`, without its limit of 1000, and always exact.

        Parameters
        ----------
        query, object_id
            Exactly one of them, such as `Examples`: see the class.
        where
            Which, by `skylike.client.filters`; None: all.
        limit
            At most so many; None: all.
        thumbnails
            Whether hits carry a PNG.
        """
        if limit is not None and limit < 1:
            raise BadInput(
                f"limit is {limit}; 1 or more are listed", reason="bad_limit"
            )
        size = _MOST if limit is None else min(limit, _MOST)
        found: list[types.Hit] = []
        async for page in self.nearest_pages(
            query,
            where,
            object_id=object_id,
            collection=collection,
            thumbnails=thumbnails,
            page_size=size,
        ):
            found += page.hits
            if limit is not None and len(found) >= limit:
                break
        return dataclasses.replace(page, hits=tuple(found[:limit]))

    async def nearest_pages(
        self,
        query: queries.Source | None = None,
        where: Filter | None = None,
        *,
        object_id: str | None = None,
        collection: str | None = None,
        thumbnails: bool = False,
        page_size: int = _MOST,
    ) -> AsyncIterator[types.Neighbors]:
        """As `nearest`, all of them, fetched page by page as they are needed.

        Parameters
        ----------
        query, where, object_id, collection, thumbnails
            As there.
        page_size
            How many are fetched at a time, 1 to 1000.
        """
        request = await self._about(
            search_pb2.ListNearestRequest,
            query,
            object_id,
            collection,
            filter=None if where is None else requests.to_filter(where),
            thumbnails=thumbnails,
            page_size=page_size,
        )
        async for page in self._pages(_NEAREST, request):
            yield told(convert.neighbors(page), _NEAREST.path, request, self.address)
