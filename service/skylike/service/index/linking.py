"""How far FAISS is with linking vectors, which it does not tell."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import faiss as _faiss
import numpy as np

faiss: Any = _faiss  # its stubs lack what is used here

_PAUSE = 0.5  # seconds
_SAMPLE = 4096


@contextmanager
def watched(index: Any, total: int, told: Callable[[int], None]) -> Iterator[None]:
    """Tell, while the block adds vectors to an empty graph, how many are linked.

    A vector has neighbours from the moment when it is linked. FAISS makes room for all
    neighbours before it links the first vector, and takes the vectors of a level in
    random order; so the share of a sample that has neighbours is the share of all.

    Parameters
    ----------
    index
        A graph without vectors.
    total
        How many vectors are added.
    told
        Called from another thread, about twice a second, until it raises.
    """
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(index.hnsw, total, told, done))
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _watch(
    graph: Any, total: int, told: Callable[[int], None], done: threading.Event
) -> None:
    while not done.wait(_PAUSE):
        # The number of slots is set last, after the place where they lie.
        if graph.offsets.size() != total + 1 or not graph.neighbors.size():
            continue
        step = max(1, total // _SAMPLE)
        first_slots = faiss.vector_to_array(graph.offsets)[:-1:step]
        slots = faiss.rev_swig_ptr(graph.neighbors.data(), graph.neighbors.size())
        with suppress(Exception):  # who adds tells once more, in a thread that can fail
            while not done.wait(_PAUSE):
                told(round(total * float(np.mean(slots[first_slots] >= 0))))
