"""Distances on the sky."""

from collections.abc import Sequence

import numpy as np

from skylike.service.fits import SkyPosition


def separations_deg(
    one: SkyPosition | None, others: Sequence[SkyPosition | None]
) -> list[float | None]:
    """Angular distances in degrees, None unless both positions are known.

    Vincenty's formula (1975, Survey Review 23, 88) on the sphere: exact to rounding
    at every distance, where the cosine rule fails close by and the haversine at
    antipodes.
    """
    away: list[float | None] = [None] * len(others)
    known = [i for i, other in enumerate(others) if other is not None]
    if one is None or not known:
        return away
    places = np.array([(p.ra_deg, p.dec_deg) for p in others if p is not None])
    ra = np.radians(places[:, 0] - one.ra_deg)
    dec_1, dec_2 = np.radians(one.dec_deg), np.radians(places[:, 1])
    sin_1, cos_1, sin_2, cos_2 = (
        np.sin(dec_1),
        np.cos(dec_1),
        np.sin(dec_2),
        np.cos(dec_2),
    )
    cos_ra = np.cos(ra)
    across = cos_2 * np.sin(ra)
    up = cos_1 * sin_2 - sin_1 * cos_2 * cos_ra
    along = sin_1 * sin_2 + cos_1 * cos_2 * cos_ra
    found = np.degrees(np.arctan2(np.hypot(across, up), along))
    for i, separation_deg in zip(known, found.tolist(), strict=True):
        away[i] = separation_deg
    return away
