"""What fits have put in order: the oddest objects, and the members of clusters."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from skylike.service.collection import Collection, SkyObject
from skylike.service.columns import Filter
from skylike.service.engine.keeping import MAX_PAGE, Keeping, context_of
from skylike.service.engine.types import Mark, Member, Odd, Ranked
from skylike.service.errors import BadRequest, NotFound, NotReady
from skylike.service.ranks import Ranks

_Item = TypeVar("_Item")


class Ranking(Keeping):
    """Lists objects in the order of a fit, page by page.

    All pages are of the fit that the first was of, whatever is written meanwhile, until
    the fit after the next one is made. What is gone is left out.
    """

    def anomalies(
        self,
        collection: str,
        where: Filter | None = None,
        *,
        thumbnails: bool = False,
        after: Mark | None = None,
        limit: int = 100,
    ) -> Ranked[Odd]:
        """Objects by falling anomaly score, equal ones in the order of writing.

        Parameters
        ----------
        collection
            Its name, here and below.
        where
            Which of them; None: all.
        thumbnails
            Whether to read these too.
        after
            Go on behind this one; None from the first.
        limit
            At most so many, and at most 1000.

        Raises
        ------
        NotReady
            ``not_fitted`` while there is no fit, ``not_ranked`` if that is of an older
            skylike.
        BadRequest
            ``bad_page_token`` if the fit of `after` is not kept any more, or is
            another collection's.
        """
        with self._archive(collection) as archive:
            ranks = _ranks(archive, after)

            def odd(place: int, position: int, found: SkyObject) -> Odd:
                score, percentile = ranks.scores[position], ranks.percentiles[position]
                return Odd(place + 1, found, float(score), float(percentile))

            page = ranks.by_oddness, where, thumbnails, after, limit
            return _page(archive, ranks, *page, odd)

    def members(
        self,
        collection: str,
        label: int,
        where: Filter | None = None,
        *,
        thumbnails: bool = False,
        after: Mark | None = None,
        limit: int = 100,
    ) -> Ranked[Member]:
        """Objects of a cluster, nearest to its centre first, equal ones as written.

        Parameters and errors as of `anomalies`, and:

        Raises
        ------
        NotFound
            ``unknown_cluster`` if the fit has none of this label.
        """
        with self._archive(collection) as archive:
            ranks = _ranks(archive, after)
            if not 0 <= label < ranks.num_clusters:
                raise NotFound(
                    f"fit {ranks.version} of {archive.name!r} has the clusters 0 to "
                    f"{ranks.num_clusters - 1}, and no cluster {label}",
                    reason="unknown_cluster",
                )
            _, probabilities, similarities = ranks.membership

            def member(place: int, position: int, found: SkyObject) -> Member:
                probability, similarity = (
                    probabilities[position],
                    similarities[position],
                )
                return Member(place + 1, found, float(probability), float(similarity))

            page = ranks.by_typicality(label), where, thumbnails, after, limit
            return _page(archive, ranks, *page, member)


def _ranks(archive: Collection, after: Mark | None) -> Ranks:
    """Those that the page before was of, or the newest."""
    if after is None:
        if archive.clusters is None:
            raise NotReady(
                f"collection {archive.name!r} has no fit yet, and so no ranks: start a "
                "FitJob (JobService.StartJob), or, while no service runs, "
                "skylike-service fit",
                reason="not_fitted",
            )
        found = archive.ranks()
        if found is None:
            raise NotReady(
                f"fit {archive.clusters.version} of {archive.name!r} was made by an older "
                "skylike, which kept no ranks: fit it anew (FitJob)",
                reason="not_ranked",
            )
        return found
    if after.collection != archive.name:
        raise _stale(
            f"the page token is of collection {after.collection!r}, and this is "
            f"{archive.name!r}"
        )
    kept = archive.ranks(after.fit_version)
    if kept is None:
        raise _stale(
            f"the page token is of fit {after.fit_version} of {archive.name!r}, which is "
            "not kept any more"
        )
    return kept


def _page(
    archive: Collection,
    ranks: Ranks,
    order: NDArray[np.int64],
    where: Filter | None,
    thumbnails: bool,
    after: Mark | None,
    limit: int,
    told: Callable[[int, int, SkyObject], _Item],
) -> Ranked[_Item]:
    context = context_of(archive)
    limit = min(limit, MAX_PAGE)
    found = archive.listed(
        ranks.rows,
        order,
        where,
        start=0 if after is None else after.place + 1,
        limit=limit,
        thumbnails=thumbnails,
    )
    is_last = len(found) < limit
    return Ranked(
        context,
        ranks.version,
        tuple(told(place, int(order[place]), one) for place, one in found),
        archive.num_since(int(ranks.rows[-1]), where),
        None if is_last else Mark(archive.name, ranks.version, found[-1][0]),
    )


def _stale(what: str) -> BadRequest:
    return BadRequest(f"{what}: begin with the first page", reason="bad_page_token")
