"""Spiral galaxies as an optical survey sees them: grand-design, flocculent, barred.

Every function takes the frame and a random generator and returns a `Sketch`; R is the
frame's half side. All are thin exponential discs (Freeman 1970) with a small bulge.
"""

import math

import numpy as np

from skylike.trainer.sky.galaxies import bulge
from skylike.trainer.sky.geometry import (
    Frame,
    Pixels,
    Sketch,
    distance,
    random_angle,
    random_inclination,
)


def _arms(
    radius: Pixels,
    azimuth: Pixels,
    pitch: float,
    start: float,
    arms: int,
    sharpness: float,
    phase: float,
) -> Pixels:
    """Draw logarithmic arms, 0 to 1, fading in at radius `start`.

    Crests follow ln(r / start) = tan(pitch) (azimuth - phase) (Danver 1942).
    """
    wind = np.log(radius / start + 1e-3) / math.tan(pitch)
    crest = np.exp(sharpness * (np.cos(arms * (azimuth - wind - phase)) - 1))
    out: Pixels = crest / (1 + (start / (radius + 1e-3)) ** 6)
    return out


def spiral_grand_design(frame: Frame, rng: np.random.Generator) -> Sketch:
    """Draw a grand-design spiral: two to four logarithmic arms on an exponential disc.

    Pitch angle 10 to 30 deg either way round (Savchenko & Reshetnikov 2013), arm to
    disc contrast 2 to 6, scale length 0.2 to 0.32 R, inclination to 55 deg.
    """
    number = int(rng.integers(2, 5))
    scale = frame.radius * rng.uniform(0.20, 0.32)
    inclination = random_inclination(rng, 55)
    angle = random_angle(rng)
    pitch = math.radians(rng.uniform(10, 30)) * rng.choice([-1.0, 1.0])
    contrast = rng.uniform(2.0, 6.0)
    sharpness = rng.uniform(1.2, 3.0)
    x, y = frame.in_plane(angle, inclination)
    radius, azimuth = distance(x, y), np.arctan2(y, x)
    phase = rng.uniform(0, 2 * math.pi)
    arms = _arms(radius, azimuth, float(pitch), 0.5 * scale, number, sharpness, phase)
    image = np.exp(-radius / scale) * (0.5 + contrast * arms)
    light, parameters = bulge(frame, rng, scale, 0.04, 0.15)
    image += light
    parameters |= {
        "scale_length_px": scale,
        "pitch_angle_deg": math.degrees(float(pitch)),
        "arm_contrast": contrast,
        "num_arms": number,
    }
    return Sketch(image, angle, inclination, parameters)


def spiral_flocculent(frame: Frame, rng: np.random.Generator) -> Sketch:
    """Draw a flocculent spiral: short arm pieces, none longer than its neighbours.

    A random field of azimuthal modes 3 to 11, sheared into trailing pieces at pitch
    15 to 35 deg and put on an exponential disc (Elmegreen & Elmegreen 1987). Scale
    length 0.2 to 0.32 R, inclination to 55 deg, contrast 0.8 to 1.3.
    """
    scale = frame.radius * rng.uniform(0.20, 0.32)
    inclination = random_inclination(rng, 55)
    angle = random_angle(rng)
    pitch = math.radians(rng.uniform(15, 35)) * float(rng.choice([-1.0, 1.0]))
    contrast = rng.uniform(0.8, 1.3)
    x, y = frame.in_plane(angle, inclination)
    radius, azimuth = distance(x, y), np.arctan2(y, x)
    depth = np.log(radius / scale + 0.05)
    texture = np.zeros(frame.shape, np.float32)
    for mode in (3, 4, 5, 6, 7, 8, 9, 11):
        wind = mode / math.tan(pitch) + rng.normal(0, 6)
        texture += np.cos(mode * azimuth - wind * depth + rng.uniform(0, 6.2832))
    texture *= 0.5
    # The texture fades inside, where modes of any number would meet in one point.
    texture *= contrast / (1 + (0.4 * scale / (radius + 1e-3)) ** 4)
    image = np.exp(-radius / scale + texture)
    light, parameters = bulge(frame, rng, scale, 0.02, 0.10)
    image += light
    parameters |= {
        "scale_length_px": scale,
        "pitch_angle_deg": math.degrees(pitch),
        "arm_contrast": contrast,
    }
    return Sketch(image, angle, inclination, parameters)


def barred(frame: Frame, rng: np.random.Generator) -> Sketch:
    """Draw a barred spiral: a boxy bar, and two arms from its ends.

    The bar is a generalised ellipse of shape 2.5 to 3.5 (Athanassoula et al. 1990)
    with a flat profile that ends sharply, half length 0.28 to 0.5 R, axis ratio 0.2
    to 0.35. Arms at pitch 12 to 28 deg, scale length 0.2 to 0.3 R, inclination to 50.
    """
    scale = frame.radius * rng.uniform(0.20, 0.30)
    inclination = random_inclination(rng, 50)
    angle = random_angle(rng)
    length = frame.radius * rng.uniform(0.28, 0.50)
    axis_ratio = rng.uniform(0.20, 0.35)
    boxiness = rng.uniform(2.5, 3.5)
    turn = rng.uniform(0, math.pi)
    pitch = math.radians(rng.uniform(12, 28)) * float(rng.choice([-1.0, 1.0]))
    contrast = rng.uniform(0.8, 3.5)
    x, y = frame.in_plane(angle, inclination)
    radius, azimuth = distance(x, y), np.arctan2(y, x)
    cosine, sine = math.cos(turn), math.sin(turn)
    along = np.abs(cosine * x + sine * y) / length
    across = np.abs(cosine * y - sine * x) / (length * axis_ratio)
    bar = np.exp(-((along**boxiness + across**boxiness) ** (2 / boxiness)) * 1.2)
    arms = _arms(radius, azimuth, pitch, length, 2, rng.uniform(1.5, 3.0), turn)
    strength = rng.uniform(0.5, 1.0)
    image = np.exp(-radius / scale) * (0.35 + contrast * arms) + strength * bar
    light, parameters = bulge(frame, rng, scale, 0.02, 0.08)
    image += light
    parameters |= {
        "scale_length_px": scale,
        "bar_length_px": length,
        "bar_axis_ratio": axis_ratio,
        "bar_strength": strength,
        "pitch_angle_deg": math.degrees(pitch),
        "arm_contrast": contrast,
        "num_arms": 2,
    }
    return Sketch(image, angle, inclination, parameters)
