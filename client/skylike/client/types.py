"""What a call gives: frozen, with plain numbers, ready for JSON by `to_dict`."""

import base64
import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Attribute = str | int | float | bool


class Plain:
    """Gives dataclasses their `to_dict`."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them.

        Bytes become base64, arrays lists, and numbers that are not finite None.
        """
        assert dataclasses.is_dataclass(self)
        return {
            one.name: _plain(getattr(self, one.name))
            for one in dataclasses.fields(self)
        }


@dataclass(frozen=True, slots=True)
class Context(Plain):
    """Which archive answered, in which state, in whose embedding space."""

    collection: str
    collection_version: int
    model_id: str


@dataclass(frozen=True, slots=True)
class Reading(Plain):
    """How a cutout was read: `shape` is channels, rows, columns."""

    hdu: str
    axes: str
    shape: tuple[int, ...]
    ra_deg: float | None
    dec_deg: float | None
    pixel_scale_arcsec: float | None
    unit: str
    flags: tuple[str, ...]
    valid_fraction: float
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Object(Plain):
    """An object of a collection; `box` is x0, y0, x1, y1, the end excluded."""

    id: str
    ra_deg: float | None
    dec_deg: float | None
    epoch_mjd: float | None
    uri: str
    hdu: str
    box: tuple[int, ...]
    attributes: Mapping[str, Attribute]
    flags: tuple[str, ...]
    valid_fraction: float
    thumbnail_png: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Hit(Plain):
    """One neighbour: `score` is the cosine, -1 to 1; rank 1 is the most alike."""

    rank: int
    score: float
    separation_deg: float | None
    object: Object

    @property
    def id(self) -> str:
        """The object's id."""
        return self.object.id


@dataclass(frozen=True, slots=True, eq=False)
class Embedding(Plain):
    """An embedding: (dimension,) float32, unit norm. May be used as a query."""

    context: Context
    reading: Reading | None
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Neighbors(Plain):
    """The most alike objects, best first."""

    context: Context
    reading: Reading | None
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class ClusterShare(Plain):
    """The probability of one cluster."""

    label: int
    name: str
    probability: float


@dataclass(frozen=True, slots=True)
class Cluster(Plain):
    """The kind of object: the most probable cluster, and every cluster's share."""

    label: int
    name: str
    probability: float
    size: int
    exemplar_ids: tuple[str, ...]
    shares: tuple[ClusterShare, ...]
    fit_version: int


@dataclass(frozen=True, slots=True)
class Anomaly(Plain):
    """How odd: share of the archive that scores lower, and a conformal p-value.

    `p_value` is None where it would not be valid: the query is an object of the
    archive, or the collection was fitted without calibration objects.
    """

    score: float
    percentile: float
    p_value: float | None
    calibrated: bool
    num_calibration: int
    neighbors: tuple[Hit, ...]
    fit_version: int


@dataclass(frozen=True, slots=True)
class ClusterResult(Plain):
    """A cluster and where it comes from."""

    context: Context
    reading: Reading | None
    cluster: Cluster


@dataclass(frozen=True, slots=True)
class AnomalyResult(Plain):
    """An anomaly and where it comes from."""

    context: Context
    reading: Reading | None
    anomaly: Anomaly


@dataclass(frozen=True, slots=True)
class Analysis(Plain):
    """All three answers; cluster and anomaly are None while they are not fitted."""

    context: Context
    reading: Reading | None
    hits: tuple[Hit, ...]
    cluster: Cluster | None
    anomaly: Anomaly | None


@dataclass(frozen=True, slots=True)
class Added(Plain):
    """What was stored, in the order sent."""

    context: Context
    objects: tuple[Object, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Found(Plain):
    """One object, and its embedding when asked for."""

    context: Context
    object: Object
    vector: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class Cutout:
    """A FITS file, with what it does not say itself.

    Attributes
    ----------
    source
        A file (``file.fits[SCI]`` selects an HDU), or its bytes.
    hdu
        What to read: ``1``, ``SCI``, ``SCI,2``; ``g=1;r=2`` for an HDU for each band;
        ``[SCI][11:74,21:84]`` for a section, counted from 1, ends included.
    axis_kind
        ``bands`` or ``spectral``: what a third axis is where the header is silent.
    stokes
        Which plane of a Stokes axis; empty: I.
    """

    source: str | Path | bytes
    hdu: str = ""
    axis_kind: str | None = None
    stokes: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class NewObject:
    """An object to add: what is None is taken from a file's header.

    Attributes
    ----------
    id
        Unique in the collection.
    source
        A file (``file.fits[SCI]`` selects an HDU), its bytes, or an embedding made
        by the collection's model.
    """

    id: str
    source: "Source"
    ra_deg: float | None = None
    dec_deg: float | None = None
    epoch_mjd: float | None = None
    uri: str | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


Source = str | Path | bytes | Cutout | NDArray[np.floating[Any]] | Embedding


@dataclass(frozen=True, slots=True)
class CollectionInfo(Plain):
    """A collection's state; `damage` says why it cannot be used, if it cannot."""

    name: str
    version: int
    model_id: str
    num_objects: int
    dimension: int
    stamp_spec: Mapping[str, Any]
    cluster_fit_version: int
    anomaly_fit_version: int
    damage: str


def _plain(value: Any) -> Any:
    match value:
        case Plain():
            return value.to_dict()
        case tuple():
            return [_plain(one) for one in value]
        case Mapping():
            return {name: _plain(one) for name, one in value.items()}
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case np.ndarray():
            return value.tolist()
        case float():
            return value if math.isfinite(value) else None
    return value
