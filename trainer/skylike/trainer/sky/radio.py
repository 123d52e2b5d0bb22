"""Radio galaxies, after Fanaroff & Riley (1974): jets, lobes and tails.

R is the frame's half side. Jets and lobes are ridges of Gaussian cross-section along
curves, never narrower than 0.4 beams.
"""

import math

import numpy as np

from skylike.trainer.sky import profiles
from skylike.trainer.sky.geometry import Frame, Pixels, Sketch, random_angle

_POINTS = 64


def _core(frame: Frame, x: float, y: float, brightness: float) -> Pixels:
    """Draw an unresolved core whose peak survives the beam at about `brightness`."""
    one = np.ones(1, np.float32)
    # A blob of 0.4 FWHM keeps about half its peak in the beam.
    width = one * (0.4 * frame.fwhm)
    return profiles.blobs(frame, one * x, one * y, width, one * (2 * brightness))


def radio_fri(frame: Frame, rng: np.random.Generator) -> Sketch:
    """Draw an FR I: two jets brightest near the core, flaring and fading outwards.

    Length of each 0.55 to 0.9 R, half opening angle 5 to 12 deg (Laing & Bridle
    2014), brightness e-folding over 0.25 to 0.45 of the length, side ratio 0.4 to 1.
    """
    angle = rng.uniform(0, 2 * math.pi)
    length = frame.radius * rng.uniform(0.55, 0.9)
    opening = math.radians(rng.uniform(5, 12))
    fading = rng.uniform(0.25, 0.45)
    ratio = rng.uniform(0.4, 1.0)
    meander = rng.uniform(0.02, 0.12)
    t = profiles.path(_POINTS)
    image = _core(frame, 0, 0, rng.uniform(0.3, 1.2))
    for side, strength in ((1.0, 1.0), (-1.0, ratio)):
        along = side * length * t
        across = length * meander * t * profiles.wander(rng, t, 4)
        x = along * math.cos(angle) - across * math.sin(angle)
        y = along * math.sin(angle) + across * math.cos(angle)
        width = 0.4 * frame.fwhm + length * t * math.tan(opening)
        light = np.exp(-t / fading + 0.25 * profiles.wander(rng, t, 8)) * strength
        image += profiles.ridge(frame, x, y, width, light.astype(np.float32))
    return Sketch(
        image,
        angle % math.pi,
        parameters={
            "jet_length_px": length,
            "opening_angle_deg": 2 * math.degrees(opening),
            "jet_fading": fading,
            "jet_ratio": ratio,
        },
    )


def radio_frii(frame: Frame, rng: np.random.Generator) -> Sketch:
    """Draw an FR II: edge-brightened lobes that end in hot spots.

    Arm lengths 0.55 to 0.85 R within a factor 1.3 and misaligned by up to 10 deg
    (Best et al. 1995), lobes of 0.08 to 0.16 R reaching back 0.4 to 0.85 of the arm
    at 0.12 to 0.4 of the hot spots, core up to 0.3, half with one faint jet.
    """
    angle = rng.uniform(0, 2 * math.pi)
    length = frame.radius * rng.uniform(0.6, 0.85)
    ratio = rng.uniform(0.77, 1.0)
    back = rng.uniform(0.4, 0.85)
    fat = max(frame.radius * rng.uniform(0.08, 0.16), 0.4 * frame.fwhm)
    faint = rng.uniform(0.12, 0.4)
    bend = math.radians(rng.uniform(-10, 10))
    core = rng.uniform(0.0, 0.3)
    image = _core(frame, 0, 0, core)
    t = profiles.path(_POINTS)
    one = np.ones(1, np.float32)
    spot = max(0.05 * frame.radius, 0.4 * frame.fwhm)
    for turn, reach, strength in (
        (0.0, length, 1.0),
        (math.pi + bend, length * ratio, rng.uniform(0.5, 1.0)),
    ):
        cosine, sine = math.cos(angle + turn), math.sin(angle + turn)
        along = reach * (1 - back * t)
        across = reach * 0.04 * profiles.wander(rng, t, 3) * t
        width = spot + (fat - spot) * np.sin(0.9 * math.pi * t**0.6) ** 0.5
        light = (
            strength * faint * (1 - 0.7 * t) * np.exp(0.2 * profiles.wander(rng, t, 6))
        )
        x = along * cosine - across * sine
        y = along * sine + across * cosine
        image += profiles.ridge(frame, x, y, width, light.astype(np.float32))
        image += profiles.blobs(
            frame,
            one * (reach * cosine),
            one * (reach * sine),
            one * spot,
            one * (2 * strength),
        )
    jet = 0.0
    if rng.random() < 0.5:
        jet = rng.uniform(0.05, 0.15)
        width = np.full_like(t, 0.4 * frame.fwhm)
        light = np.full_like(t, jet)
        along = length * t
        image += profiles.ridge(
            frame, along * math.cos(angle), along * math.sin(angle), width, light
        )
    return Sketch(
        image,
        angle % math.pi,
        parameters={
            "jet_length_px": length,
            "jet_ratio": ratio,
            "lobe_width_px": fat,
            "lobe_to_hotspot": faint,
            "core_to_hotspot": core,
        },
    )


def radio_bent(frame: Frame, rng: np.random.Generator) -> Sketch:
    """Draw a bent tail: jets swept to one side by the gas of a cluster.

    Full angle between the tails 5 to 40 deg (narrow) or 60 to 115 deg (wide), equally
    often (Owen & Rudnick 1976; Begelman, Rees & Blandford 1979). Tails 0.9 to 1.5 R
    long, bending within 0.1 to 0.3 of that, widening and fading.
    """
    angle = random_angle(rng) + math.pi * int(rng.integers(2))
    wide = rng.random() < 0.5
    opening = math.radians(rng.uniform(60, 115) if wide else rng.uniform(5, 40))
    length = frame.radius * rng.uniform(0.9, 1.5)
    scale = rng.uniform(0.1, 0.3)
    fading = rng.uniform(0.4, 0.9)
    t = profiles.path(_POINTS)
    tails = []
    for side in (1.0, -1.0):
        start = math.radians(rng.uniform(65, 100))
        heading = side * (0.5 * opening + (start - 0.5 * opening) * np.exp(-t / scale))
        heading += angle + 0.12 * t * profiles.wander(rng, t, 3)
        step = length * rng.uniform(0.8, 1.0) / t.size
        tails.append((np.cumsum(np.cos(heading)), np.cumsum(np.sin(heading)), step))
    # The middle of the whole, not the core, is in the middle of the frame.
    x0 = sum(float(x.max() + x.min()) * step for x, _, step in tails) / 4
    y0 = sum(float(y.max() + y.min()) * step for _, y, step in tails) / 4
    image = _core(frame, -x0, -y0, rng.uniform(0.3, 1.0))
    for x, y, step in tails:
        width = 0.4 * frame.fwhm + frame.radius * rng.uniform(0.04, 0.1) * t
        light = np.exp(-t / fading + 0.25 * profiles.wander(rng, t, 8))
        image += profiles.ridge(
            frame, x * step - x0, y * step - y0, width, light.astype(np.float32)
        )
    return Sketch(
        image,
        angle % math.pi,
        parameters={
            "jet_length_px": length,
            "opening_angle_deg": math.degrees(opening),
            "jet_fading": fading,
            "bending_length": scale,
        },
    )
