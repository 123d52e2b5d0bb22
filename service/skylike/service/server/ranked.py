"""Pages of what a fit has put in order.

A token names the fit and the last place of its page, and carries a digest of what was
asked: a page that goes on with another question would be neither list.
"""

from typing import Any, TypeAlias

from skylike.service.engine import Member, Odd, Ranked, Wanted
from skylike.service.server import pages, translate
from skylike.service.server.options import filter_from
from skylike.v1 import catalog_pb2 as pb

_Request: TypeAlias = pb.ListAnomaliesRequest | pb.ListClusterMembersRequest


def wanted_from(request: _Request) -> Wanted:
    """Which page; `BadRequest` if it cannot be one of the list that is asked for."""
    token = request.page_token
    return Wanted(
        where=filter_from(request.filter) if request.HasField("filter") else None,
        thumbnails=request.thumbnails,
        after=pages.mark_of(token, _digest(request)) if token else None,
        limit=pages.size_of(request.page_size),
    )


def anomalies_to(
    answer: Ranked[Odd], request: pb.ListAnomaliesRequest
) -> pb.ListAnomaliesResponse:
    """A page of anomalies."""
    made = pb.ListAnomaliesResponse(**_page_to(answer, request))
    for one in answer.items:
        row = made.anomalies.add(
            rank=one.rank,
            score=one.score,
            percentile=one.percentile,
            controlled_percentile=one.controlled_percentile,
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
            pages.token_of_mark(last, _digest(request)) if last is not None else ""
        ),
    }


def _digest(request: _Request) -> str:
    """Of the question: which list, but for the page, and what the collection is called."""
    return pages.digest_of(request, "collection", "thumbnails")
