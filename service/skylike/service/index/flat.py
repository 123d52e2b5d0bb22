"""`Flat`: vectors that are compared one and all."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import faiss as _faiss

from skylike.service.index.allowed import Allowed
from skylike.service.index.exact import Floats, Positions, compare
from skylike.service.index.kind import Kind

faiss: Any = _faiss  # its stubs lack what is used here

_SUFFIX = ".faiss"


class Flat:
    """Every vector is compared. Never changes; safe from any thread.

    Parameters
    ----------
    vectors : (n, dimension) float32, finite, unit norm
        Kept, not copied.
    """

    kind = Kind.FLAT

    def __init__(self, vectors: Floats, keeper: object = None) -> None:
        self.vectors = vectors
        self._keeper = keeper  # of memory that the vectors look into

    def __len__(self) -> int:
        return len(self.vectors)

    def candidates(
        self,
        queries: Floats,
        count: int,
        allowed: Allowed | None = None,
        *,
        effort: float = 1.0,
        exact: bool = False,
    ) -> tuple[Positions, Floats]:
        """As `VectorIndex.candidates`; finds everything, with any effort."""
        return compare(self, queries, count, allowed)

    def at(self, positions: Positions) -> Floats:
        """Vectors at some positions, (…, dimension) float32."""
        return self.vectors[positions]

    def chunks(self) -> Iterator[tuple[int, Floats]]:
        """All vectors, in one part."""
        yield 0, self.vectors

    def write(self, stem: Path) -> dict[str, Path]:
        """Write new files; which, by what they hold."""
        path = stem.with_suffix(_SUFFIX)
        index = faiss.IndexFlatIP(self.vectors.shape[1])
        index.add(self.vectors)
        faiss.write_index(index, str(path))
        return {"index": path}

    @classmethod
    def read(cls, files: Mapping[str, Path], width: int) -> Self:
        """What `write` wrote, mapped into memory."""
        index = mapped(files["index"])
        return cls(stored_in(index), index)

    @property
    def width(self) -> int:
        """Nothing to choose."""
        return 0


def mapped(path: Path) -> Any:
    """A FAISS index whose arrays stay in its file.

    Raises
    ------
    RuntimeError
        If this version of FAISS cannot read it. The caller has verified the file:
        FAISS has no checksum of its own and trusts what it reads.
    """
    return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)


def stored_in(index: Any) -> Floats:
    """The vectors of a flat index, or of a graph's storage: a view of its memory."""
    storage = faiss.downcast_index(getattr(index, "storage", index))
    view: Floats = faiss.rev_swig_ptr(storage.get_xb(), index.ntotal * index.d)
    view = view.reshape(index.ntotal, index.d)
    view.flags.writeable = False
    return view
