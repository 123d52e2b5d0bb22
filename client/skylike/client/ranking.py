"""What a fit has put in order: the oddest objects, and the members of clusters.

A list is of the fit that its first page was of, whatever is written meanwhile.
"""

import dataclasses
import math
from collections.abc import AsyncIterator
from typing import Any, Literal, TypeVar

from skylike.client import convert, requests
from skylike.client.asked import told
from skylike.client.errors import BadInput
from skylike.client.filters import Filter
from skylike.client.inputs import sendable
from skylike.client.ranked import Anomalies, ClusterMembers
from skylike.client.session import Session
from skylike.client.transport import Rpc
from skylike.v1 import catalog_pb2 as pb

_SERVICE = "/skylike.v1.CatalogService"
_ANOMALIES = Rpc(f"{_SERVICE}/ListAnomalies", pb.ListAnomaliesResponse.FromString)
_MEMBERS = Rpc(
    f"{_SERVICE}/ListClusterMembers", pb.ListClusterMembersResponse.FromString
)
_MOST = 1000  # on a page

Order = Literal["oddest", "typical", "taught"]
_ORDERS: dict[str, pb.AnomalyOrder.ValueType] = {
    "oddest": pb.ANOMALY_ORDER_ODDEST,
    "typical": pb.ANOMALY_ORDER_TYPICAL,
    "taught": pb.ANOMALY_ORDER_TAUGHT,
}

_Page = TypeVar("_Page", Anomalies, ClusterMembers)


class Ranking(Session):
    """Lists objects in the order of a fit."""

    async def anomalies(
        self,
        where: Filter | None = None,
        *,
        collection: str | None = None,
        limit: int | None = 100,
        thumbnails: bool = False,
        order: Order = "oddest",
        controlled: bool = False,
    ) -> Anomalies:
        """The objects of a collection by how odd they are, the oddest first.

        Parameters
        ----------
        where
            Which, by `skylike.client.filters`; None: all.
        collection
            May be left out where the service has only one.
        limit
            At most so many; None: all.
        thumbnails
            Whether objects come with their thumbnails.
        order
            ``typical``: the least odd first; ``taught``: the most interesting first, as
            learned from ratings and scores.
        controlled
            Whether to order by the percentile among objects observed alike instead;
            those of which that is not known are left out.
        """
        pages = self.anomaly_pages(
            where,
            collection=collection,
            thumbnails=thumbnails,
            order=order,
            controlled=controlled,
            page_size=_page_size(limit),
        )
        return await _together(pages, limit)

    async def anomaly_pages(
        self,
        where: Filter | None = None,
        *,
        collection: str | None = None,
        thumbnails: bool = False,
        order: Order = "oddest",
        controlled: bool = False,
        page_size: int = _MOST,
    ) -> AsyncIterator[Anomalies]:
        """As `anomalies`, all of them, fetched page by page as they are needed.

        Parameters
        ----------
        where, collection, thumbnails, order, controlled
            As there.
        page_size
            How many are fetched at a time, 1 to 1000.
        """
        if order not in _ORDERS:
            raise BadInput(
                f"order is {order!r}; it can be {', '.join(_ORDERS)}",
                reason="bad_order",
            )
        asked = _asked(where, collection, thumbnails, page_size)
        request = pb.ListAnomaliesRequest(
            order=_ORDERS[order], controlled=controlled, **asked
        )
        async for page in self._pages(_ANOMALIES, request):
            answer = convert.anomalies(page)
            yield told(answer, _ANOMALIES.path, request, self.address)

    async def members(
        self,
        label: int | None,
        where: Filter | None = None,
        *,
        collection: str | None = None,
        limit: int | None = 100,
        thumbnails: bool = False,
    ) -> ClusterMembers:
        """The members of a cluster, the most typical first.

        Parameters
        ----------
        label
            Number of the cluster, as `clusters` tells it; None for the objects that are
            in none.
        where, collection, limit, thumbnails
            As in `anomalies`.
        """
        pages = self.member_pages(
            label,
            where,
            collection=collection,
            thumbnails=thumbnails,
            page_size=_page_size(limit),
        )
        return await _together(pages, limit)

    async def member_pages(
        self,
        label: int | None,
        where: Filter | None = None,
        *,
        collection: str | None = None,
        thumbnails: bool = False,
        page_size: int = _MOST,
    ) -> AsyncIterator[ClusterMembers]:
        """As `members`, all of them, fetched page by page as they are needed.

        Parameters
        ----------
        label, where, collection, thumbnails
            As there.
        page_size
            How many are fetched at a time, 1 to 1000.
        """
        asked = _asked(where, collection, thumbnails, page_size)
        request = pb.ListClusterMembersRequest(
            label=0 if label is None else requests.label(label),
            in_no_cluster=label is None,
            **asked,
        )
        async for page in self._pages(_MEMBERS, request):
            answer = convert.members(page)
            yield told(answer, _MEMBERS.path, request, self.address)


def _asked(
    where: Filter | None, collection: str | None, thumbnails: bool, page_size: int
) -> dict[str, Any]:
    return {
        "collection": sendable(collection or ""),
        "filter": None if where is None else requests.to_filter(where),
        "thumbnails": thumbnails,
        "page_size": page_size,
    }


def _page_size(limit: int | None) -> int:
    if limit is not None and limit < 1:
        raise BadInput(f"limit is {limit}; 1 or more are listed", reason="bad_limit")
    return _MOST if limit is None else min(limit, _MOST)


async def _together(pages: AsyncIterator[_Page], limit: int | None) -> _Page:
    """The first items of a list as one page."""
    found: list[_Page] = []
    missing = math.inf if limit is None else limit
    async for page in pages:
        found.append(page)
        missing -= len(page.items)
        if missing <= 0:
            break
    items: list[Any] = [one for page in found for one in page.items]
    return dataclasses.replace(found[0], items=tuple(items[:limit]))
