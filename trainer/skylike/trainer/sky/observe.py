"""What telescope and sky do to an object: blur, noise, background, neighbours."""

import math
from dataclasses import dataclass

import numpy as np

from skylike.trainer.sky import fourier
from skylike.trainer.sky.geometry import Frame, Pixels, log_uniform, random_angle

_SIGMA_PER_FWHM = 1 / math.sqrt(8 * math.log(2))


@dataclass(frozen=True, slots=True)
class Instrument:
    """A kind of telescope; ranges are drawn from log-uniformly or uniformly.

    Parameters
    ----------
    name
        Kind of observation, as in the truth table.
    unit
        BUNIT of its images.
    interferometer
        True: Gaussian elliptical beam and noise correlated by it. False: round PSF
        and white noise.
    scale_arcsec
        Range of the pixel scale.
    background_sigma
        Range of the background level, in units of the noise.
    neighbours
        Mean number of other sources in the frame.
    """

    name: str
    unit: str
    interferometer: bool
    scale_arcsec: tuple[float, float]
    background_sigma: tuple[float, float]
    neighbours: float


OPTICAL = Instrument("optical", "nJy", False, (0.03, 0.4), (-2, 30), 0.8)
INFRARED = Instrument("infrared", "MJy/sr", False, (1, 10), (0, 30), 0.2)
SUBMILLIMETRE = Instrument(
    "submillimetre", "Jy/beam", True, (0.004, 0.05), (-0.2, 0.2), 0.03
)
RADIO = Instrument("radio", "Jy/beam", True, (0.3, 3), (-0.2, 0.2), 0.2)


@dataclass(frozen=True, slots=True)
class Psf:
    """Point spread function or synthesised beam.

    Parameters
    ----------
    major, minor
        FWHM along both axes, px.
    angle
        Direction of the major axis, radians from +x.
    beta
        Moffat exponent (Moffat 1969); None for a Gaussian.
    """

    major: float
    minor: float
    angle: float = 0.0
    beta: float | None = None

    @property
    def fwhm(self) -> float:
        """Geometric mean FWHM, px."""
        return math.sqrt(self.major * self.minor)

    def profile(self, x: Pixels, y: Pixels) -> Pixels:
        """Return its brightness about its own centre, 1 at the peak."""
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        along = (cosine * x + sine * y) * (2 / self.major)
        across = (cosine * y - sine * x) * (2 / self.minor)
        squared = along**2 + across**2
        if self.beta is None:
            gaussian: Pixels = np.exp(-math.log(2) * squared)
            return gaussian
        moffat: Pixels = (1 + (2 ** (1 / self.beta) - 1) * squared) ** -self.beta
        return moffat

    def transfer(self, shape: tuple[int, int]) -> Pixels:
        """Return its Fourier transform on the half plane of a real transform.

        Rows and columns must be even numbers.
        """
        ny, nx = shape
        fy = np.fft.fftfreq(ny).astype(np.float32)[:, None]
        fx = np.fft.rfftfreq(nx).astype(np.float32)[None, :]
        if self.beta is None:
            cosine, sine = math.cos(self.angle), math.sin(self.angle)
            along = (cosine * fx + sine * fy) * (self.major * _SIGMA_PER_FWHM)
            across = (cosine * fy - sine * fx) * (self.minor * _SIGMA_PER_FWHM)
            gaussian: Pixels = np.exp(-2 * math.pi**2 * (along**2 + across**2))
            return gaussian
        # Even about both axes: one quarter has it all.
        quarter = self.profile(
            np.arange(nx // 2 + 1, dtype=np.float32)[None, :],
            np.arange(ny // 2 + 1, dtype=np.float32)[:, None],
        )
        return fourier.even(quarter)

    @property
    def noise_gain(self) -> float:
        """Rms of unit white noise after blurring with a Gaussian beam."""
        widths = self.major * self.minor * _SIGMA_PER_FWHM**2
        return 1 / math.sqrt(4 * math.pi * widths)


def draw_psf(instrument: Instrument, side: int, rng: np.random.Generator) -> Psf:
    """Draw a PSF fit for a frame: FWHM 2 px to 2 + side / 40 px.

    Optical: Moffat, beta 2.5 to 4.5 (Trujillo et al. 2001). Infrared: round Gaussian.
    Interferometers: elliptical Gaussian, axis ratio 0.6 to 1, major FWHM from 2.5 px.
    """
    fwhm = rng.uniform(2.0, 2.0 + side / 40)
    if instrument.interferometer:
        ratio = rng.uniform(0.6, 1.0)
        return Psf(fwhm + 0.5, max((fwhm + 0.5) * ratio, 2.0), random_angle(rng))
    if instrument is OPTICAL:
        return Psf(fwhm, fwhm, beta=rng.uniform(2.5, 4.5))
    return Psf(fwhm, fwhm)


def blur(image: Pixels, transfer: Pixels) -> Pixels:
    """Convolve the last two axes with a PSF, cyclically (frames carry a margin)."""
    spectrum = fourier.forward(image)
    spectrum *= transfer
    return fourier.inverse(spectrum, image.shape[-1])


def noise(
    shape: tuple[int, ...],
    psf: Psf,
    transfer: Pixels | None,
    rng: np.random.Generator,
) -> Pixels:
    """Draw noise of unit rms: white, or white noise seen through the beam."""
    if transfer is None:
        return rng.standard_normal(shape, dtype=np.float32)
    spectrum = fourier.white_noise(shape, rng)
    spectrum *= transfer / np.float32(psf.noise_gain)
    return fourier.inverse(spectrum, shape[-1])


def neighbours(
    frame: Frame, psf: Psf, count: int, sigma: float, rng: np.random.Generator
) -> Pixels:
    """Draw other sources around the object: two thirds stars, one third small galaxies.

    Peaks log-uniform between 5 and 80 sigma, but never above 0.7 of the object's;
    at least 0.55 R from the centre.
    """
    image = np.zeros(frame.shape, np.float32)
    half_y = 0.5 * frame.shape[0]
    half_x = 0.5 * frame.shape[1]
    for _ in range(count):
        x, y = rng.uniform(-half_x, half_x), rng.uniform(-half_y, half_y)
        peak = min(sigma * log_uniform(rng, 5, 80), 0.7)
        shape = psf
        if rng.random() < 1 / 3:
            major = psf.fwhm * rng.uniform(1.3, 2.2)
            minor = max(major * rng.uniform(0.4, 1.0), psf.minor)
            shape = Psf(major, minor, random_angle(rng), psf.beta)
        if math.hypot(x, y) > 0.55 * frame.radius:
            image += peak * shape.profile(frame.x - x, frame.y - y)
    return image


def background(
    frame: Frame, instrument: Instrument, rng: np.random.Generator
) -> tuple[Pixels, float, float]:
    """Draw a level and a slight plane, in units of the noise.

    Returns
    -------
    plane : (ny, nx) float32
    level
        At the centre of the frame's coordinates.
    gradient
        Rise over one R; 0 to 0.5, none for interferometers.
    """
    level = rng.uniform(*instrument.background_sigma)
    gradient = 0.0 if instrument.interferometer else rng.uniform(0.0, 0.5)
    uphill = rng.uniform(0, 2 * math.pi)
    slope = gradient / frame.radius
    row = frame.x * (slope * math.cos(uphill)) + level
    return row + frame.y * (slope * math.sin(uphill)), level, gradient
