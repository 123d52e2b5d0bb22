"""Objects out of large images: find them, measure them, cut them out."""

from skylike.service.cutouts.compare import ExtentComparison, Isophote, compare_extents
from skylike.service.cutouts.cut import Blank, Cutout, cut
from skylike.service.cutouts.detect import Detection, Method, detect, from_labels
from skylike.service.cutouts.measure import Sources, measure
from skylike.service.cutouts.morphology import Morphology
from skylike.service.cutouts.mosaic import Mosaic, mosaics
from skylike.service.cutouts.plan import Boxes, Catalogue, Detect, Found, Mask, Plan
from skylike.service.cutouts.save import Folder
from skylike.service.cutouts.targets import Size, Target

__all__ = [
    "Blank",
    "Boxes",
    "Catalogue",
    "Cutout",
    "Detect",
    "Detection",
    "ExtentComparison",
    "Folder",
    "Found",
    "Isophote",
    "Mask",
    "Method",
    "Morphology",
    "Mosaic",
    "Plan",
    "Size",
    "Sources",
    "Target",
    "compare_extents",
    "cut",
    "detect",
    "from_labels",
    "measure",
    "mosaics",
]
