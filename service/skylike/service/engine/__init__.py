"""Answers questions about pieces of sky; knows nothing of transports.

`Engine` takes queries and gives frozen answers. Every face of the service (gRPC
today) only translates to and from the types exported here.
"""

from skylike.service.engine.engine import MAX_BATCH, MAX_NEIGHBORS, Engine
from skylike.service.engine.types import (
    Added,
    Analysis,
    Anomaly,
    AnomalyAnswer,
    Cluster,
    ClusterAnswer,
    ClusterShare,
    CollectionInfo,
    Context,
    CutoutQuery,
    Embedded,
    Found,
    Hit,
    IdQuery,
    Neighbors,
    NewObject,
    Query,
    Reading,
    VectorQuery,
)

__all__ = [
    "MAX_BATCH",
    "MAX_NEIGHBORS",
    "Added",
    "Analysis",
    "Anomaly",
    "AnomalyAnswer",
    "Cluster",
    "ClusterAnswer",
    "ClusterShare",
    "CollectionInfo",
    "Context",
    "CutoutQuery",
    "Embedded",
    "Engine",
    "Found",
    "Hit",
    "IdQuery",
    "Neighbors",
    "NewObject",
    "Query",
    "Reading",
    "VectorQuery",
]
