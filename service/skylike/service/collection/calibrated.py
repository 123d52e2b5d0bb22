"""What p-values hold for: calibration objects outside an archive, and what is there now."""

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skylike.service import caller
from skylike.service.anomaly import AnomalyFit, Surrounding
from skylike.service.catalog import Catalog
from skylike.service.clusters import ClusterFit
from skylike.service.collection.search import Found, How, search
from skylike.service.collection.view import View
from skylike.service.index import Kind, Source, k_nearest

SAME_COSINE = 1 - 1e-6
"""Above it two vectors show one object: with its company in a batch an embedding changes by
1e-7."""

ALIKE_COSINE = 1 - 1e-3
"""Above it they may, where one of them is rounded to float16."""

_MOST_ALIKE = 8  # of an archive, that float16 may hide the same object among

Again: TypeAlias = Callable[[list[int], How], Sequence[list[Found]]]


class NewestFits(NamedTuple):
    """The newest of a collection, each None before the first.

    Attributes
    ----------
    clusters
    anomaly
        With p-values that hold for what is there now.
    """

    clusters: ClusterFit | None
    anomaly: AnomalyFit | None


class _Known(NamedTuple):
    """A fit as it was calibrated: for which view, and by which neighbours."""

    view: tuple[int, int]
    near: Surrounding
    fit: AnomalyFit


class Calibrated:
    """The newest anomaly fit of a collection. Safe from any thread.

    A p-value compares a new object with calibration objects, and both must be judged
    alike. What has gone since the fit is nobody's neighbour any more, and a graph finds
    other neighbours than a comparison with all. So the calibration objects are judged by
    what is there, as new objects are, when it is first asked for: all of them where the
    archive is searched otherwise than before, else those that have lost a neighbour.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: _Known | None = None

    def of(self, view: View) -> AnomalyFit | None:
        """The fit of a view; None before the first."""
        newest = view.anomaly
        if newest is None or not len(newest.calibration):
            return newest
        known = self._known
        if known is None or not _is_of(known, newest, view):
            with self._lock:
                known = self._known
                if known is None or not _is_of(known, newest, view):
                    # One caller does it for all: it shall not begin again and again.
                    with caller.waits(lambda: None):
                        known = self._known = _calibrated(newest, view, known)
        return known.fit


def _is_of(known: _Known, fit: AnomalyFit, view: View) -> bool:
    return known.view == (view.layout, view.lost_at) and (
        known.fit.version == fit.version
    )


def _calibrated(fit: AnomalyFit, view: View, known: _Known | None) -> _Known:
    """The fit by what is in a view."""
    left = [source for _, source in view.sources(up_to=fit.last_row)]
    num_left = sum(source.num_allowed for source in left)
    k = min(fit.k, num_left)
    asked = np.arange(len(fit.calibration))
    shape = (len(asked), k)
    near = Surrounding(np.empty(shape, np.int64), np.empty(shape))
    if (
        known is not None
        and known.fit.version == fit.version
        and known.view[0] == view.layout
        and known.view[1] < view.lost_at
        and known.near.rows.shape == shape
    ):
        near = Surrounding(known.near.rows.copy(), known.near.distances.copy())
        is_there = view.holds(near.rows.ravel()).reshape(shape)
        asked = np.flatnonzero(~is_there.all(axis=1))
    if len(asked) and k:
        found = _nearest(fit, view, fit.calibration[asked])
        near.rows[asked], near.distances[asked] = found
    is_sure = num_left == len(fit.crowd.rows) and all(
        source.index.kind is Kind.FLAT for source in left
    )
    made = fit.recalibrated(near, is_sure=is_sure)
    return _Known((view.layout, view.lost_at), near, made)


def _nearest(fit: AnomalyFit, view: View, vectors: NDArray[np.float32]) -> Surrounding:
    """The k nearest of calibration objects, or all that are left, as those of queries."""
    near = search(view, vectors, fit.k + 1)
    make_fitted(
        fit, near, lambda some, how: search(view, vectors[some], fit.k + 1, **how)
    )
    judging = [[one for one in found if fit.covers(one.row)][: fit.k] for found in near]
    return Surrounding.of(
        [[one.row for one in found] for found in judging],
        [[one.score for one in found] for found in judging],
    )


def make_fitted(fit: AnomalyFit, near: list[list[Found]], again: Again) -> None:
    """Where too few were there at the fit, find those that were, in place.

    Parameters
    ----------
    fit
        Which.
    near
        The `fit.k` + 1 nearest of each; only some of them, where newer ones are as near.
    again
        Finds as many of some, by their numbers, in a way.
    """
    last_row = fit.last_row
    short = [
        place
        for place, found in enumerate(near)
        if len(found) > fit.k and sum(one.row <= last_row for one in found) <= fit.k
    ]
    if short:
        for place, found in zip(short, again(short, How(up_to=last_row)), strict=True):
            near[place] = found


def archived(
    sources: Sequence[Source], catalog: Catalog, vectors: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Which of some vectors, (n, dimension), show an object of an archive: (n,).

    Compared with all of it: a graph finds most, and one that is missed would do harm.
    """
    is_rounded = any(one.index.kind is Kind.IVF for one in sources)
    k = min(_MOST_ALIKE, sum(one.num_allowed for one in sources)) if is_rounded else 1
    rows, cosines = k_nearest(sources, vectors, k, exact=True)
    if not is_rounded:
        return cosines[:, 0] > SAME_COSINE
    found = np.zeros(len(vectors), np.bool_)
    for place in np.flatnonzero(cosines[:, 0] > ALIKE_COSINE).tolist():
        kept = catalog.vectors_there(rows[place])[1].astype(np.float64)
        found[place] = (kept @ vectors[place] > SAME_COSINE).any()
    return found
