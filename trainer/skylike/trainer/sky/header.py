"""FITS headers: where the object lies, in which unit, through which beam.

The class of an object is never written here: labels must not reach training.
"""

import math
from dataclasses import dataclass

import numpy as np

from skylike.trainer.sky.cubes import SpectralAxis
from skylike.trainer.sky.geometry import log_uniform
from skylike.trainer.sky.observe import Instrument, Psf

Header = dict[str, float | int | str | bool]


@dataclass(frozen=True, slots=True)
class Pointing:
    """Where and when a frame was taken; its reference pixel is the frame's centre.

    Parameters
    ----------
    ra_deg, dec_deg
        ICRS position of the frame's centre.
    scale_arcsec
        Pixel scale.
    rotation
        Angle of north from the +y axis, counter-clockwise, radians.
    mjd
        Start of the observation.
    matrix
        True for a CD matrix, False for CDELT and PC.
    """

    ra_deg: float
    dec_deg: float
    scale_arcsec: float
    rotation: float
    mjd: float
    matrix: bool

    def position_angle_deg(self, angle: float) -> float:
        """Turn a direction on the array into degrees east of north, 0 to 180."""
        return math.degrees(angle - self.rotation - math.pi / 2) % 180.0


def draw_pointing(instrument: Instrument, rng: np.random.Generator) -> Pointing:
    """Draw a pointing uniform over the sphere.

    Two percent lie within 0.1 deg of a pole and two percent within 0.001 deg of
    right ascension zero, where careless software goes wrong. Single telescopes are
    rotated at random; interferometers have north up. MJD 50000 to 61000.
    """
    ra = rng.uniform(0.0, 360.0)
    dec = math.degrees(math.asin(rng.uniform(-1.0, 1.0)))
    special = rng.random()
    if special < 0.02:
        dec = math.copysign(90 - rng.uniform(0.0, 0.1), dec)
    elif special < 0.04:
        ra = rng.uniform(-0.001, 0.001) % 360.0
    scale = log_uniform(rng, *instrument.scale_arcsec)
    turn = rng.uniform(-math.pi, math.pi)
    rotation = 0.0 if instrument.interferometer else turn
    mjd = rng.uniform(50000.0, 61000.0)
    return Pointing(ra, dec, scale, rotation, mjd, bool(rng.random() < 0.5))


def build(
    shape: tuple[int, ...],
    pointing: Pointing,
    instrument: Instrument,
    psf: Psf,
    axis: SpectralAxis | None,
    identifier: str,
) -> Header:
    """Collect the cards of one file, in order, without END."""
    ny, nx = shape[-2:]
    header: Header = {"SIMPLE": True, "BITPIX": -32, "NAXIS": len(shape)}
    for number, length in enumerate(reversed(shape), 1):
        header[f"NAXIS{number}"] = length
    header |= {
        "OBJECT": identifier,
        "BUNIT": instrument.unit,
        "WCSAXES": len(shape),
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CUNIT1": "deg",
        "CUNIT2": "deg",
        "CRPIX1": 0.5 * (nx + 1),
        "CRPIX2": 0.5 * (ny + 1),
        "CRVAL1": pointing.ra_deg,
        "CRVAL2": pointing.dec_deg,
    }
    scale = pointing.scale_arcsec / 3600
    cosine, sine = math.cos(pointing.rotation), math.sin(pointing.rotation)
    # A CD matrix would need every element of a cube's third axis as well.
    if pointing.matrix and axis is None:
        header |= {
            "CD1_1": -scale * cosine,
            "CD1_2": -scale * sine,
            "CD2_1": -scale * sine,
            "CD2_2": scale * cosine,
        }
    else:
        header |= {"CDELT1": -scale, "CDELT2": scale}
        if pointing.rotation:
            header |= {
                "PC1_1": cosine,
                "PC1_2": sine,
                "PC2_1": -sine,
                "PC2_2": cosine,
            }
    if axis is not None:
        header |= {
            "CTYPE3": axis.kind,
            "CUNIT3": axis.unit,
            "CRPIX3": 1.0,
            "CRVAL3": axis.reference,
            "CDELT3": axis.step,
            "RESTFRQ": axis.rest_hz,
            "SPECSYS": "LSRK",
        }
    header |= {"RADESYS": "ICRS", "MJD-OBS": pointing.mjd}
    if instrument.interferometer:
        header |= {
            "BMAJ": psf.major * scale,
            "BMIN": psf.minor * scale,
            "BPA": pointing.position_angle_deg(psf.angle),
        }
    else:
        header["PSFFWHM"] = psf.fwhm * pointing.scale_arcsec
    return header
