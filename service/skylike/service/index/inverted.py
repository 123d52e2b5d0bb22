"""`Inverted`: vectors in groups (IVF), a byte a number, and again in float16.

Jégou, Douze & Schmid 2011, IEEE TPAMI 33, 117, with scalar quantisation.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import faiss as _faiss
import numpy as np
import structlog

from skylike.service.index.allowed import Allowed
from skylike.service.index.exact import Floats, Positions, compare
from skylike.service.index.halves import Halves
from skylike.service.index.kind import Kind
from skylike.service.index.threads import at_most

faiss: Any = _faiss  # its stubs lack what is used here
_log = structlog.get_logger()

_SUFFIX, _HALF_SUFFIX = ".faiss", ".half"
_WIDTHS = (4, 8, 16, 24, 32, 48, 64, 96, 128, 256)
_RECALL = 0.99
_SAMPLE, _SAMPLE_K = 256, 10
_TRAINED_ON = 64  # vectors a group
_COMPARED_AGAIN = 4  # times as many as wanted, in float16
_FEWEST_AGAIN = 64
_CHUNK = 65_536  # vectors
_FEW = 2048  # allowed vectors; up to these, all are compared


class Inverted:
    """Vectors in groups. Never changes; safe from any thread.

    Attributes
    ----------
    width
        How many groups are looked into (nprobe).
    """

    kind = Kind.IVF
    vectors: Floats | None = None  # only rounded ones, in a file

    def __init__(self, index: Any, halves: Halves, width: int) -> None:
        self._index = index
        self._halves = halves
        self.width = width

    def __len__(self) -> int:
        return len(self._halves)

    @classmethod
    def build(
        cls,
        parts: Sequence[Floats],
        stem: Path,
        told: Callable[[int], None] = lambda _: None,
        seed: int = 0,
    ) -> Self:
        """Group vectors, and measure how many groups must be looked into.

        Parameters
        ----------
        parts
            (n, dimension) float32 each, unit norm; positions are in their order.
        stem
            Where the float16 vectors are written while the index is made.
        told
            Called with the number of vectors that have been added; may raise to stop.
        seed
            Of the sample that groups are learned from.
        """
        total = sum(map(len, parts))
        dimension = parts[0].shape[1]
        _log.info("groups_begun", num_vectors=total)
        num_groups = 1 << int(np.log2(4 * np.sqrt(total)))
        index = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(dimension),
            dimension,
            num_groups,
            faiss.ScalarQuantizer.QT_8bit,
            faiss.METRIC_INNER_PRODUCT,
            False,  # codes of the vectors themselves, not of what groups leave
        )
        index.train(_drawn(parts, min(total, _TRAINED_ON * num_groups), seed))
        path = stem.with_suffix(_HALF_SUFFIX)
        with path.open("xb") as file:
            for part in parts:
                for start in range(0, len(part), _CHUNK):
                    some = np.ascontiguousarray(part[start : start + _CHUNK])
                    some.astype("<f2").tofile(file)
                    index.add(some)
                    told(index.ntotal)
        made = cls(index, Halves(path, dimension), _WIDTHS[-1])
        recall = made._choose_width(_drawn(parts, min(total, _SAMPLE), seed + 1))
        _log.info(
            "groups_built",
            num_vectors=total,
            num_groups=num_groups,
            width=made.width,
            recall=round(recall, 4),
        )
        return made

    def candidates(
        self,
        queries: Floats,
        count: int,
        allowed: Allowed | None = None,
        *,
        effort: float = 1.0,
        exact: bool = False,
    ) -> tuple[Positions, Floats]:
        """As `VectorIndex.candidates`."""
        total = len(self) if allowed is None else allowed.count
        share = total / len(self)
        if exact or count >= total or (allowed is not None and total <= _FEW):
            return compare(self, queries, count, allowed)
        width = max(1, min(int(self.width * effort / share), self._index.nlist))
        parameters = faiss.SearchParametersIVF(nprobe=width)
        if allowed is not None:
            parameters.sel = faiss.IDSelectorBitmap(allowed.bits)
        again = min(max(_COMPARED_AGAIN * count, _FEWEST_AGAIN), total)
        with at_most(len(queries)):
            _, positions = self._index.search(queries, again, params=parameters)
        return self._compared_again(queries, positions, count)

    def _compared_again(
        self, queries: Floats, positions: Positions, count: int
    ) -> tuple[Positions, Floats]:
        scores = np.einsum("qcd,qd->qc", self.at(positions), queries)
        scores[positions < 0] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        positions = np.take_along_axis(positions, order, axis=1)
        lowest = np.take_along_axis(scores, order, axis=1)[:, -1]
        ceilings = np.where(positions[:, -1] < 0, np.float32(np.inf), lowest)
        return positions, ceilings

    def at(self, positions: Positions) -> Floats:
        """Vectors at some positions, (…, dimension) float32, rounded to float16."""
        return self._halves.at(np.maximum(positions, 0))

    def chunks(self) -> Iterator[tuple[int, Floats]]:
        """All vectors in order, rounded to float16."""
        return self._halves.chunks()

    def write(self, stem: Path) -> dict[str, Path]:
        """Write a new file; which, and the one that `build` wrote."""
        path = stem.with_suffix(_SUFFIX)
        faiss.write_index(self._index, str(path))
        return {"index": path, "half": stem.with_suffix(_HALF_SUFFIX)}

    @classmethod
    def read(cls, files: Mapping[str, Path], width: int) -> Self:
        """What `write` wrote.

        FAISS's way of mapping groups made a search seven times slower.
        """
        index = faiss.read_index(str(files["index"]))
        return cls(index, Halves(files["half"], index.d), width)

    def _choose_width(self, sample: Floats) -> float:
        """Look into as many groups as it takes to find what is nearest to a sample.

        Each of the sample finds itself, which says nothing of an object that is new.
        """
        k = min(_SAMPLE_K + 1, len(self))
        exact, _ = self.candidates(sample, k, exact=True)
        lowest = np.einsum("qd,qd->q", self.at(exact[:, -1]), sample)
        recall = 0.0
        for width in _WIDTHS:
            self.width = width
            found, _ = self.candidates(sample, k)
            scores = np.einsum("qcd,qd->qc", self.at(found), sample)
            is_near = scores >= lowest[:, None] - 1e-6
            recall = float((is_near.sum(axis=1) - 1).mean() / max(k - 1, 1))
            if recall >= _RECALL:
                break
        return recall


def _drawn(parts: Sequence[Floats], count: int, seed: int) -> Floats:
    """Some of the vectors of all parts, drawn without repeats."""
    ends = np.cumsum([len(part) for part in parts])
    drawn = np.random.default_rng(seed).choice(int(ends[-1]), count, replace=False)
    drawn.sort()
    some = []
    for part, end in zip(parts, ends.tolist(), strict=True):
        mine = drawn[(drawn < end) & (drawn >= end - len(part))] - (end - len(part))
        some.append(part[mine])
    return np.ascontiguousarray(np.concatenate(some))
