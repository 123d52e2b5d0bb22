"""What the soak asks, and what must be true of each answer.

`Truth` knows every vector that may come back, by the id of the model that made it: an
answer that names one model and carries the work of another is wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from skylike.service.engine import CutoutQuery, Engine
from skylike.service.library import Library
from skylike.v1 import catalog_pb2, catalog_pb2_grpc, search_pb2, search_pb2_grpc
from skylike.v1.types_pb2 import Cutout, Query

LIVE, FITTED, SURVEY = "live", "sky", "survey"
CALL_SECONDS = 30.0
_K = 10
_CLOSE = 1e-4  # of cosines, and of numbers in a vector


@dataclass(frozen=True)
class Truth:
    """Vectors of the cutouts that are asked about and of the survey, by model.

    Attributes
    ----------
    cutouts
        By model id and the bytes of the cutout.
    survey
        By model id and the name of the file.
    """

    cutouts: Mapping[str, Mapping[bytes, NDArray[np.float32]]]
    survey: Mapping[str, Mapping[str, NDArray[np.float32]]]

    @classmethod
    def of(
        cls,
        models: Sequence[Path],
        cutouts: Sequence[bytes],
        archive: Path,
        aside: Path,
    ) -> "Truth":
        """Embed all of it here, with each model, in a library of its own."""
        files = {path.name: path.read_bytes() for path in archive.iterdir()}
        of_cutouts, of_files = {}, {}
        with Library(aside) as library:
            engine = Engine(library)
            for number, model in enumerate(models):
                name = f"model-{number}"
                id = library.create(name, model).model_id

                def embed(file: bytes, name: str = name) -> NDArray[np.float32]:
                    return engine.embed(name, CutoutQuery(file)).vector

                of_cutouts[id] = {file: embed(file) for file in cutouts}
                of_files[id] = {path: embed(file) for path, file in files.items()}
        return cls(of_cutouts, of_files)

    def is_vector(self, answer: search_pb2.EmbedResponse, cutout: bytes) -> bool:
        """Whether a vector is that which the named model gives."""
        found = np.frombuffer(answer.vector.packed, "<f4")
        wanted = self.cutouts[answer.context.model_id][cutout]
        return found.shape == wanted.shape and np.allclose(found, wanted, atol=_CLOSE)

    def is_nearest(self, answer: search_pb2.NeighborsResponse, cutout: bytes) -> bool:
        """Whether hits are the nearest of the survey, in the named model's vectors."""
        query = self.cutouts[answer.context.model_id][cutout]
        files = self.survey[answer.context.model_id]
        cosines = {name: float(query @ vector) for name, vector in files.items()}
        least = sorted(cosines.values())[-_K] - _CLOSE
        return len({hit.object.id for hit in answer.hits}) == _K and all(
            hit.object.id in cosines
            and cosines[hit.object.id] >= least
            and abs(cosines[hit.object.id] - hit.score) < _CLOSE
            for hit in answer.hits
        )


class Asking:
    """One caller's connection: every question, each asked once and never again.

    Parameters
    ----------
    address
        Of the service.
    truth
        What is right.
    """

    def __init__(self, address: str, truth: Truth) -> None:
        self._channel = connection(address)
        self._search = search_pb2_grpc.SearchServiceStub(self._channel)
        self._catalog = catalog_pb2_grpc.CatalogServiceStub(self._channel)
        self._truth = truth

    def __enter__(self) -> "Asking":
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def analyze(self, one: str, cutout: bytes) -> bool:
        """Ten hits among those that change all the time."""
        asked = search_pb2.AnalyzeRequest(collection=LIVE, query=_cut(cutout))
        return len(_ask(self._search.Analyze, asked).hits) == _K

    def neighbors(self, one: str, cutout: bytes) -> bool:
        """Ten hits of an object without itself, the most alike first."""
        query = Query(object_id=one)
        asked = search_pb2.NeighborsRequest(collection=LIVE, query=query)
        hits = _ask(self._search.Neighbors, asked).hits
        scores = [hit.score for hit in hits]
        return (
            len(hits) == _K
            and one not in [hit.object.id for hit in hits]
            and scores == sorted(scores, reverse=True)
        )

    def get(self, one: str, cutout: bytes) -> bool:
        """An object that is always there."""
        asked = catalog_pb2.GetObjectRequest(collection=LIVE, id=one)
        return bool(_ask(self._catalog.GetObject, asked).object.id == one)

    def embed(self, one: str, cutout: bytes) -> bool:
        """The vector of the model that the answer names, where that never changes."""
        return self._is_embedded(LIVE, cutout)

    def embed_in_the_survey(self, one: str, cutout: bytes) -> bool:
        """The same, where jobs go from one model to another and back."""
        return self._is_embedded(SURVEY, cutout)

    def neighbors_in_the_survey(self, one: str, cutout: bytes) -> bool:
        """The nearest in the vectors of the model that the answer names."""
        asked = search_pb2.NeighborsRequest(collection=SURVEY, query=_cut(cutout))
        return self._truth.is_nearest(_ask(self._search.Neighbors, asked), cutout)

    def analyze_fitted(self, one: str, cutout: bytes) -> bool:
        """A p-value, where there is a fit."""
        asked = search_pb2.AnalyzeRequest(collection=FITTED, query=_cut(cutout))
        return bool(0 < _ask(self._search.Analyze, asked).anomaly.p_value <= 1)

    def oddest_fitted(self, one: str, cutout: bytes) -> bool:
        """Two pages of the oddest, each less odd than the one before it."""
        asked = catalog_pb2.ListAnomaliesRequest(collection=FITTED, page_size=_K)
        first = _ask(self._catalog.ListAnomalies, asked)
        asked.page_token = first.next_page_token
        found = [*first.anomalies, *_ask(self._catalog.ListAnomalies, asked).anomalies]
        scores = [odd.score for odd in found]
        ranks = [odd.rank for odd in found]
        return scores == sorted(scores, reverse=True) and ranks == [
            *range(1, 2 * _K + 1)
        ]

    def _is_embedded(self, collection: str, cutout: bytes) -> bool:
        asked = search_pb2.EmbedRequest(collection=collection, query=_cut(cutout))
        return self._truth.is_vector(_ask(self._search.Embed, asked), cutout)


# About an object that is always there, and a cutout.
QUESTIONS: Sequence[Callable[[Asking, str, bytes], bool]] = (
    Asking.analyze,
    Asking.neighbors,
    Asking.get,
    Asking.embed,
    Asking.embed_in_the_survey,
    Asking.neighbors_in_the_survey,
    Asking.analyze_fitted,
    Asking.oddest_fitted,
)


def connection(address: str) -> grpc.Channel:
    """A connection that asks once: a read that fails shall be seen to fail."""
    return grpc.insecure_channel(address, (("grpc.enable_retries", 0),))


def _cut(cutout: bytes) -> Query:
    return Query(cutout=Cutout(fits=cutout))


def _ask(method: Any, request: Any) -> Any:
    return method(request, timeout=CALL_SECONDS)
