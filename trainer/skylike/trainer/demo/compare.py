"""How good the neighbours of new objects are, beside cheap baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from skylike.service.encoder import Encoder
from skylike.service.errors import BadInput
from skylike.service.stamp import StampSpec
from skylike.trainer.config import NetworkSettings, TrainSettings
from skylike.trainer.data import StampSet
from skylike.trainer.embedder import Embedder
from skylike.trainer.judge.descriptors import pixels
from skylike.trainer.judge.neighbors import NEIGHBORS
from skylike.trainer.step import start as begin
from skylike.trainer.whitening import fit

_QUERIES = 1024


# Unit vectors of the archive (n, D) and of the queries (m, D), float32.
Vectors = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Precision:
    """Share of the 10 nearest archive objects that carry the query's label.

    Attributes
    ----------
    micro
        Mean over queries.
    macro
        Mean over classes of the mean over their queries.
    """

    micro: float
    macro: float


def precision_at_10(
    queries: NDArray[np.float32],
    query_labels: Sequence[str],
    archive: NDArray[np.float32],
    archive_labels: Sequence[str],
) -> Precision:
    """Judge neighbours of new objects in an archive they are not part of.

    Parameters
    ----------
    queries : (m, D) float32, unit norm
    query_labels
        m labels.
    archive : (n, D) float32, unit norm
        At least 10 vectors; searched exactly, by cosine.
    archive_labels
        n labels.

    Raises
    ------
    BadInput
        ``too_few`` with fewer than 10 archive objects, or no query.
    """
    if len(archive) < NEIGHBORS or not len(queries):
        raise BadInput(
            f"{len(archive)} archive objects and {len(queries)} queries have labels; at "
            f"least {NEIGHBORS} and 1 are needed",
            reason="too_few",
        )
    wanted, known = np.asarray(query_labels), np.asarray(archive_labels)
    shares = np.empty(len(queries))
    for start in range(0, len(queries), _QUERIES):
        part = slice(start, start + _QUERIES)
        cosine = queries[part] @ archive.T
        nearest = np.argpartition(-cosine, NEIGHBORS - 1, axis=1)[:, :NEIGHBORS]
        shares[part] = (known[nearest] == wanted[part, np.newaxis]).mean(axis=1)
    by_class = [float(shares[wanted == label].mean()) for label in np.unique(wanted)]
    return Precision(float(shares.mean()), float(np.mean(by_class)))


def pixel_pca(
    archive: NDArray[np.float32],
    queries: NDArray[np.float32],
    spec: StampSpec,
    network: NetworkSettings,
) -> Vectors:
    """Baseline: principal components of the stretched pixels, whitened alike.

    Parameters
    ----------
    archive, queries : (n, channel, size, size), (m, …) float32, in sigma
        Stamps; fitted on those of the archive.
    spec
        What the stamps are.
    network
        How vectors are whitened, and to which length.
    """
    known, asked = (
        torch.from_numpy(pixels(stamps, spec)) for stamps in (archive, queries)
    )
    whitening = fit(known, network.dimension, network.shrinkage)
    return whitening.unit(known).numpy(), whitening.unit(asked).numpy()


def random_network(
    archive: NDArray[np.float32],
    queries: NDArray[np.float32],
    spec: StampSpec,
    network: NetworkSettings,
    seed: int = 0,
) -> Vectors:
    """Baseline: the same network with random weights, averaged and whitened alike.

    Parameters as in `pixel_pca`.
    """
    embedder = Embedder.build(spec, network, None, seed)
    known, asked = (
        embedder.in_batches(torch.from_numpy(stamps), raw=True)[
            :, : embedder.num_learned
        ]
        for stamps in (archive, queries)
    )
    whitening = fit(known, network.dimension, network.shrinkage)
    return whitening.unit(known).numpy(), whitening.unit(asked).numpy()


def before_training(
    archive: NDArray[np.float32],
    queries: NDArray[np.float32],
    settings: TrainSettings,
) -> Vectors:
    """Baseline: all that is exported, with the weights that the run began with.

    Parameters as in `pixel_pca`; the settings are the run's.
    """
    weights = begin(settings).model.online.state_dict()
    embedder = Embedder.build(settings.stamp, settings.network, weights)
    embedder.whiten(torch.from_numpy(archive))
    known, asked = (
        embedder.in_batches(torch.from_numpy(stamps)).numpy()
        for stamps in (archive, queries)
    )
    return known, asked


def compare(
    encoder: Encoder,
    settings: TrainSettings,
    archive: StampSet,
    queries: StampSet,
    kinds: Mapping[Path, str],
) -> dict[str, float]:
    """Micro P@10 of a model and of three baselines, by one protocol.

    Every method is fitted on the archive alone; the queries are new to it.

    Parameters
    ----------
    encoder
        The model.
    settings
        Of the run that made it.
    archive, queries
        What is searched, and what is asked.
    kinds
        Of files; what has none is left out.

    Raises
    ------
    BadInput
        ``too_few`` if fewer than 10 archive objects, or no query, have a label, or
        none has the same;
        ``duplicate_id`` if a query is in the archive.
    """
    common = {path.resolve() for path in archive.paths} & {
        path.resolve() for path in queries.paths
    }
    if common:
        raise BadInput(
            f"{len(common)} queries are in the archive, such as {min(common)}: they "
            "would find themselves; ask with files that are not",
            reason="duplicate_id",
        )
    known, asked = _labelled(archive, kinds), _labelled(queries, kinds)
    if not set(known[1]) & set(asked[1]):
        raise BadInput(
            "no query has a label that an archive object has: are these labels kinds?",
            reason="too_few",
        )
    old, new = archive.stamps, queries.stamps[asked[0]]
    spec = encoder.spec
    methods: dict[str, Vectors] = {
        "model": (encoder.embed(old), encoder.embed(new)),
        "before_training": before_training(old, new, settings),
        "random_network": random_network(old, new, spec, settings.network),
        "pca_on_pixels": pixel_pca(old, new, spec, settings.network),
    }
    return {
        name: round(
            precision_at_10(found, asked[1], searched[known[0]], known[1]).micro, 4
        )
        for name, (searched, found) in methods.items()
    }


def require_labels(stamps: StampSet, kinds: Mapping[Path, str], example: str) -> None:
    """Refuse a table of labels that names too few files of an archive.

    Raises
    ------
    BadInput
        ``too_few`` below 10; it tells an `example` of what the table names.
    """
    found = len(_labelled(stamps, kinds)[0])
    if found < NEIGHBORS:
        raise BadInput(
            f"the labels name {found} of {len(stamps.paths)} files; {NEIGHBORS} or more "
            f"are needed. The files are named like {stamps.paths[0].name!r}, the labels "
            f"are for {example!r} and so on",
            reason="too_few",
        )


def _labelled(
    stamps: StampSet, kinds: Mapping[Path, str]
) -> tuple[list[int], list[str]]:
    """Numbers of the stamps that have a label, and the labels."""
    pairs = [(i, kinds[path]) for i, path in enumerate(stamps.paths) if path in kinds]
    return [i for i, _ in pairs], [label for _, label in pairs]
