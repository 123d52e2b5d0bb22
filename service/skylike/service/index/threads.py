"""How many threads FAISS uses for a call."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import faiss as _faiss

faiss: Any = _faiss  # its stubs lack what is used here


@contextmanager
def at_most(num_threads: int) -> Iterator[None]:
    """Let this thread's FAISS calls use so many threads, other threads' any.

    FAISS never shares a query between threads; waking one that then waits cost
    a single query three times its search on busy cores.
    """
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(max(1, min(before, num_threads)))
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


@contextmanager
def limited(num_threads: int) -> Iterator[None]:
    """Let this thread's FAISS calls use so many threads; 0 for all there are."""
    with at_most(num_threads or faiss.omp_get_max_threads()):
        yield
