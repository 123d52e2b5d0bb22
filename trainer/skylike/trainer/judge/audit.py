"""How much of what should not matter can be read from the vectors.

Depth, beam, pixels, orientation and background belong to the observation. Kinds differ
in them by themselves, so that their means by kind are taken out of both sides first;
what is left to read is leakage.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skylike.trainer.judge.neighbors import Kinds
from skylike.trainer.judge.probe import readable

_FEWEST = 100
_LEAST_ELLIPTICITY = 0.2  # below it, an angle means nothing

Floats = NDArray[np.float64]
Columns = Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Covariate:
    """A quantity of the observation, by the columns a table may hold it in.

    With a `unit`, it is divided by the column of that name.
    """

    name: str
    columns: tuple[str, ...]
    unit: str = ""
    is_logarithmic: bool = False
    is_angle: bool = False


COVARIATES = (
    Covariate("log signal to noise", ("snr",), is_logarithmic=True),
    Covariate("log beam", ("psf_fwhm_px", "fwhm_px", "fwhm"), is_logarithmic=True),
    Covariate("log pixel scale", ("pixel_scale_arcsec",), is_logarithmic=True),
    Covariate("background", ("background",), unit="noise_sigma"),
    Covariate(
        "position angle", ("array_angle_deg", "position_angle_deg"), is_angle=True
    ),
)


def audit(
    vectors_ND: NDArray[np.float32],
    kinds: Kinds,
    columns: Columns,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """R² of each known covariate, read from the vectors after controlling for kind.

    Parameters
    ----------
    vectors_ND : (n, D) float32
    kinds : (n,) str
    columns
        (n,) float64 each, NaN where unknown. An angle counts where ``axis_ratio`` is
        known and below 0.8, as cos 2θ and sin 2θ.

    Returns
    -------
    dict
        For each covariate with at least 100 known values: ``r2``; ``r2_shuffled``,
        the same with the values dealt out anew within kinds, which is 0 up to
        chance; ``objects``, how many were known.
    """
    found = {}
    random = np.random.default_rng(seed)
    for covariate in COVARIATES:
        name = next((name for name in covariate.columns if name in columns), None)
        if name is None or (covariate.unit and covariate.unit not in columns):
            continue
        values = _values(covariate, columns[name], columns)
        known = np.isfinite(values).all(axis=1)
        if known.sum() < _FEWEST:
            continue
        numbers = np.unique(kinds[known], return_inverse=True)[1]
        target = centred(values[known], numbers)
        vectors = centred(vectors_ND[known].astype(np.float64), numbers)
        found[covariate.name] = {
            "r2": readable(vectors.astype(np.float32), target, seed),
            "r2_shuffled": readable(
                vectors.astype(np.float32), _shuffled(target, numbers, random), seed
            ),
            "objects": float(known.sum()),
        }
    return found


def _values(covariate: Covariate, column: Floats, columns: Columns) -> Floats:
    """(n, 1) float64, or (n, 2) for an angle; NaN where unknown."""
    if covariate.is_angle:
        double = np.radians(2 * column)
        flat = 1 - columns.get("axis_ratio", np.full_like(column, np.nan))
        double = np.where(flat > _LEAST_ELLIPTICITY, double, np.nan)
        return np.stack([np.cos(double), np.sin(double)], axis=1)
    if covariate.unit:
        column = column / columns[covariate.unit]
    if covariate.is_logarithmic:
        column = np.log(np.where(column > 0, column, np.nan))
    return column[:, None]


def centred(values_NM: Floats, numbers_N: NDArray[np.int64]) -> Floats:
    """Values less the mean of their kind."""
    count = np.bincount(numbers_N)
    sums = np.stack([np.bincount(numbers_N, column) for column in values_NM.T], axis=1)
    return values_NM - (sums / count[:, None])[numbers_N]


def _shuffled(
    values: Floats, numbers_N: NDArray[np.int64], random: np.random.Generator
) -> Floats:
    result = values.copy()
    for number in range(numbers_N.max() + 1):
        members = np.flatnonzero(numbers_N == number)
        result[members] = values[random.permutation(members)]
    return result
