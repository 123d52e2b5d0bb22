"""Distances on the sky."""

import math
from collections.abc import Iterable

from skylike.service.fits import SkyPosition


def separation_deg(one: SkyPosition | None, other: SkyPosition | None) -> float | None:
    """As `separations_deg`, to one other."""
    return separations_deg(one, [other])[0]


def separations_deg(
    one: SkyPosition | None, others: Iterable[SkyPosition | None]
) -> list[float | None]:
    """The angular distances in degrees, None unless both positions are known.

    Vincenty's formula (1975, Survey Review 23, 88) on the sphere: exact to rounding
    at every distance, where the cosine rule fails close by and the haversine at
    antipodes.
    """
    if one is None:
        return [None for _ in others]
    dec = math.radians(one.dec_deg)
    sin_1, cos_1 = math.sin(dec), math.cos(dec)
    return [
        None if other is None else _to(one.ra_deg, sin_1, cos_1, other)
        for other in others
    ]


def _to(ra_deg: float, sin_1: float, cos_1: float, other: SkyPosition) -> float:
    ra, dec = math.radians(other.ra_deg - ra_deg), math.radians(other.dec_deg)
    sin_2, cos_2 = math.sin(dec), math.cos(dec)
    cos_ra = math.cos(ra)
    across = cos_2 * math.sin(ra)
    up = cos_1 * sin_2 - sin_1 * cos_2 * cos_ra
    along = sin_1 * sin_2 + cos_1 * cos_2 * cos_ra
    return math.degrees(math.atan2(math.hypot(across, up), along))
