"""What explains how odd something is: parts of what calls give."""

from dataclasses import dataclass

from skylike.client.plain import Plain


@dataclass(frozen=True, slots=True)
class AnomalyPart(Plain):
    """One way to tell oddness, and the share of the archive that scores lower, percent."""

    name: str
    score: float
    percentile: float


@dataclass(frozen=True, slots=True)
class NearestCluster(Plain):
    """The cluster that something nearly is: `similarity` is the cosine to its centre."""

    label: int
    name: str
    probability: float
    similarity: float


@dataclass(frozen=True, slots=True)
class OutstandingAttribute(Plain):
    """An attribute that stands out against the neighbours, or the archive.

    z is the distance from their median in units of 1.4826 median absolute deviations;
    None where too few have the attribute.
    """

    name: str
    value: float
    neighbors_median: float | None
    neighbors_z: float | None
    archive_median: float | None
    archive_z: float | None


@dataclass(frozen=True, slots=True)
class Nuisance(Plain):
    """How the anomaly score goes with a number that belongs to the observation.

    Spearman's rank correlations: with the score, and with the percentile among objects
    observed alike.
    """

    name: str
    score_correlation: float
    controlled_correlation: float
    num_objects: int
