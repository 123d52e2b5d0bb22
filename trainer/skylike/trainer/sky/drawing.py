"""One object from nothing to pixels: draw it, observe it, describe it.

Everything is computed with the object's peak at 1 and multiplied by the flux scale at
the very end, so that nothing depends on the unit.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from skylike.trainer.sky import (
    artefacts,
    clouds,
    cubes,
    discs,
    fourier,
    galaxies,
    header,
    observe,
    radio,
    spirals,
)
from skylike.trainer.sky.geometry import (
    Frame,
    Pixels,
    Sketch,
    half_light_radius,
    log_uniform,
)
from skylike.trainer.sky.header import Header
from skylike.trainer.sky.observe import Instrument, Psf

Draw = Callable[[Frame, np.random.Generator], Sketch]


def point_source(frame: Frame, rng: np.random.Generator) -> Sketch:
    """Draw a star or quasar: all light in one point, placed by the optics exactly."""
    return Sketch(np.zeros(frame.shape, np.float32))


_ORDINARY: dict[str, tuple[Draw, Instrument]] = {
    "elliptical": (galaxies.elliptical, observe.OPTICAL),
    "disc": (galaxies.disc, observe.OPTICAL),
    "spiral_grand_design": (spirals.spiral_grand_design, observe.OPTICAL),
    "spiral_flocculent": (spirals.spiral_flocculent, observe.OPTICAL),
    "barred": (spirals.barred, observe.OPTICAL),
    "edge_on": (galaxies.edge_on, observe.OPTICAL),
    "ring_galaxy": (galaxies.ring_galaxy, observe.OPTICAL),
    "merger": (galaxies.merger, observe.OPTICAL),
    "ppdisc_smooth": (discs.ppdisc_smooth, observe.SUBMILLIMETRE),
    "ppdisc_rings": (discs.ppdisc_rings, observe.SUBMILLIMETRE),
    "ppdisc_cavity": (discs.ppdisc_cavity, observe.SUBMILLIMETRE),
    "ppdisc_crescent": (discs.ppdisc_crescent, observe.SUBMILLIMETRE),
    "cloud_turbulent": (clouds.cloud_turbulent, observe.INFRARED),
    "cloud_filament": (clouds.cloud_filament, observe.INFRARED),
    "cloud_core": (clouds.cloud_core, observe.INFRARED),
    "radio_fri": (radio.radio_fri, observe.RADIO),
    "radio_frii": (radio.radio_frii, observe.RADIO),
    "radio_bent": (radio.radio_bent, observe.RADIO),
    "point_source": (point_source, observe.OPTICAL),
}
_ARTEFACTS: dict[str, Draw] = {
    "cosmic_ray": artefacts.cosmic_ray,
    "satellite_trail": artefacts.satellite_trail,
    "ghost": artefacts.ghost,
}
FAMILIES = tuple(_ORDINARY)
ARTEFACTS = tuple(_ARTEFACTS)
ROTATING = ("disc", *(name for name in FAMILIES if name.startswith("ppdisc_")))
"""Families of which a share are cubes."""

SIZES = (48, 160)
CUBE_SIZES = (48, 96)
CUBE_SHARE = 0.07
RADIO_POINT_SHARE = 0.3
SNR = (10.0, 300.0)
FLUX = (1e-11, 1e-1)
_THICK = ("edge_on",)  # whose inclination does not tell how long they look
_UNDERLYING = ("elliptical", "disc", "point_source", "spiral_flocculent")


@dataclass(frozen=True, slots=True)
class Drawing:
    """One simulated observation.

    Parameters
    ----------
    pixels : (ny, nx) or (nchan, ny, nx) float32, BUNIT
        What the file holds.
    signal : same shape, float32, BUNIT
        The object alone, blurred: no noise, background or neighbours.
    header
        Cards of the file, in order.
    truth
        The object's row of the truth table, without id, path, seed and number.
    """

    pixels: Pixels
    signal: Pixels
    header: Header
    truth: dict[str, Any]


def draw(
    family: str,
    rng: np.random.Generator,
    *,
    identifier: str = "",
    shape: tuple[int, int] | None = None,
    snr: float | None = None,
    cube: bool | None = None,
) -> Drawing:
    """Draw one object.

    Parameters
    ----------
    family
        One of `FAMILIES` or `ARTEFACTS`.
    rng
        Source of everything random.
    identifier
        Written as OBJECT.
    shape
        Rows and columns; drawn from `SIZES` if None, one in seven not square.
    snr
        Flux-weighted mean of signal over noise, sum(s^2) / sum(s) / sigma: for a
        point source, about half the peak's; of a cube, in moment 0, where sigma is
        that of the sum over channels. Log-uniform over `SNR` if None.
    cube
        Whether to draw a spectral cube; by chance, for `ROTATING` families, if None.

    Raises
    ------
    ValueError
        If the family is unknown, or a cube is asked of one that does not rotate.
    """
    artefact = family in _ARTEFACTS
    if not artefact and family not in _ORDINARY:
        raise ValueError(f"no family {family!r}; there are {FAMILIES + ARTEFACTS}")
    if cube and family not in ROTATING:
        raise ValueError(f"{family} does not rotate; {ROTATING} do")
    chance = rng.random()
    by_chance = chance < CUBE_SHARE and family in ROTATING
    is_cube = by_chance if cube is None else cube
    instrument = observe.OPTICAL if artefact else _ORDINARY[family][1]
    if (family == "point_source" and chance < RADIO_POINT_SHARE) or (
        is_cube and instrument is observe.OPTICAL
    ):
        instrument = observe.RADIO
    ny, nx = shape or _draw_shape(rng, CUBE_SIZES if is_cube else SIZES)
    psf = observe.draw_psf(instrument, min(ny, nx), rng)
    frame, visible, offset = _draw_frame(ny, nx, psf, rng)
    transfer = psf.transfer(frame.shape)

    def observed(name: str) -> tuple[Sketch, Pixels]:
        sketch = (_ARTEFACTS.get(name) or _ORDINARY[name][0])(frame, rng)
        if name == "point_source":
            return sketch, psf.profile(frame.x, frame.y)[visible]
        image = sketch.image if sketch.sharp else observe.blur(sketch.image, transfer)
        return sketch, image[visible]

    axis = None
    sketch, signal = observed(family)
    parameters = dict(sketch.parameters)
    # Numbers of channels and their width turn channel noise into moment-0 noise.
    depth = 1.0
    if is_cube:
        keplerian = instrument is observe.SUBMILLIMETRE
        line = cubes.rotate(frame, sketch, keplerian, rng)
        signal = observe.blur(line.channels, transfer)[:, *visible]
        depth = math.sqrt(signal.shape[0])
        axis = line.axis
        parameters |= line.parameters
    # What blurring in float32 leaves below zero is rounding, far under any noise.
    signal = np.maximum(signal, 0)
    signal /= float(signal.max())
    moment = signal.sum(axis=0) if is_cube else signal
    if snr is None:
        snr = log_uniform(rng, *SNR)
    sigma = float(np.vdot(moment, moment)) / float(moment.sum()) / depth / snr

    sky = _sky(frame, visible, instrument, psf, sigma, rng, is_cube)
    pixels = signal + sky.image
    if artefact:
        under = str(rng.choice(_UNDERLYING))
        _, below = observed(under)
        level = sigma * log_uniform(rng, 3, 15) / float(below.max())
        pixels = pixels + level * below
        parameters["underlying"] = under
    flux = log_uniform(rng, *FLUX)
    correlated = instrument.interferometer
    grain_shape = (*signal.shape[:-2], *frame.shape) if correlated else signal.shape
    grain = observe.noise(grain_shape, psf, transfer if correlated else None, rng)
    pixels += sigma * (grain[..., *visible] if correlated else grain)

    pointing = header.draw_pointing(instrument, rng)
    truth: dict[str, Any] = {
        "family": family,
        "is_artefact": artefact,
        "is_cube": is_cube,
        "instrument": instrument.name,
        "bunit": instrument.unit,
        "ny": ny,
        "nx": nx,
        "snr": snr,
        "flux_scale": flux,
        "noise_sigma": sigma * flux,
        "background": sky.level * flux,
        "background_gradient": sky.gradient * flux,
        "num_neighbours": sky.neighbours,
        "psf_fwhm_px": psf.fwhm,
        "psf_beta": psf.beta,
        "ra_deg": pointing.ra_deg,
        "dec_deg": pointing.dec_deg,
        "pixel_scale_arcsec": pointing.scale_arcsec,
        "rotation_deg": math.degrees(pointing.rotation),
        "mjd": pointing.mjd,
        "offset_x_px": offset[0],
        "offset_y_px": offset[1],
    }
    if correlated:
        truth |= {
            "beam_major_px": psf.major,
            "beam_minor_px": psf.minor,
            "beam_angle_deg": pointing.position_angle_deg(psf.angle),
        }
    if sketch.angle is not None:
        truth["array_angle_deg"] = math.degrees(sketch.angle)
        truth["position_angle_deg"] = pointing.position_angle_deg(sketch.angle)
    if sketch.inclination is not None:
        truth["inclination_deg"] = math.degrees(sketch.inclination)
        if family not in _THICK:
            truth["axis_ratio"] = math.cos(sketch.inclination)
    half_light = half_light_radius(sketch.image, frame)
    if half_light is not None and not artefact:
        truth["half_light_radius_px"] = half_light
    cards = header.build(pixels.shape, pointing, instrument, psf, axis, identifier)
    pixels *= np.float32(flux)
    signal *= np.float32(flux)
    return Drawing(pixels, signal, cards, truth | parameters)


def _draw_shape(rng: np.random.Generator, sizes: tuple[int, int]) -> tuple[int, int]:
    """Draw a side of density side^-2: an archive's small sources are its many.

    One frame in seven is up to a quarter off square.
    """
    low, high = sizes
    side = round(1 / rng.uniform(1 / high, 1 / low))
    other = side
    if rng.random() < 1 / 7:
        other = int(np.clip(side * rng.uniform(0.8, 1.25), low, high))
    return (side, other) if rng.random() < 0.5 else (other, side)


def _draw_frame(
    ny: int, nx: int, psf: Psf, rng: np.random.Generator
) -> tuple[Frame, tuple[slice, slice], tuple[float, float]]:
    """Lay out the grid: a margin for the blur, and a centre off by about a pixel.

    Blur is cyclic, so light that leaves on one side has two margins to cross.
    """
    margin = math.ceil(1.25 * psf.major)
    rows, columns = (fourier.fast_length(n + 2 * margin) for n in (ny, nx))
    dx, dy = (max(-2.0, min(rng.normal(0, 0.8), 2.0)) for _ in range(2))
    x = np.arange(columns, dtype=np.float32) - np.float32(margin + (nx - 1) / 2 + dx)
    y = np.arange(rows, dtype=np.float32) - np.float32(margin + (ny - 1) / 2 + dy)
    frame = Frame(x[None, :], y[:, None], 0.5 * min(ny, nx), psf.fwhm)
    visible = slice(margin, margin + ny), slice(margin, margin + nx)
    return frame, visible, (dx, dy)


@dataclass(frozen=True, slots=True)
class _Sky:
    image: Pixels
    level: float
    gradient: float
    neighbours: int


def _sky(
    frame: Frame,
    visible: tuple[slice, slice],
    instrument: Instrument,
    psf: Psf,
    sigma: float,
    rng: np.random.Generator,
    is_cube: bool,
) -> _Sky:
    """Draw what is around the object; a cube's continuum has been subtracted."""
    seen = Frame(frame.x[:, visible[1]], frame.y[visible[0]], frame.radius, frame.fwhm)
    plane, level, gradient = observe.background(seen, instrument, rng)
    plane *= np.float32(sigma)
    count = 0 if is_cube else int(rng.poisson(instrument.neighbours))
    if count:
        plane += observe.neighbours(seen, psf, count, sigma, rng)
    return _Sky(plane, level * sigma, gradient * sigma, count)
