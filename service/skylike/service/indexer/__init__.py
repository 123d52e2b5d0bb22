"""From files and large images to a collection, in bulk; nothing stops for one of them."""

from skylike.service.indexer.cutouts import index_cutouts
from skylike.service.indexer.files import calibration_of, embed_files, index
from skylike.service.indexer.reindex import Reindexed, reindex
from skylike.service.indexer.report import (
    Report,
    read_rejects,
    require_rejects,
    tabled,
    write_rejects,
)

__all__ = [
    "Reindexed",
    "Report",
    "calibration_of",
    "embed_files",
    "index",
    "index_cutouts",
    "read_rejects",
    "reindex",
    "require_rejects",
    "tabled",
    "write_rejects",
]
