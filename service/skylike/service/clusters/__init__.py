"""What kinds there are: the clusters of a collection, found by one of four methods."""

from skylike.service.clusters.finding import NUM_EXEMPLARS, Kinds, fit
from skylike.service.clusters.fitted import (
    METHODS,
    NOWHERE,
    ClusterFit,
    Membership,
    Method,
    Settings,
)

__all__ = [
    "METHODS",
    "NOWHERE",
    "NUM_EXEMPLARS",
    "ClusterFit",
    "Kinds",
    "Membership",
    "Method",
    "Settings",
    "fit",
]
