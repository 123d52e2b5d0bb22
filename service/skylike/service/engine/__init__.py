"""Answers questions about pieces of sky; knows nothing of transports.

`Engine` takes queries and gives frozen answers. Every face of the service (gRPC,
and HTTP through it) only translates to and from the types exported here.
"""

from skylike.service.engine.engine import MAX_NEIGHBORS, Engine
from skylike.service.engine.keeping import MAX_BATCH
from skylike.service.engine.types import (
    NEAR_DEG,
    Added,
    Analysis,
    Anomaly,
    AnomalyAnswer,
    Changed,
    Cluster,
    ClusterAnswer,
    ClusterInfo,
    Clusters,
    ClusterShare,
    CollectionInfo,
    Context,
    Embedded,
    ExamplesQuery,
    Found,
    Hit,
    IdQuery,
    Neighbors,
    NewObject,
    Page,
    Query,
    SkyQuery,
    VectorQuery,
)
from skylike.service.uploads import CutoutQuery, Reading

__all__ = [
    "MAX_BATCH",
    "MAX_NEIGHBORS",
    "NEAR_DEG",
    "Added",
    "Analysis",
    "Anomaly",
    "AnomalyAnswer",
    "Changed",
    "Cluster",
    "ClusterAnswer",
    "ClusterInfo",
    "ClusterShare",
    "Clusters",
    "CollectionInfo",
    "Context",
    "CutoutQuery",
    "Embedded",
    "Engine",
    "ExamplesQuery",
    "Found",
    "Hit",
    "IdQuery",
    "Neighbors",
    "NewObject",
    "Page",
    "Query",
    "Reading",
    "SkyQuery",
    "VectorQuery",
]
