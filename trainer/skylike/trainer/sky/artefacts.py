"""What detectors and optics add to the sky: three artefact families.

R is the frame's half side. None of these is an object; a survey wants them found.
"""

import math

import numpy as np

from skylike.trainer.sky import profiles
from skylike.trainer.sky.geometry import (
    Frame,
    Pixels,
    Sketch,
    distance,
    random_angle,
)


def cosmic_ray(frame: Frame, rng: np.random.Generator) -> Sketch:
    """Draw a charged particle's track: sharper than any PSF.

    Two thirds straight muon tracks of 4 to 35 px, one third worms (scattered
    electrons) that turn by about 20 deg per px; one to three more hits of 1 to 6 px
    nearby (Groom 2002).
    """
    angle = random_angle(rng)
    length = rng.uniform(4, 35)
    worm = rng.random() < 1 / 3
    image = _track(frame, rng, 0.0, 0.0, angle, length, 0.35 if worm else 0.0)
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(-0.8, 0.8, 2) * frame.radius
        short = rng.uniform(1, 6)
        direction = random_angle(rng)
        image += _track(frame, rng, float(x), float(y), direction, short, 0.0)
    return Sketch(
        image,
        angle,
        parameters={"track_length_px": length, "track_is_worm": int(worm)},
        sharp=True,
    )


def _track(
    frame: Frame,
    rng: np.random.Generator,
    x: float,
    y: float,
    angle: float,
    length: float,
    scatter: float,
) -> Pixels:
    """Charge left along a path, in quarter-pixel steps, shared by no neighbours."""
    steps = max(int(4 * length), 4)
    heading = angle + np.cumsum(rng.normal(0, 0.5 * scatter, steps))
    along = np.cumsum(np.cos(heading)) * 0.25
    down = np.cumsum(np.sin(heading)) * 0.25
    columns = np.rint(x + along - along.mean() - float(frame.x[0, 0])).astype(int)
    rows = np.rint(y + down - down.mean() - float(frame.y[0, 0])).astype(int)
    ny, nx = frame.shape
    inside = (rows >= 0) & (rows < ny) & (columns >= 0) & (columns < nx)
    charge = rng.gamma(4.0, 0.25, steps)[inside]
    flat = np.bincount(rows[inside] * nx + columns[inside], charge, ny * nx)
    return flat.reshape(ny, nx).astype(np.float32)


def satellite_trail(frame: Frame, rng: np.random.Generator) -> Sketch:
    """Draw a satellite's trail: a straight band from edge to edge.

    Passes within 0.15 R of the centre; half width 0 to 2 FWHM (defocus of a near
    object, Tyson et al. 2020); a third flicker as the body tumbles.
    """
    angle = random_angle(rng)
    half_width = frame.fwhm * rng.uniform(0.0, 2.0)
    offset = frame.radius * rng.uniform(-0.15, 0.15)
    along, across = frame.turned(angle)
    away = np.abs(across - offset)
    image = np.clip(half_width + 0.75 - away, 0, 1)
    flicker = 0.0
    if rng.random() < 1 / 3:
        flicker = rng.uniform(0.2, 0.6)
        period = frame.radius * rng.uniform(0.3, 1.2)
        phase = rng.uniform(0, 6.2832)
        image *= 1 + flicker * np.sin(2 * math.pi * along / period + phase)
    return Sketch(
        image,
        angle,
        parameters={"trail_half_width_px": half_width, "trail_flicker": flicker},
    )


def ghost(frame: Frame, rng: np.random.Generator) -> Sketch:
    """Draw a reflection ghost: the telescope's pupil, out of focus.

    A flat annulus of outer radius 0.4 to 0.85 R, obscured to 0.2 to 0.45 of that,
    shadowed by three or four vanes, squeezed up to 0.85 and vignetted on one side.
    """
    angle = random_angle(rng)
    outer = frame.radius * rng.uniform(0.4, 0.85)
    obscuration = rng.uniform(0.2, 0.45)
    squeeze = rng.uniform(0.85, 1.0)
    along, across = frame.turned(angle)
    radius = distance(along, across / squeeze)
    hole_x = outer * rng.uniform(-0.1, 0.1)
    hole = distance(along - hole_x, across / squeeze)
    image = np.clip(outer - radius + 0.5, 0, 1)
    image *= np.clip(hole - obscuration * outer + 0.5, 0, 1)
    vanes = int(rng.integers(3, 5))
    thickness = max(0.03 * outer, 0.6)
    first = rng.uniform(0, math.pi)
    for vane in range(vanes):
        vane_along, vane_across = frame.turned(first + 2 * math.pi * vane / vanes)
        shadow = np.clip(thickness + 0.5 - np.abs(vane_across), 0, 1)
        image *= 1 - 0.8 * shadow * (vane_along > 0)
    image *= 1 + rng.uniform(0.0, 0.4) * along / outer
    np.maximum(image, 0, out=image)
    glow = profiles.turbulence(frame.shape, 3.0, rng)
    image *= 1 + 0.04 * glow
    return Sketch(
        image,
        angle,
        parameters={
            "ghost_radius_px": outer,
            "ghost_obscuration": obscuration,
            "num_vanes": vanes,
            "axis_ratio": squeeze,
        },
    )
