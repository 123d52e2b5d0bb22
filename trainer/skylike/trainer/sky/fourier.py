"""Fourier transforms of float32 images, in place where they can be.

numpy's own: as fast here as scipy's, which takes longer to import than a process
takes to draw a hundred objects.
"""

import math

import numpy as np
import numpy.typing as npt

from skylike.trainer.sky.geometry import Pixels

Spectrum = npt.NDArray[np.complex64 | np.complex128]
"""complex64 at run time; numpy's stubs know transforms in double precision only."""


def fast_length(least: int) -> int:
    """Return the smallest even 2^a 3^b 5^c that is not below `least`."""
    length = least + least % 2
    while math.gcd(length, 60**9) != length:
        length += 2
    return length


def forward(images: Pixels) -> Spectrum:
    """Transform the last two axes; the last keeps its non-negative frequencies."""
    rows = np.fft.rfft(images, axis=-1)
    spectrum: Spectrum = np.fft.fft(rows, axis=-2, out=rows)
    return spectrum


def inverse(spectrum: Spectrum, columns: int) -> Pixels:
    """Undo `forward` for images of so many columns; the spectrum is used up."""
    np.fft.ifft(spectrum, axis=-2, out=spectrum)  # type: ignore[arg-type]
    images: Pixels = np.fft.irfft(spectrum, columns, axis=-1)
    return images


def even(quarter: Pixels) -> Pixels:
    """Transform an image that is even about its corner pixel, from one quarter of it.

    Parameters
    ----------
    quarter : (n / 2 + 1, m / 2 + 1) float32
        Corner of the (n, m) image, both its middles included.

    Returns
    -------
    (n, m / 2 + 1) float32
        The transform, which is real, scaled to 1 at zero frequency.
    """
    nx = quarter.shape[1]
    # An even sequence is its own inverse transform, but for scale.
    rows = np.fft.irfft(quarter, axis=-1)[:, :nx]
    spectrum: Pixels = np.fft.irfft(rows, axis=-2)
    return spectrum / float(spectrum[0, 0])


def white_noise(shape: tuple[int, ...], rng: np.random.Generator) -> Spectrum:
    """Draw the transform of white noise of unit variance, shape that of the images.

    Drawn there directly, which saves transforming noise that is filtered anyway.
    """
    *more, ny, nx = shape
    parts = rng.standard_normal((*more, ny, nx // 2 + 1, 2), dtype=np.float32)
    parts *= math.sqrt(0.5 * ny * nx)
    spectrum: Spectrum = parts.view(np.complex64)[..., 0]
    # Of columns that are their own mirror image, the inverse keeps the real half.
    spectrum[..., 0] *= math.sqrt(2)
    if nx % 2 == 0:
        spectrum[..., -1] *= math.sqrt(2)
    return spectrum
