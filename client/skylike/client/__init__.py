"""Ask a skylike service from Python.

>>> from skylike.client import Client
>>> with Client("127.0.0.1:50051") as client:  # doctest: +SKIP
...     answer = client.analyze("galaxy.fits", k=5)
"""

import logging

from skylike.client.client import Client
from skylike.client.credentials import Tls
from skylike.client.errors import SkylikeClientError
from skylike.client.types import (
    Added,
    Analysis,
    Anomaly,
    AnomalyResult,
    Cluster,
    ClusterResult,
    ClusterShare,
    CollectionInfo,
    Context,
    Cutout,
    Embedding,
    Found,
    Hit,
    Neighbors,
    NewObject,
    Object,
    Reading,
)

__all__ = [
    "Added",
    "Analysis",
    "Anomaly",
    "AnomalyResult",
    "Client",
    "Cluster",
    "ClusterResult",
    "ClusterShare",
    "CollectionInfo",
    "Context",
    "Cutout",
    "Embedding",
    "Found",
    "Hit",
    "Neighbors",
    "NewObject",
    "Object",
    "Reading",
    "SkylikeClientError",
    "Tls",
]

logging.getLogger(__name__).addHandler(logging.NullHandler())
