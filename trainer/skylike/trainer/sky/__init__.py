"""The sky simulator: objects of known class and parameters, as FITS files."""

from skylike.trainer.sky.drawing import ARTEFACTS, FAMILIES, Drawing, draw
from skylike.trainer.sky.simulate import simulate

__all__ = ["ARTEFACTS", "FAMILIES", "Drawing", "draw", "simulate"]
