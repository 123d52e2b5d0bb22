"""What a person asks with, and what a person wants to be stored or done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from skylike.client.types import Attribute, Embedding

Ack = Literal["sync", "async"]
"""What the answer to a write promises: that it survives the loss of power, or the end
of the service only."""


@dataclass(frozen=True, slots=True)
class Cutout:
    """A piece of sky, with what its file does not say itself.

    Attributes
    ----------
    source
        A file (``file.fits[SCI]`` selects an HDU), opened for bytes or by its name, the
        bytes of one, an array of two axes or more, or what astropy makes: an HDU,
        HDUList, CCDData or Cutout2D.
    hdu
        What to read: ``1``, ``SCI``, ``SCI,2``; ``g=1;r=2`` for an HDU for each band;
        ``[SCI][11:74,21:84]`` for a section, counted from 1, ends included.
    axis_kind
        ``bands`` or ``spectral``: what a third axis is where the header is silent.
    stokes
        Which plane of a Stokes axis; empty: I.
    wcs
        Of an array: an `astropy.wcs.WCS`.
    """

    source: Any
    hdu: str = ""
    axis_kind: str | None = None
    stokes: str = ""
    wcs: Any = None


@dataclass(frozen=True, slots=True)
class ObjectId:
    """An object of the collection; it is left out of its own neighbours."""

    id: str


@dataclass(frozen=True, slots=True)
class Examples:
    """Objects that show what is looked for; they are left out of what is found.

    Attributes
    ----------
    like
        Ids of objects that are alike; at least one.
    unlike
        Ids of objects that are not.
    """

    like: Sequence[str]
    unlike: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """The object of the collection that lies nearest to a place on the sky.

    Attributes
    ----------
    ra_deg, dec_deg
        The place, ICRS.
    radius_deg
        How far from it at most; 5 arcseconds by default.
    """

    ra_deg: float
    dec_deg: float
    radius_deg: float = 5 / 3600


# What astropy makes has no name here: it is known by what it can do.
Source = (
    str
    | PathLike[str]
    | bytes
    | bytearray
    | memoryview
    | BinaryIO
    | NDArray[np.generic]
    | Cutout
    | Embedding
    | ObjectId
    | Examples
    | Place
    | Any
)


@dataclass(frozen=True, slots=True, eq=False)
class NewObject:
    """An object to add: what is None is taken from a file's header.

    Attributes
    ----------
    id
        Unique in the collection.
    source
        A piece of sky as `Cutout` takes it, or an embedding made by the collection's
        model.
    labels
        What people call it.
    """

    id: str
    source: Source
    ra_deg: float | None = None
    dec_deg: float | None = None
    epoch_mjd: float | None = None
    uri: str | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    labels: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class IndexJob:
    """Adds the images that sources on the server name.

    Attributes
    ----------
    collection
        It exists.
    sources
        Folders, files, lists and tables under one of the server's roots.
    max_reject_fraction
        Share of images that may be rejected before the job ends; None: all.
    calibration
        Ordinary objects for the anomaly fit, named as `sources`; none: those of the
        last fit.
    workers
        Processes that read; 0 means one for each core.
    id_prefix
        Put before the id of every image, such as ``2026-11-22/``, where those of
        several folders are called alike.
    """

    collection: str
    sources: Sequence[str]
    max_reject_fraction: float | None = None
    calibration: Sequence[str] = ()
    workers: int = 0
    id_prefix: str = ""


@dataclass(frozen=True, slots=True)
class FitJob:
    """Fits clusters and anomaly scores; other fields as those of `IndexJob`.

    Attributes
    ----------
    seed
        Of the random numbers, below 2^32; None: as in the last fit, 0 the first time. With
        another one clusters are found from nothing.
    method
        How to find clusters: ``full-mixture``, ``mixture``, ``kmeans`` or ``hdbscan``;
        None: as the last fit did, ``full-mixture`` the first time.
    num_clusters
        0: the number is chosen; None: as in the last fit, if that was by the same method.
    layouts
        Maps to make beside that of the principal components: ``tsne``.
    """

    collection: str | None = None
    calibration: Sequence[str] = ()
    seed: int | None = None
    method: str | None = None
    num_clusters: int | None = None
    layouts: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ReindexJob:
    """Makes the collection of an alias anew with another model, and switches.

    Attributes
    ----------
    model
        Its file on the server, under one of the server's roots.
    max_reject_fraction
        Share of images that may be rejected; None: none.
    calibration
        Ordinary objects on the server, as of `FitJob`; none: no p-values, since those of
        the last fit have no images.
    """

    alias: str
    model: str
    max_reject_fraction: float | None = None
    calibration: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class CompactJob:
    """Makes the index of a collection anew.

    Attributes
    ----------
    kind
        ``flat``, ``hnsw`` or ``ivf``; None: what suits its size.
    """

    collection: str | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class SnapshotJob:
    """Writes a collection into one new file under one of the server's roots."""

    path: str
    collection: str | None = None


Work = IndexJob | FitJob | ReindexJob | CompactJob | SnapshotJob
