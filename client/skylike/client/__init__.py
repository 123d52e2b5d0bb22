"""Ask a skylike service from Python.

>>> from skylike.client import Client
>>> with Client("127.0.0.1:50051") as client:  # doctest: +SKIP
...     answer = client.analyze("galaxy.fits", k=5)
"""

import logging

from skylike.client.client import AsyncClient, Client
from skylike.client.credentials import Tls
from skylike.client.discovery import Discoveries, discoveries
from skylike.client.errors import SkylikeClientError
from skylike.client.kinds import (
    ClusterInfo,
    Clusters,
    MemberShare,
    NumberSpread,
    Portrait,
    Renamed,
)
from skylike.client.looked import Fact, Hdu, Inspection, ScaleBar
from skylike.client.maps import Density, Map, MapPlace
from skylike.client.oddity import (
    AnomalyPart,
    NearestCluster,
    Nuisance,
    OutstandingAttribute,
)
from skylike.client.queries import (
    CompactJob,
    Cutout,
    Examples,
    FitJob,
    IndexJob,
    NewObject,
    ObjectId,
    Place,
    ReindexJob,
    SnapshotJob,
)
from skylike.client.ranked import (
    Anomalies,
    ClusterMember,
    ClusterMembers,
    RankedAnomaly,
)
from skylike.client.tabulate import tabulate
from skylike.client.taught import (
    ClassShare,
    Prediction,
    Quality,
    Rating,
    Ratings,
    Suggestion,
    Suggestions,
)
from skylike.client.teaching import NewRating
from skylike.client.types import (
    Added,
    Alias,
    Analysis,
    Anomaly,
    AnomalyResult,
    Asked,
    Changed,
    Cluster,
    ClusterResult,
    ClusterShare,
    CollectionInfo,
    Context,
    Count,
    Embedding,
    Found,
    Hit,
    Job,
    JobState,
    Neighbors,
    Object,
    Reading,
)

__all__ = [
    "Added",
    "Alias",
    "Analysis",
    "Anomalies",
    "Anomaly",
    "AnomalyPart",
    "AnomalyResult",
    "Asked",
    "AsyncClient",
    "Changed",
    "ClassShare",
    "Client",
    "Cluster",
    "ClusterInfo",
    "ClusterMember",
    "ClusterMembers",
    "ClusterResult",
    "ClusterShare",
    "Clusters",
    "CollectionInfo",
    "CompactJob",
    "Context",
    "Count",
    "Cutout",
    "Density",
    "Discoveries",
    "Embedding",
    "Examples",
    "Fact",
    "FitJob",
    "Found",
    "Hdu",
    "Hit",
    "IndexJob",
    "Inspection",
    "Job",
    "JobState",
    "Map",
    "MapPlace",
    "MemberShare",
    "NearestCluster",
    "Neighbors",
    "NewObject",
    "NewRating",
    "Nuisance",
    "NumberSpread",
    "Object",
    "ObjectId",
    "OutstandingAttribute",
    "Place",
    "Portrait",
    "Prediction",
    "Quality",
    "RankedAnomaly",
    "Rating",
    "Ratings",
    "Reading",
    "ReindexJob",
    "Renamed",
    "ScaleBar",
    "SkylikeClientError",
    "SnapshotJob",
    "Suggestion",
    "Suggestions",
    "Tls",
    "discoveries",
    "tabulate",
]

logging.getLogger(__name__).addHandler(logging.NullHandler())
