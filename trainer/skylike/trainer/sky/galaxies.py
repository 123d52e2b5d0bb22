"""Galaxies as an optical survey sees them: the five families without arms.

Every function takes the frame and a random generator and returns a `Sketch`; the
ranges of its parameters are in its docstring. R is the frame's half side. Inclined
discs are drawn thin; orientations are isotropic up to the stated inclination.
"""

import math

import numpy as np

from skylike.trainer.sky import profiles
from skylike.trainer.sky.geometry import (
    Frame,
    Parameters,
    Pixels,
    Sketch,
    distance,
    random_angle,
    random_inclination,
)

_REDUCED = np.linspace(0, 16, 512, dtype=np.float32)
_DEPTH = np.linspace(0, 24, 512, dtype=np.float32)
_PROJECTED = np.trapezoid(
    np.exp(-np.sqrt(_REDUCED[:, None] ** 2 + _DEPTH**2)), _DEPTH, axis=1
)
"""An exponential disc seen from its side: z K1(z), z in scale lengths."""


def elliptical(frame: Frame, rng: np.random.Generator) -> Sketch:
    """Draw an elliptical: a Sérsic profile of high index (Caon et al. 1993).

    n 2.5 to 6, effective radius 0.12 to 0.32 R, axis ratio 0.4 to 1 (E0 to E6).
    """
    radius = frame.radius * rng.uniform(0.12, 0.32)
    index = rng.uniform(2.5, 6.0)
    axis_ratio = rng.uniform(0.4, 1.0)
    angle = random_angle(rng)
    image = profiles.sersic(frame, radius, index, axis_ratio, angle)
    return Sketch(
        image,
        angle,
        parameters={
            "effective_radius_px": radius,
            "sersic_index": index,
            "axis_ratio": axis_ratio,
        },
    )


def bulge(
    frame: Frame, rng: np.random.Generator, scale: float, low: float, high: float
) -> tuple[Pixels, Parameters]:
    """Draw a round bulge, its flux relative to an exponential disc of unit centre.

    n 1 to 3, effective radius 0.15 to 0.35 scale lengths (MacArthur et al. 2003).
    """
    radius = max(scale * rng.uniform(0.15, 0.35), 0.5)
    index = rng.uniform(1.0, 3.0)
    ratio = rng.uniform(low, high)
    image = profiles.sersic(frame, radius, index, 1.0, 0.0)
    image *= ratio * 2 * math.pi * scale**2 / float(image.sum())
    return image, {"bulge_to_disc": ratio, "bulge_radius_px": radius}


def disc(frame: Frame, rng: np.random.Generator) -> Sketch:
    """Draw a smooth exponential disc (Freeman 1970), half of them with a small bulge.

    Scale length 0.13 to 0.26 R, inclination to 70 deg, Sérsic n 0.8 to 1.2, bulge to
    disc flux 0 to 0.08.
    """
    scale = frame.radius * rng.uniform(0.13, 0.26)
    index = rng.uniform(0.8, 1.2)
    inclination = random_inclination(rng, 70)
    angle = random_angle(rng)
    image = profiles.sersic(frame, 1.678 * scale, index, math.cos(inclination), angle)
    image /= float(image.max())
    parameters: Parameters = {"bulge_to_disc": 0.0}
    if rng.random() < 0.5:
        light, parameters = bulge(frame, rng, scale, 0.0, 0.08)
        image += light * math.cos(inclination)
    parameters |= {"scale_length_px": scale, "sersic_index": index}
    return Sketch(image, angle, inclination, parameters)


def edge_on(frame: Frame, rng: np.random.Generator) -> Sketch:
    """Draw an edge-on disc cut by a dust lane.

    Stars: (r / h) K1(r / h) sech^2(z / z0) (van der Kruit & Searle 1981), h 0.14
    to 0.25 R, z0 0.18 to 0.35 h. Dust: a thinner exponential slab, central optical depth
    1.5 to 6 (Xilouris et al. 1999), up to 0.25 z0 off the midplane. Bulge to disc
    flux 0.05 to 0.35, before extinction.
    """
    scale = frame.radius * rng.uniform(0.14, 0.25)
    height = max(scale * rng.uniform(0.18, 0.35), 1.2 * frame.fwhm)
    angle = random_angle(rng)
    depth = rng.uniform(1.5, 6.0)
    along, across = frame.turned(angle)
    in_disc = np.interp(np.abs(along) / scale, _REDUCED, _PROJECTED).astype(np.float32)
    image = in_disc / np.cosh(np.minimum(np.abs(across) / height, 20)) ** 2
    flux = float(image.sum())
    bulge_ratio = rng.uniform(0.05, 0.35)
    bulge_radius = height * rng.uniform(0.8, 1.6)
    spheroid = profiles.sersic(frame, bulge_radius, rng.uniform(1.5, 3.0), 0.75, angle)
    image += spheroid * (bulge_ratio * flux / float(spheroid.sum()))
    offset = height * rng.uniform(-0.25, 0.25)
    thickness = height * rng.uniform(0.18, 0.32)
    slab = np.exp(
        -np.abs(along) / (1.4 * scale) - 0.5 * ((across - offset) / thickness) ** 2
    )
    image *= np.exp(-depth * slab)
    return Sketch(
        image,
        angle,
        math.pi / 2,
        {
            "scale_length_px": scale,
            "scale_height_px": height,
            "bulge_to_disc": bulge_ratio,
            "bulge_radius_px": bulge_radius,
            "dust_optical_depth": depth,
            "dust_height_px": thickness,
        },
    )


def ring_galaxy(frame: Frame, rng: np.random.Generator) -> Sketch:
    """Draw a ring galaxy: a nucleus, a gap, and a knotty ring.

    Ring radius 0.35 to 0.65 R, Gaussian width 0.08 to 0.16 of it, nucleus up to 0.15
    ring radii off centre, brightness lopsided up to 0.5 (Theys & Spiegel 1976;
    Appleton & Struck-Marcell 1996); inclination to 60 deg.
    """
    ring = frame.radius * rng.uniform(0.35, 0.65)
    width = max(ring * rng.uniform(0.08, 0.16), 0.35 * frame.fwhm)
    inclination = random_inclination(rng, 60)
    angle = random_angle(rng)
    lopsided = rng.uniform(0.0, 0.5)
    x, y = frame.in_plane(angle, inclination)
    radius, azimuth = distance(x, y), np.arctan2(y, x)
    bright = 1 + lopsided * np.cos(azimuth - rng.uniform(0, 6.2832))
    knots = np.zeros(frame.shape, np.float32)
    for mode in (4, 7, 11):
        knots += np.cos(mode * azimuth - rng.uniform(0, 6.2832))
    bright *= np.exp(rng.uniform(0.0, 0.35) * knots)
    image = bright * np.exp(-0.5 * ((radius - ring) / width) ** 2)
    image += rng.uniform(0.01, 0.06) * np.exp(-radius / ring)
    offset = ring * rng.uniform(0, 0.15)
    towards = rng.uniform(0, 2 * math.pi)
    nucleus_radius = ring * rng.uniform(0.08, 0.18)
    nucleus = profiles.sersic(
        frame,
        nucleus_radius,
        rng.uniform(1.0, 3.0),
        rng.uniform(0.7, 1.0),
        angle,
        offset * math.cos(towards),
        offset * math.sin(towards),
    )
    share = rng.uniform(0.1, 0.5)
    image += nucleus * (share * float(image.sum()) / float(nucleus.sum()))
    return Sketch(
        image,
        angle,
        inclination,
        {
            "ring_radius_px": ring,
            "ring_width_px": width,
            "nucleus_to_ring": share,
            "bulge_radius_px": nucleus_radius,
            "lopsidedness": lopsided,
        },
    )


def merger(frame: Frame, rng: np.random.Generator) -> Sketch:
    """Draw two merging galaxies with tidal tails (Toomre & Toomre 1972).

    Nuclei 0.12 to 0.45 R apart, mass ratio 0.3 to 1; one tail from each, half the
    time the second much fainter, 0.7 to 1.5 R long and curling 40 to 160 deg; a
    bridge and debris around both.
    """
    separation = frame.radius * rng.uniform(0.12, 0.45)
    ratio = rng.uniform(0.3, 1.0)
    angle = rng.uniform(0, 2 * math.pi)
    spin = float(rng.choice([-1.0, 1.0]))
    curl = math.radians(rng.uniform(40, 160))
    length = frame.radius * rng.uniform(0.7, 1.5)
    reach = frame.radius * rng.uniform(0.08, 0.15)
    image = np.zeros(frame.shape, np.float32)
    fainter = 1.0 if rng.random() < 0.5 else rng.uniform(0.1, 0.4)
    for side, mass in ((0.0, 1.0), (math.pi, ratio)):
        x0 = 0.5 * separation * math.cos(angle + side)
        y0 = 0.5 * separation * math.sin(angle + side)
        nucleus = profiles.sersic(
            frame,
            reach * math.sqrt(mass),
            rng.uniform(1.0, 3.0),
            rng.uniform(0.5, 1.0),
            random_angle(rng),
            x0,
            y0,
        )
        image += nucleus * (mass / float(nucleus.sum()))
        t = profiles.path(64)
        heading = angle + side + spin * (0.6 - curl * t)
        step = length * math.sqrt(mass) / t.size
        x = x0 + np.cumsum(np.cos(heading)) * step
        y = y0 + np.cumsum(np.sin(heading)) * step
        width = 0.4 * frame.fwhm + frame.radius * (0.03 + 0.05 * t)
        light = (1 - t) ** 0.7 * np.exp(0.3 * profiles.wander(rng, t, 5))
        tail = profiles.ridge(frame, x, y, width, light.astype(np.float32))
        weight = rng.uniform(0.25, 0.6) * mass * (fainter if side else 1.0)
        image += tail * (weight / float(tail.sum()))
    debris = profiles.sersic(
        frame, 0.5 * separation + 1.5 * reach, 1.0, rng.uniform(0.5, 0.9), angle
    )
    image += debris * (rng.uniform(0.2, 0.5) / float(debris.sum()))
    return Sketch(
        image,
        angle % math.pi,
        parameters={
            "separation_px": separation,
            "mass_ratio": ratio,
            "tail_length_px": length,
            "tail_curl_deg": math.degrees(curl),
        },
    )
