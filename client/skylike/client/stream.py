"""Many questions over one call, as pipelines ask them."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sized
from os import PathLike
from typing import Any

from skylike.client import inputs, requests
from skylike.client.discovery import require_rate
from skylike.client.errors import BadInput
from skylike.client.exchange import Exchange, Outcome
from skylike.client.filters import Filter
from skylike.client.progress import Progress, shown
from skylike.client.session import Session
from skylike.client.windows import numbered, windowed
from skylike.v1 import search_pb2 as pb

_ONE = (str, bytes, bytearray, memoryview, PathLike)


class Stream(Session):
    """Asks about many things at once."""

    async def analyze_many(
        self,
        items: Iterable[Any] | AsyncIterable[Any],
        *,
        collection: str | None = None,
        k: int = 10,
        thumbnails: bool = False,
        where: Filter | None = None,
        exact: bool = False,
        effort: float = 1.0,
        least: bool = False,
        min_score: float | None = None,
        progress: Progress = False,
        false_discovery_rate: float | None = None,
        window: int = 1000,
    ) -> AsyncIterator[tuple[Any, Outcome]]:
        """Neighbours, cluster and anomaly of many queries, as they are ready.

        What is wrong with one item is its outcome, and ends nothing. When the
        connection is lost, what is unanswered is asked again over a new one.

        Parameters
        ----------
        items
            Queries, pairs of a key and a query, or a mapping of keys to queries. They
            are taken, by another thread, as answers are: at most 256, or 64 MiB, are
            unanswered. An `AsyncClient` takes asynchronous iterables too.
        collection, k, thumbnails, where, exact, effort, least, min_score
            As those of `analyze`.
        progress
            True shows a bar, for which tqdm is needed; or a function that is called
            with how many are done and how many there are, None if nobody knows.
        false_discovery_rate
            Mark discoveries (`Anomaly.discovered`) so that in the mean at most this share
            of them is ordinary, above 0 and below 1; see `discoveries`. Answers come in
            the order of the items then, a window at a time.
        window
            How many items are judged together, at least 1. The rate holds for each
            window by itself. With n calibration objects no p-value is below 1 / (n + 1),
            so that a window of m needs m / ((n + 1) * rate) odd ones before any is found.

        Yields
        ------
        key
            That of the pair, or the query itself.
        outcome
            An `Analysis`, or the `SkylikeClientError` that `analyze` would raise.

        Raises
        ------
        SkylikeClientError
            If the service refuses the caller, or is not to be reached or silent for
            longer than the client's timeout.
        """
        if isinstance(items, _ONE) or hasattr(items, "read"):
            raise TypeError(f"expected several queries, not {items!r:.60} alone")
        how = requests.how(k, thumbnails, where, exact, effort, least, min_score)
        question = pb.AnalyzeRequest(
            collection=inputs.sendable(collection or ""), **how
        )
        if isinstance(items, Mapping):
            items = items.items()
        total = len(items) if isinstance(items, Sized) else None
        if false_discovery_rate is not None:
            require_rate(false_discovery_rate)
            if window < 1:
                raise BadInput(
                    f"the window is {window}; 1 or more", reason="bad_window"
                )
            items = numbered(items)
        answers = Exchange(self, items, question).answers()
        if false_discovery_rate is not None:
            answers = windowed(answers, false_discovery_rate, window)
        with shown(progress, total) as done:
            try:
                async for key, outcome in answers:
                    done()
                    yield key, outcome
            finally:
                await answers.aclose()
