"""What a header says of an image."""

import dataclasses

import numpy as np

from skylike.service.fits.axes import Layout
from skylike.service.fits.beam import read_beam, read_seeing
from skylike.service.fits.box import Box
from skylike.service.fits.dates import epoch_mjd
from skylike.service.fits.header import Header, printable
from skylike.service.fits.image import Image, SkyPosition
from skylike.service.fits.structure import Hdu
from skylike.service.fits.units import standard_unit
from skylike.service.fits.world import World, read_world


def describe(hdu: Hdu, layout: Layout, notes: list[str]) -> Image:
    """What the header says, in the shape of an image without pixels."""
    header = hdu.header
    if layout.note:
        notes.append(layout.note)
    ny, nx = hdu.shape[layout.y], hdu.shape[layout.x]
    ndim = len(hdu.shape)
    numbers = ndim - layout.x, ndim - layout.y
    world = _world(header, numbers, notes)
    about = Image(
        pixels=np.empty((0, 0, 0), np.float32),
        box=Box(0, 0, nx, ny),
        edge_fraction=0.0,
        axes=layout.axes,
        bands=tuple(printable(band) for band in layout.bands),
        spectral=layout.spectral,
        spectral_unit=layout.spectral_unit,
        world=world,
        position=None if world else _pointing(header),
        beam=read_beam(header),
        unit=standard_unit(header.text("BUNIT")),
        hdu=hdu.label,
        name=header.text("OBJECT"),
        epoch_mjd=epoch_mjd(header),
        header=header,
        fits_axes=numbers
        if layout.channel is None
        else (*numbers, ndim - layout.channel),
        warnings=tuple(notes),
    )
    seeing = read_seeing(header, lambda: about.pixel_scale_arcsec)
    return about if seeing is None else dataclasses.replace(about, seeing_arcsec=seeing)


def _world(header: Header, numbers: tuple[int, int], notes: list[str]) -> World | None:
    """The world coordinates; those of real files break in many ways."""
    try:
        world, mended = read_world(header, numbers)
    except Exception as error:  # astropy raises whatever a header provokes
        notes.append(printable(f"no position: {type(error).__name__}: {error}"))
        return None
    if mended:
        notes.append(printable(f"world coordinates were mended: {'; '.join(mended)}"))
    return world


def _pointing(header: Header) -> SkyPosition | None:
    """The RA and DEC cards in degrees: the centre, to the writer's knowledge."""
    ra, dec = header.number("RA"), header.number("DEC")
    if ra is None or dec is None or not (0 <= ra <= 360 and -90 <= dec <= 90):
        return None
    return SkyPosition(ra % 360.0, dec)
