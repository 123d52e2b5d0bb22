"""Pages of what a fit has put in order.

A token names the fit and the last place of its page, and carries a digest of what was
asked: a page that goes on with another question would be neither list.
"""

from typing import Any, TypeAlias

from skylike.service.engine import Member, Odd, Order, Ranked, Wanted
from skylike.service.errors import BadRequest
from skylike.service.server import pages, translate
from skylike.service.server.options import filter_from
from skylike.v1 import catalog_pb2 as pb
from skylike.v1 import search_pb2

_Request: TypeAlias = pb.ListAnomaliesRequest | pb.ListClusterMembersRequest
_ORDERS: dict[int, Order] = {
    pb.ANOMALY_ORDER_UNSPECIFIED: Order.ODDEST,
    pb.ANOMALY_ORDER_ODDEST: Order.ODDEST,
    pb.ANOMALY_ORDER_TYPICAL: Order.TYPICAL,
    pb.ANOMALY_ORDER_TAUGHT: Order.TAUGHT,
}


def wanted_from(request: _Request) -> Wanted:
    """Which page; `BadRequest` if it cannot be one of the list that is asked for."""
    token = request.page_token
    return Wanted(
        where=filter_from(request.filter) if request.HasField("filter") else None,
        thumbnails=request.thumbnails,
        after=pages.mark_of(token, digest(request)) if token else None,
        limit=pages.size_of(request.page_size),
    )


def order_from(request: pb.ListAnomaliesRequest) -> Order:
    """In which order; `BadRequest` (``bad_order``) for one that cannot be."""
    if request.order not in _ORDERS:
        raise BadRequest(
            f"the order {request.order} is not known to this service",
            reason="bad_order",
        )
    order = _ORDERS[request.order]
    if request.controlled and order is not Order.ODDEST:
        raise BadRequest(
            f"controlled goes with the oddest first, not with {order.value}",
            reason="bad_order",
        )
    return order


def anomalies_to(
    answer: Ranked[Odd], request: pb.ListAnomaliesRequest
) -> pb.ListAnomaliesResponse:
    """A page of anomalies."""
    page = _page_to(answer, request)
    made = pb.ListAnomaliesResponse(ratings_version=answer.ratings_version, **page)
    for one in answer.items:
        row = made.anomalies.add(
            rank=one.rank,
            score=one.score,
            percentile=one.percentile,
            controlled_percentile=one.controlled_percentile,
            interest=one.interest,
        )
        translate.fill_object(row.object, one.object)
    return made


def members_to(
    answer: Ranked[Member], request: pb.ListClusterMembersRequest
) -> pb.ListClusterMembersResponse:
    """A page of a cluster's members."""
    page = _page_to(answer, request)
    made = pb.ListClusterMembersResponse(
        label=request.label, in_no_cluster=request.in_no_cluster, **page
    )
    for one in answer.items:
        row = made.members.add(
            rank=one.rank, probability=one.probability, similarity=one.similarity
        )
        translate.fill_object(row.object, one.object)
    return made


def _page_to(answer: Ranked[Any], request: _Request) -> dict[str, Any]:
    last = answer.last
    return {
        "context": translate.context_to(answer.context),
        "fit_version": answer.fit_version,
        "num_unranked": answer.num_unranked,
        "next_page_token": (
            pages.token_of_mark(last, digest(request)) if last is not None else ""
        ),
    }


def digest(request: _Request | search_pb2.ListNearestRequest) -> str:
    """Of the question: which list, but for the page, and what the collection is called."""
    return pages.digest_of(request, "collection", "thumbnails")
