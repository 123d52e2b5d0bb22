"""Layouts: where each object of an archive lies on a flat map."""

from skylike.service.layout.density import Density, density
from skylike.service.layout.neighbours import NUM_NEIGHBOURS, between
from skylike.service.layout.pca import Pca
from skylike.service.layout.sample import sampled
from skylike.service.layout.tsne import MOST_FITTED, embedded, require_tsne

__all__ = [
    "MOST_FITTED",
    "NUM_NEIGHBOURS",
    "Density",
    "Pca",
    "between",
    "density",
    "embedded",
    "require_tsne",
    "sampled",
]
