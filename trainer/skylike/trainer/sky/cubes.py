"""Spectral cubes of rotating discs: one line, seen channel by channel."""

import math
from dataclasses import dataclass

import numpy as np

from skylike.trainer.sky.geometry import Frame, Parameters, Pixels, Sketch, distance

_LIGHT_KM_S = 299792.458
_HYDROGEN_HZ = 1420405751.768
_CARBON_MONOXIDE_HZ = 230538e6


@dataclass(frozen=True, slots=True)
class SpectralAxis:
    """The third axis: radio velocity in m/s or frequency in Hz, linear."""

    kind: str
    unit: str
    reference: float
    step: float
    rest_hz: float


@dataclass(frozen=True, slots=True)
class Cube:
    """A disc's line emission.

    Parameters
    ----------
    channels : (nchan, ny, nx) float32
        Brightness per channel; their sum is the disc's image to within a percent.
    """

    channels: Pixels
    axis: SpectralAxis
    parameters: Parameters


def rotate(
    frame: Frame, sketch: Sketch, keplerian: bool, rng: np.random.Generator
) -> Cube:
    """Set a disc in rotation and slice its line into channels.

    Protoplanetary discs turn as v0 (r / R)^-1/2, softened inside 0.15 R, v0 1 to
    4 km/s, line width 0.15 to 0.4 km/s (CO 2-1). Galaxies turn as v0 tanh(r / rt),
    rt 0.1 to 0.25 R, v0 80 to 250 km/s, width 8 to 15 km/s (H I). 8 to 32 channels
    span the line; a Gaussian profile is never narrower than 0.6 channels.
    """
    if sketch.angle is None or sketch.inclination is None:
        raise ValueError("only a disc can rotate")
    x, y = frame.in_plane(sketch.angle, sketch.inclination)
    radius = distance(x, y)
    if keplerian:
        speed = rng.uniform(1.0, 4.0)
        width = rng.uniform(0.15, 0.4)
        softened = (radius / frame.radius) ** 2 + 0.15**2
        rotation = speed * softened**-0.25
        systemic, rest_hz = rng.uniform(-20.0, 20.0), _CARBON_MONOXIDE_HZ
    else:
        speed = rng.uniform(80.0, 250.0)
        width = rng.uniform(8.0, 15.0)
        rotation = speed * np.tanh(radius / (frame.radius * rng.uniform(0.1, 0.25)))
        systemic, rest_hz = rng.uniform(500.0, 8000.0), _HYDROGEN_HZ
    sense = float(rng.choice([-1.0, 1.0]))
    line_of_sight = sense * rotation * math.sin(sketch.inclination) * x
    line_of_sight /= radius + 1e-3
    count = int(rng.integers(8, 33))
    span = float(np.abs(line_of_sight).max()) + 3 * width
    step = 2 * span / count
    width = max(width, 0.6 * step)
    velocity = (np.arange(count, dtype=np.float32) - 0.5 * (count - 1)) * step
    away = (velocity[:, None, None] - line_of_sight) / width
    # Cut at exp(-40): denormal numbers would be slow.
    channels = np.exp(-np.minimum(0.5 * away**2, 40))
    channels *= sketch.image * (step / (math.sqrt(2 * math.pi) * width))
    parameters: Parameters = {
        "num_channels": count,
        "rotation_curve": "keplerian" if keplerian else "flat",
        "rotation_speed_km_s": speed,
        "rotation_sense": int(sense),
        "line_width_km_s": width,
        "channel_width_km_s": step,
        "systemic_velocity_km_s": systemic,
    }
    axis = _axis(rng, systemic + float(velocity[0]), step, rest_hz)
    return Cube(channels, axis, parameters)


def _axis(
    rng: np.random.Generator, first_km_s: float, step_km_s: float, rest_hz: float
) -> SpectralAxis:
    """Label the channels by velocity or, equally often, by frequency."""
    if rng.random() < 0.5:
        return SpectralAxis("VRAD", "m/s", 1e3 * first_km_s, 1e3 * step_km_s, rest_hz)
    per_km_s = -rest_hz / _LIGHT_KM_S
    first_hz = rest_hz + first_km_s * per_km_s
    return SpectralAxis("FREQ", "Hz", first_hz, step_km_s * per_km_s, rest_hz)
