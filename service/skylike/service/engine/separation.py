"""Distances on the sky."""

import math

from skylike.service.fits import SkyPosition


def separation_deg(one: SkyPosition | None, other: SkyPosition | None) -> float | None:
    """The angular distance in degrees, None unless both positions are known.

    Vincenty's formula (1975, Survey Review 23, 88) on the sphere: exact to rounding
    at every distance, where the cosine rule fails close by and the haversine at
    antipodes.
    """
    if one is None or other is None:
        return None
    ra = math.radians(other.ra_deg - one.ra_deg)
    dec_1, dec_2 = math.radians(one.dec_deg), math.radians(other.dec_deg)
    sin_1, cos_1 = math.sin(dec_1), math.cos(dec_1)
    sin_2, cos_2 = math.sin(dec_2), math.cos(dec_2)
    cos_ra = math.cos(ra)
    across = cos_2 * math.sin(ra)
    up = cos_1 * sin_2 - sin_1 * cos_2 * cos_ra
    along = sin_1 * sin_2 + cos_1 * cos_2 * cos_ra
    return math.degrees(math.atan2(math.hypot(across, up), along))
