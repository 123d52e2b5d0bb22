"""Clusters, from the engine's types to the protos."""

from skylike.service.engine import ClusterInfo, Clusters, Portrait
from skylike.service.server import translate
from skylike.v1 import catalog_pb2 as pb


def clusters_to(answer: Clusters) -> pb.ListClustersResponse:
    """The clusters of a fit."""
    made = pb.ListClustersResponse(
        context=translate.context_to(answer.context),
        fit_version=answer.fit_version,
        clusters=map(_cluster_to, answer.clusters),
        stability=answer.stability,
        num_objects=answer.num_objects,
        num_outside=answer.num_outside,
        fit_versions=answer.fit_versions,
    )
    if answer.settings is not None:
        made.method = answer.settings.method
        made.num_clusters = answer.settings.number
        made.seed = answer.settings.seed
    return made


def _cluster_to(one: ClusterInfo) -> pb.ClusterInfo:
    return pb.ClusterInfo(
        label=one.label,
        name=one.name,
        size=one.size,
        weight=one.weight,
        exemplar_ids=one.exemplar_ids,
        portrait=None if one.portrait is None else _portrait_to(one.portrait),
    )


def _portrait_to(portrait: Portrait) -> pb.Portrait:
    numbers, flags, labels = portrait.summary
    return pb.Portrait(
        mean_thumbnail_png=portrait.picture,
        numbers=[
            pb.NumberSpread(name=name, count=count, low=low, median=median, high=high)
            for name, count, low, median, high in numbers
        ],
        flags=[pb.MemberShare(name=name, share=share) for name, share in flags],
        labels=[pb.MemberShare(name=name, share=share) for name, share in labels],
    )
