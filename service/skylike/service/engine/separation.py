"""Distances on the sky."""

import math

from skylike.service.fits import SkyPosition


def separation_deg(one: SkyPosition | None, other: SkyPosition | None) -> float | None:
    """Angular distance in degrees, None unless both positions are known.

    Vincenty's formula (1975, Survey Review 23, 88) on the sphere: exact to rounding
    at every distance, where the cosine rule fails close by and the haversine at
    antipodes.
    """
    if one is None or other is None:
        return None
    ra = math.radians(other.ra_deg - one.ra_deg)
    sin_1, cos_1 = _sin_cos(one.dec_deg)
    sin_2, cos_2 = _sin_cos(other.dec_deg)
    across = cos_2 * math.sin(ra)
    up = cos_1 * sin_2 - sin_1 * cos_2 * math.cos(ra)
    along = sin_1 * sin_2 + cos_1 * cos_2 * math.cos(ra)
    return math.degrees(math.atan2(math.hypot(across, up), along))


def _sin_cos(angle_deg: float) -> tuple[float, float]:
    angle = math.radians(angle_deg)
    return math.sin(angle), math.cos(angle)
