"""Protoplanetary discs in submillimetre continuum, as an interferometer sees them.

Each starts from the tapered power law of a viscous disc, (r / rc)^-g
exp(-(r / rc)^(2 - g)) (Lynden-Bell & Pringle 1974; Andrews et al. 2009), g 0.2 to
0.9, and is inclined by up to 60 deg. R is the frame's half side. No structure is
narrower than what the beam can show.
"""

import math
from dataclasses import dataclass

import numpy as np

from skylike.trainer.sky.geometry import (
    Frame,
    Parameters,
    Pixels,
    Sketch,
    distance,
    random_angle,
    random_inclination,
)


@dataclass(frozen=True, slots=True)
class _Disc:
    """Geometry shared by the four families, and the smooth brightness."""

    angle: float
    inclination: float
    x: Pixels
    y: Pixels
    radius: Pixels
    critical: float
    slope: float

    @property
    def parameters(self) -> Parameters:
        return {"critical_radius_px": self.critical, "density_slope": self.slope}

    def smooth(self, frame: Frame) -> Pixels:
        """Tapered power law, its cusp softened within a quarter of the beam."""
        softened = np.sqrt(self.radius**2 + (0.25 * frame.fwhm) ** 2) / self.critical
        out: Pixels = softened**-self.slope * np.exp(-(softened ** (2 - self.slope)))
        return out


def _disc(frame: Frame, rng: np.random.Generator, low: float, high: float) -> _Disc:
    angle, inclination = random_angle(rng), random_inclination(rng, 60)
    x, y = frame.in_plane(angle, inclination)
    critical = frame.radius * rng.uniform(low, high)
    return _Disc(
        angle, inclination, x, y, distance(x, y), critical, rng.uniform(0.2, 0.9)
    )


def _bump(radius: Pixels, centre: float, width: float) -> Pixels:
    out: Pixels = np.exp(-0.5 * ((radius - centre) / width) ** 2)
    return out


def ppdisc_smooth(frame: Frame, rng: np.random.Generator) -> Sketch:
    """Draw a disc without substructure; critical radius 0.3 to 0.6 R."""
    disc = _disc(frame, rng, 0.3, 0.6)
    return Sketch(disc.smooth(frame), disc.angle, disc.inclination, disc.parameters)


def ppdisc_rings(frame: Frame, rng: np.random.Generator) -> Sketch:
    """Draw concentric rings and gaps (ALMA Partnership 2015; Huang et al. 2018).

    2 to 4 gaps evenly spaced to within 15 %, depleted by 0.75 to 0.97, between 0.2
    and 0.8 R, Gaussian; fewer where the beam could not separate them.
    """
    disc = _disc(frame, rng, 0.55, 0.8)
    outer = frame.radius * rng.uniform(0.65, 0.85)
    narrow = frame.fwhm / math.cos(disc.inclination)
    most = max(2, min(4, int(outer / (1.6 * narrow))))
    gaps = int(rng.integers(2, most + 1))
    spacing = outer / (gaps + 0.5)
    depth = rng.uniform(0.75, 0.97)
    width = spacing * rng.uniform(0.18, 0.25)
    image = disc.smooth(frame)
    for gap in range(gaps):
        centre = spacing * (gap + 0.7 + rng.uniform(-0.15, 0.15))
        image *= 1 - depth * _bump(disc.radius, centre, width)
    # Beyond the last ring nothing is left: dust drifts inwards and is trapped.
    image /= 1 + (disc.radius / outer) ** 12
    parameters = disc.parameters | {
        "num_gaps": gaps,
        "gap_depth": depth,
        "gap_width_px": width,
        "gap_spacing_px": spacing,
    }
    return Sketch(image, disc.angle, disc.inclination, parameters)


def ppdisc_cavity(frame: Frame, rng: np.random.Generator) -> Sketch:
    """Draw a transition disc (Espaillat et al. 2014; van der Marel et al. 2018).

    Inside the cavity, 0.28 to 0.5 R, the brightness falls by a factor 20 to 1000;
    a third keep an unresolved inner disc. The outer disc is a ring that falls off
    over 0.12 to 0.3 R.
    """
    disc = _disc(frame, rng, 0.35, 0.6)
    cavity = frame.radius * rng.uniform(0.28, 0.5)
    cavity = max(cavity, 0.9 * frame.fwhm / math.cos(disc.inclination))
    depletion = math.exp(rng.uniform(math.log(1e-3), math.log(0.05)))
    falloff = frame.radius * rng.uniform(0.12, 0.30)
    edge = cavity * rng.uniform(0.06, 0.15)
    wall = 0.5 * (1 + np.tanh((disc.radius - cavity) / edge))
    image = np.exp(-np.maximum(disc.radius - cavity, 0) / falloff)
    image *= depletion + (1 - depletion) * wall
    inner = 0.0
    if rng.random() < 1 / 3:
        inner = rng.uniform(0.2, 0.8)
        image += inner * _bump(disc.radius, 0.0, 0.3 * frame.fwhm)
    parameters: Parameters = {
        "cavity_radius_px": cavity,
        "cavity_depletion": depletion,
        "falloff_px": falloff,
        "inner_disc": inner,
    }
    return Sketch(image, disc.angle, disc.inclination, parameters)


def ppdisc_crescent(frame: Frame, rng: np.random.Generator) -> Sketch:
    """Draw dust trapped in a vortex (van der Marel et al. 2013; Lyra & Lin 2013).

    A crescent Gaussian in radius (centre 0.4 to 0.65 R, width 0.07 to 0.13 R) and in
    azimuth (25 to 60 deg), over a full ring fainter by 8 to 50, half the time with
    a faint inner disc.
    """
    disc = _disc(frame, rng, 0.35, 0.6)
    centre = frame.radius * rng.uniform(0.40, 0.65)
    width = frame.radius * rng.uniform(0.07, 0.13)
    extent = math.radians(rng.uniform(25, 60))
    contrast = math.exp(rng.uniform(math.log(8), math.log(50)))
    towards = rng.uniform(-math.pi, math.pi)
    away = np.arctan2(disc.y, disc.x) - towards
    away -= 2 * math.pi * np.round(away / (2 * math.pi))
    image = _bump(disc.radius, centre, width)
    image *= 1 / contrast + np.exp(-0.5 * (away / extent) ** 2)
    inner = 0.0
    if rng.random() < 0.5:
        inner = rng.uniform(0.05, 0.3)
        image += inner * _bump(disc.radius, 0.0, 0.15 * centre)
    parameters: Parameters = {
        "ring_radius_px": centre,
        "ring_width_px": width,
        "crescent_extent_deg": math.degrees(extent),
        "crescent_contrast": contrast,
        "inner_disc": inner,
    }
    return Sketch(image, disc.angle, disc.inclination, parameters)
