"""From the service's messages to the client's types."""

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp
from numpy.typing import NDArray

from skylike.client import kinds, oddity, ranked, types
from skylike.v1 import catalog_pb2, search_pb2, types_pb2


def embedding(message: search_pb2.EmbedResponse) -> types.Embedding:
    """The answer of Embed."""
    return types.Embedding(
        context(message.context), reading(message), _vector(message.vector)
    )


def neighbors(
    message: search_pb2.NeighborsResponse | search_pb2.ListNearestResponse,
) -> types.Neighbors:
    """The answer of Neighbors, or a page of ListNearest."""
    return types.Neighbors(
        context(message.context), reading(message), _hits(message.hits)
    )


def cluster(message: search_pb2.ClusterResponse) -> types.ClusterResult:
    """The answer of Cluster."""
    return types.ClusterResult(
        context(message.context), reading(message), _cluster(message.cluster)
    )


def anomaly(message: search_pb2.AnomalyResponse) -> types.AnomalyResult:
    """The answer of Anomaly."""
    near = message.nearest_cluster
    return types.AnomalyResult(
        context(message.context),
        reading(message),
        _anomaly(message.anomaly),
        oddity.NearestCluster(
            near.cluster.label,
            near.cluster.name,
            near.cluster.probability,
            near.similarity,
        )
        if message.HasField("nearest_cluster")
        else None,
        tuple(_outstanding(one) for one in message.outstanding),
        tuple(message.flags),
    )


def analysis(message: search_pb2.AnalyzeResponse) -> types.Analysis:
    """The answer of Analyze."""
    return types.Analysis(
        context(message.context),
        reading(message),
        _hits(message.hits),
        _cluster(message.cluster) if message.HasField("cluster") else None,
        _anomaly(message.anomaly) if message.HasField("anomaly") else None,
    )


def added(message: catalog_pb2.AddObjectsResponse) -> types.Added:
    """The answer of AddObjects."""
    return types.Added(
        context(message.context),
        tuple(object_(one) for one in message.objects),
        message.was_done,
    )


def changed(message: Any) -> types.Changed:
    """The answer of DeleteObjects, SetAttributes or SetLabels."""
    return types.Changed(
        context(message.context),
        message.num_objects,
        message.was_done,
        tuple(message.unknown_ids),
    )


def count(message: catalog_pb2.CountObjectsResponse) -> types.Count:
    """The answer of CountObjects."""
    return types.Count(context(message.context), message.num_objects)


def found(message: catalog_pb2.GetObjectResponse) -> types.Found:
    """The answer of GetObject."""
    return types.Found(
        context(message.context),
        object_(message.object),
        _vector(message.vector) if message.HasField("vector") else None,
    )


def collection(message: catalog_pb2.Collection) -> types.CollectionInfo:
    """A collection of ListCollections."""
    return types.CollectionInfo(
        name=message.context.collection,
        version=message.context.collection_version,
        model_id=message.context.model_id,
        num_objects=message.num_objects,
        dimension=message.dimension,
        stamp_spec=json.loads(message.stamp_spec_json or "{}"),
        cluster_fit_version=message.cluster_fit_version,
        anomaly_fit_version=message.anomaly_fit_version,
        damage=message.damage,
        nuisances=tuple(
            oddity.Nuisance(
                one.name,
                one.score_correlation,
                one.controlled_correlation,
                one.num_objects,
            )
            for one in message.nuisances
        ),
        model_metadata=dict(message.model_metadata),
    )


def clusters(message: catalog_pb2.ListClustersResponse) -> kinds.Clusters:
    """The answer of ListClusters."""
    return kinds.Clusters(
        context(message.context),
        message.fit_version,
        tuple(
            kinds.ClusterInfo(
                one.label,
                one.name,
                one.size,
                one.weight,
                tuple(one.exemplar_ids),
                _portrait(one.portrait) if one.HasField("portrait") else None,
            )
            for one in message.clusters
        ),
        method=message.method,
        num_clusters=message.num_clusters,
        seed=message.seed,
        stability=given(message, "stability"),
        num_objects=message.num_objects,
        num_outside=message.num_outside,
        fit_versions=tuple(message.fit_versions),
    )


def _portrait(message: catalog_pb2.Portrait) -> kinds.Portrait:
    return kinds.Portrait(
        message.mean_thumbnail_png,
        tuple(
            kinds.NumberSpread(one.name, one.count, one.low, one.median, one.high)
            for one in message.numbers
        ),
        tuple(kinds.MemberShare(one.name, one.share) for one in message.flags),
        tuple(kinds.MemberShare(one.name, one.share) for one in message.labels),
    )


def renamed(message: catalog_pb2.RenameClusterResponse) -> kinds.Renamed:
    """The answer of RenameCluster."""
    return kinds.Renamed(context(message.context), message.was_done)


def anomalies(message: catalog_pb2.ListAnomaliesResponse) -> ranked.Anomalies:
    """A page of ListAnomalies."""
    return ranked.Anomalies(
        context(message.context),
        message.fit_version,
        tuple(
            ranked.RankedAnomaly(
                one.rank,
                one.score,
                one.percentile,
                one.calibrated,
                object_(one.object),
                given(one, "controlled_percentile"),
                given(one, "interest"),
            )
            for one in message.anomalies
        ),
        message.num_unranked,
        message.ratings_version,
    )


def members(message: catalog_pb2.ListClusterMembersResponse) -> ranked.ClusterMembers:
    """A page of ListClusterMembers."""
    return ranked.ClusterMembers(
        context(message.context),
        message.fit_version,
        None if message.in_no_cluster else message.label,
        tuple(
            ranked.ClusterMember(
                one.rank, one.probability, one.similarity, object_(one.object)
            )
            for one in message.members
        ),
        message.num_unranked,
    )


def time_of(message: Timestamp) -> datetime:
    """A moment, in UTC."""
    return message.ToDatetime(UTC)


def context(message: types_pb2.Context) -> types.Context:
    """Which archive answered."""
    return types.Context(
        message.collection,
        message.collection_version,
        message.model_id,
        message.service_version,
    )


def reading(response: Any) -> types.Reading | None:
    """The reading of any response, None where the query was not a cutout."""
    if not response.HasField("reading"):
        return None
    message: types_pb2.Reading = response.reading
    return types.Reading(
        hdu=message.hdu,
        axes=message.axes,
        shape=tuple(message.shape),
        ra_deg=_optional(message.position, "ra_deg", message.HasField("position")),
        dec_deg=_optional(message.position, "dec_deg", message.HasField("position")),
        pixel_scale_arcsec=given(message, "pixel_scale_arcsec"),
        unit=message.unit,
        flags=tuple(message.flags),
        valid_fraction=message.valid_fraction,
        warnings=tuple(message.warnings),
    )


def _vector(message: types_pb2.Vector) -> NDArray[np.float32]:
    return np.frombuffer(message.packed, "<f4").astype(np.float32)


def object_(message: types_pb2.Object) -> types.Object:
    """An object of ListObjects, or within another answer."""
    placed = message.HasField("position")
    return types.Object(
        id=message.id,
        ra_deg=_optional(message.position, "ra_deg", placed),
        dec_deg=_optional(message.position, "dec_deg", placed),
        epoch_mjd=given(message, "epoch_mjd"),
        uri=message.source.uri,
        hdu=message.source.hdu,
        box=tuple(message.source.box),
        attributes={
            name: getattr(value, value.WhichOneof("kind") or "text")
            for name, value in message.attributes.items()
        },
        flags=tuple(message.flags),
        valid_fraction=message.valid_fraction,
        thumbnail_png=message.thumbnail_png,
        labels=tuple(message.labels),
    )


def _hits(messages: Any) -> tuple[types.Hit, ...]:
    return tuple(
        types.Hit(
            rank=message.rank,
            score=message.score,
            separation_deg=given(message, "separation_deg"),
            object=object_(message.object),
        )
        for message in messages
    )


def _cluster(message: search_pb2.ClusterAnswer) -> types.Cluster:
    return types.Cluster(
        label=message.best.label,
        name=message.best.name,
        probability=message.best.probability,
        size=message.size,
        exemplar_ids=tuple(message.exemplar_ids),
        shares=tuple(
            types.ClusterShare(share.label, share.name, share.probability)
            for share in message.shares
        ),
        fit_version=message.fit_version,
        in_no_cluster=message.in_no_cluster,
        no_cluster_probability=message.no_cluster_probability,
    )


def _anomaly(message: search_pb2.AnomalyAnswer) -> types.Anomaly:
    return types.Anomaly(
        score=message.score,
        percentile=message.percentile,
        p_value=given(message, "p_value"),
        calibrated=message.calibrated,
        num_calibration=message.num_calibration,
        neighbors=_hits(message.neighbors),
        fit_version=message.fit_version,
        controlled_percentile=given(message, "controlled_percentile"),
        parts=tuple(
            oddity.AnomalyPart(one.name, one.score, one.percentile)
            for one in message.parts
        ),
    )


def _outstanding(
    message: search_pb2.OutstandingAttribute,
) -> oddity.OutstandingAttribute:
    return oddity.OutstandingAttribute(
        message.name,
        message.value,
        given(message, "neighbors_median"),
        given(message, "neighbors_z"),
        given(message, "archive_median"),
        given(message, "archive_z"),
    )


def given(message: Any, field: str) -> float | None:
    """A number that may be unset."""
    return _optional(message, field, message.HasField(field))


def _optional(message: Any, field: str, is_set: bool) -> float | None:
    return float(getattr(message, field)) if is_set else None
