"""Interstellar clouds in the far infrared: turbulent, filamentary, collapsing.

R is the frame's half side. The structure fills the frame, as it does on the sky.
"""

import math

import numpy as np

from skylike.trainer.sky import profiles
from skylike.trainer.sky.geometry import (
    Frame,
    Parameters,
    Pixels,
    Sketch,
    random_angle,
)


def _diffuse(
    frame: Frame, rng: np.random.Generator, contrast: float
) -> tuple[Pixels, Parameters]:
    """Draw diffuse emission: a lognormal column density of mean about 1.

    Power spectrum k^-2.5 to k^-3.3, about the -2.9 of infrared cirrus
    (Miville-Deschênes et al. 2007); lognormal as in isothermal supersonic turbulence
    (Vazquez-Semadeni 1994).
    """
    slope = rng.uniform(2.5, 3.3)
    field = profiles.turbulence(frame.shape, slope, rng)
    image: Pixels = np.exp(contrast * field - 0.5 * contrast**2)
    return image, {"spectral_slope": slope, "log_density_spread": contrast}


def cloud_turbulent(frame: Frame, rng: np.random.Generator) -> Sketch:
    """Draw a turbulent cloud; spread of the log column density 0.5 to 1."""
    image, parameters = _diffuse(frame, rng, rng.uniform(0.5, 1.0))
    return Sketch(image - float(image.min()), parameters=parameters)


def _filament(
    frame: Frame,
    rng: np.random.Generator,
    angle: float,
    flat_radius: float,
    index: float,
) -> Pixels:
    """Draw one filament of unit crest, wandering about an axis through the centre."""
    along, across = frame.turned(angle)
    grid = np.linspace(-2, 2, 256, dtype=np.float32)
    spine = 0.12 * profiles.wander(rng, (grid + 2) / 4, 6)
    spine -= spine[128]
    bead = np.exp(0.35 * profiles.wander(rng, (grid + 2) / 4, 14))
    at = along / frame.radius
    axis = np.interp(at, grid, spine).astype(np.float32)
    tilt = np.interp(at, grid, np.gradient(spine, grid)).astype(np.float32)
    away = (across - frame.radius * axis) / np.sqrt(1 + tilt**2)
    profile = (1 + (away / flat_radius) ** 2) ** (0.5 - 0.5 * index)
    out: Pixels = profile * np.interp(at, grid, bead).astype(np.float32)
    return out


def cloud_filament(frame: Frame, rng: np.random.Generator) -> Sketch:
    """Draw a filament across the frame (Arzoumanian et al. 2011).

    Column density (1 + (r / flat)^2)^-(p-1)/2, p 2.2 to 3.2, flat radius 0.04 to
    0.09 R, wandering and beaded; a quarter are joined by a fainter second one
    crossing at 30 to 90 deg; diffuse emission of 0.05 to 0.2 around it.
    """
    angle = random_angle(rng)
    flat_radius = max(frame.radius * rng.uniform(0.04, 0.09), 0.5 * frame.fwhm)
    index = rng.uniform(2.2, 3.2)
    image = _filament(frame, rng, angle, flat_radius, index)
    crossing = 0.0
    if rng.random() < 0.25:
        crossing = math.radians(rng.uniform(30, 90))
        other = _filament(frame, rng, angle + crossing, flat_radius, index)
        image += rng.uniform(0.2, 0.5) * other
    diffuse, parameters = _diffuse(frame, rng, rng.uniform(0.4, 0.7))
    image += rng.uniform(0.05, 0.2) * diffuse
    image -= float(image.min())
    parameters |= {
        "flat_radius_px": flat_radius,
        "plummer_index": index,
        "crossing_deg": math.degrees(crossing),
    }
    return Sketch(image, angle, parameters=parameters)


def cloud_core(frame: Frame, rng: np.random.Generator) -> Sketch:
    """Draw a dense core in its cloud (Whitworth & Ward-Thompson 2001).

    Plummer-like column density (1 + (r / flat)^2)^-(p-1)/2, p 3 to 4.5 as in
    Bonnor-Ebert spheres near collapse, flat radius 0.12 to 0.22 R, axis ratio 0.55
    to 1, its outline ruffled by the cloud; diffuse emission of 0.04 to 0.12.
    """
    angle = random_angle(rng)
    flat_radius = frame.radius * rng.uniform(0.12, 0.22)
    index = rng.uniform(3.0, 4.5)
    axis_ratio = rng.uniform(0.55, 1.0)
    diffuse, parameters = _diffuse(frame, rng, rng.uniform(0.4, 0.7))
    along, across = frame.turned(angle)
    squared = (along**2 + (across / axis_ratio) ** 2) / flat_radius**2
    squared *= diffuse ** rng.uniform(-0.6, -0.2)
    image = (1 + squared) ** (0.5 - 0.5 * index)
    image += rng.uniform(0.04, 0.12) * diffuse
    image -= float(image.min())
    parameters |= {
        "flat_radius_px": flat_radius,
        "plummer_index": index,
        "axis_ratio": axis_ratio,
    }
    return Sketch(image, angle, parameters=parameters)
