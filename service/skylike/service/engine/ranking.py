"""What fits have put in order: the oddest objects, and the members of clusters."""

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from skylike.service.anomaly import NUISANCES
from skylike.service.clusters import NOWHERE
from skylike.service.collection import Collection, SkyObject, Taught
from skylike.service.engine.keeping import MAX_PAGE, Keeping, context_of
from skylike.service.engine.types import Mark, Member, Odd, Order, Ranked, Wanted
from skylike.service.errors import BadRequest, NotFound, NotReady
from skylike.service.ranks import Ranks

_Item = TypeVar("_Item")

_FIT_IT = (
    "start a FitJob (`skylike jobs start fit`, JobService.StartJob), or, while no service "
    "runs, skylike-service fit"
)


class Ranking(Keeping):
    """Lists objects in the order of a fit, page by page.

    All pages are of the fit that the first was of, whatever is written meanwhile, until
    the fit after the next one is made. What is gone is left out.
    """

    def anomalies(
        self,
        collection: str,
        wanted: Wanted,
        order: Order = Order.ODDEST,
        *,
        controlled: bool = False,
    ) -> Ranked[Odd]:
        """Objects by their anomaly scores, or by what was taught.

        Equal ones come in the order of writing.

        Parameters
        ----------
        collection, wanted
            What is listed, and which page.
        controlled
            Whether to order by the percentile among objects observed alike instead;
            those of which that is not known are left out.

        Raises
        ------
        NotReady
            ``not_fitted`` while there is no fit, ``not_ranked`` if that is of an older
            skylike; ``not_rated`` while nothing was taught; ``not_controlled`` if that is
            what to order by, and it is known of no object.
        BadRequest
            ``bad_page_token`` if the fit of the page before is not kept any more, or is
            another collection's.
        """
        with self._archive(collection) as archive:
            ranks = newest_or_marked(archive, wanted.after)

            taught = _taught(archive, ranks, wanted) if order is Order.TAUGHT else None

            def odd(rank: int, position: int, found: SkyObject) -> Odd:
                score, percentile = ranks.scores[position], ranks.percentiles[position]
                given = float(ranks.controlled[position])
                return Odd(
                    rank,
                    found,
                    float(score),
                    float(percentile),
                    None if math.isnan(given) else given,
                    None if taught is None else float(taught.interests[position]),
                )

            if taught is not None:
                return _page(archive, ranks, taught.order, wanted, odd, taught.version)
            places = ranks.by_oddness
            if controlled:
                places = ranks.by_controlled_oddness
                if not len(places):
                    raise NotReady(
                        f"fit {ranks.version} of {archive.name!r} was controlled for "
                        "nothing: at least half of the objects have to tell one of "
                        f"{', '.join(sorted(NUISANCES))} when it is fitted, not "
                        "all of them the same",
                        reason="not_controlled",
                    )
            elif order is Order.TYPICAL:
                places = ranks.by_commonness
            return _page(archive, ranks, places, wanted, odd)

    def members(self, collection: str, label: int, wanted: Wanted) -> Ranked[Member]:
        """Objects of a cluster, nearest to its centre first, equal ones as written.

        Of the label `NOWHERE` those that are in no cluster, nearest to any first.

        Raises as `anomalies`, and:

        Raises
        ------
        NotFound
            ``unknown_cluster`` if the fit has none of this label.
        """
        with self._archive(collection) as archive:
            ranks = newest_or_marked(archive, wanted.after)
            if label != NOWHERE and label not in ranks.labels:
                known = ", ".join(map(str, sorted(ranks.labels.tolist())))
                raise NotFound(
                    f"fit {ranks.version} of {archive.name!r} has the clusters {known}, "
                    f"and no cluster {label}",
                    reason="unknown_cluster",
                )
            _, probabilities, similarities = ranks.membership

            def member(rank: int, position: int, found: SkyObject) -> Member:
                probability, similarity = (
                    probabilities[position],
                    similarities[position],
                )
                return Member(rank, found, float(probability), float(similarity))

            order = ranks.by_typicality(label)
            return _page(archive, ranks, order, wanted, member)


def _taught(archive: Collection, ranks: Ranks, wanted: Wanted) -> Taught:
    """What was taught as the page before knew it, or by now."""
    after = wanted.after
    found = archive.taught(ranks, None if after is None else after.ratings_version)
    if found is None:
        raise stale(
            f"the ratings of {archive.name!r} have changed since the page before"
        )
    if not found.num_rated:
        raise NotReady(
            f"no object of collection {archive.name!r} is rated: `skylike rate` rates "
            "some, and `skylike suggestions` tells which",
            reason="not_rated",
        )
    return found


def not_fitted(collection: str, what: str) -> NotReady:
    """The error for a collection that lacks something that a fit makes."""
    return NotReady(
        f"collection {collection!r} has no {what} yet: {_FIT_IT}", reason="not_fitted"
    )


def newest_or_marked(archive: Collection, after: Mark | None) -> Ranks:
    """Those that the page before was of, or the newest."""
    if after is not None:
        return _ranks_of(archive, after)
    if archive.clusters is None:
        raise not_fitted(archive.name, "fit")
    newest = archive.ranks()
    if newest is None:
        raise NotReady(
            f"the fit of collection {archive.name!r} is of an older skylike, which kept no "
            f"ranks: {_FIT_IT}",
            reason="not_ranked",
        )
    return newest


def _ranks_of(archive: Collection, mark: Mark) -> Ranks:
    if mark.collection != archive.name:
        raise stale(
            f"the page token is of collection {mark.collection!r}, and this is "
            f"{archive.name!r}"
        )
    kept = archive.ranks(mark.fit_version)
    if kept is None:
        raise stale(
            f"the page token is of fit {mark.fit_version} of {archive.name!r}, which is "
            "not kept any more"
        )
    return kept


def _page(
    archive: Collection,
    ranks: Ranks,
    order: NDArray[np.int64],
    wanted: Wanted,
    told: Callable[[int, int, SkyObject], _Item],
    ratings_version: int = 0,
) -> Ranked[_Item]:
    """A page of a list, of what is told of each by its rank, its position and itself."""
    context = context_of(archive)
    limit = min(wanted.limit, MAX_PAGE)
    found = archive.listed(
        ranks.rows,
        order,
        wanted.where,
        start=0 if wanted.after is None else wanted.after.place + 1,
        limit=limit,
        thumbnails=wanted.thumbnails,
    )
    is_last = len(found) < limit
    return Ranked(
        context,
        ranks.version,
        tuple(told(place + 1, int(order[place]), one) for place, one in found),
        archive.num_since(int(ranks.rows[-1]), wanted.where),
        None
        if is_last
        else Mark(archive.name, ranks.version, found[-1][0], ratings_version),
        ratings_version,
    )


def stale(what: str) -> BadRequest:
    """The error for a page that would be of another list than the one before."""
    return BadRequest(f"{what}: begin with the first page", reason="bad_page_token")
