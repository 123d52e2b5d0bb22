"""Small valid FITS files of every kind, to be damaged: ``python corpus.py FOLDER``."""

import bz2
import gzip
import io
import lzma
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

TAN = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 150.1,
    "CRVAL2": 2.2,
    "CRPIX1": 8.5,
    "CRPIX2": 8.5,
    "CDELT1": -1e-4,
    "CDELT2": 1e-4,
}
SCALED = {"BSCALE": 0.25, "BZERO": -31.5}
TEXT = {
    "OBJECT": "M 31",
    "BUNIT": "JY/BEAM",
    "BMAJ": 1.5e-3,
    "BMIN": 1.2e-3,
    "BPA": 30.0,
    "SEEING": (0.7, "arcsec"),
    "DATE-OBS": "2024-02-29T23:59:59.5",
    "EXPTIME": 300.0,
    "RA": 150.1,
    "DEC": 2.2,
    "LONGTEXT": "a value that needs more than one card " * 4,
}
RANDOM = np.random.default_rng(0)
FIELD = 100 + 10 * RANDOM.normal(size=(24, 20))
FIELD[10:14, 8:12] += 500


def written(*hdus: Any, is_summed: bool = False) -> bytes:
    """The HDUs as the bytes of a file."""
    stream = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(stream, checksum=is_summed)
    return stream.getvalue()


def image(pixels: Any, cards: dict[str, Any] | None = None) -> bytes:
    """A file of one image."""
    header = fits.Header()
    header.update(cards or {})
    return written(fits.PrimaryHDU(pixels, header))


def numbers() -> Iterator[tuple[str, bytes]]:
    """Every stored type, scaled, blanked, unsigned."""
    for kind in ("u1", "i2", "i4", "i8", "f4", "f8", "i1", "u2", "u4", "u8"):
        pixels = (FIELD / 8).astype(kind)
        yield f"type-{kind}", image(pixels, TAN | TEXT)
        if kind in ("u1", "i2", "i4", "i8", "f4", "f8"):
            hdu = fits.PrimaryHDU(pixels)
            hdu.header.update(SCALED | ({"BLANK": 12} if kind[0] != "f" else {}))
            yield f"scaled-{kind}", written(hdu, is_summed=True)
    blank = FIELD.astype("f4")
    blank[:9] = np.nan
    blank[9, 0] = np.inf
    yield "blank-f4", image(blank, TAN)


def axes() -> Iterator[tuple[str, bytes]]:
    """Two to four axes, and what they mean."""
    cube = np.stack([FIELD, FIELD + 1, FIELD + 2]).astype("f4")
    spectral = {"CTYPE3": "FREQ", "CRVAL3": 1.4e9, "CDELT3": 1e6, "CRPIX3": 1}
    stokes = {"CTYPE4": "STOKES", "CRVAL4": 1, "CDELT4": 1, "CRPIX4": 1}
    yield "spectral", image(cube, TAN | spectral)
    yield "bands", image(cube, TAN | {"BANDS": "gri"})
    yield "named", image(cube.astype("i2"), {"BAND0": "g", "BAND1": "r", "BAND2": "i"})
    yield "ambiguous", image(cube)
    yield "radio", image(cube[:1, np.newaxis], TAN | spectral | stokes)
    yield "stokes", image(np.stack([cube] * 2), TAN | spectral | stokes)
    first = {"CTYPE1": "VRAD", "CTYPE2": "RA---SIN", "CTYPE3": "DEC--SIN"}
    yield "first", image(np.ascontiguousarray(cube.transpose(1, 2, 0)), first)
    yield "row", image(np.ones((1, 4, 1, 9), "f4"), {"CTYPE3": "FREQ"})


def places() -> Iterator[tuple[str, bytes]]:
    """World coordinates of many kinds."""
    pixels = FIELD[:16, :16].astype("i2")
    matrix = {"CD1_1": -1e-4, "CD1_2": 1e-6, "CD2_1": 1e-6, "CD2_2": 1e-4}
    turned = {"PC1_1": 0.8, "PC1_2": -0.6, "PC2_1": 0.6, "PC2_2": 0.8}
    bare = {key: TAN[key] for key in TAN if not key.startswith("CDELT")}
    kinds = {
        "cd": bare | matrix,
        "pc": TAN | turned | {"RADESYS": "FK5", "EQUINOX": 2000.0},
        "crota": TAN | {"CROTA2": 30.0, "EPOCH": 1950.0},
        "fk4": TAN | {"RADESYS": "FK4", "EQUINOX": 1950.0},
        "galactic": TAN | {"CTYPE1": "GLON-CAR", "CTYPE2": "GLAT-CAR"},
        "ecliptic": TAN | {"CTYPE1": "ELON-SIN", "CTYPE2": "ELAT-SIN"},
        "swapped": TAN
        | {"CTYPE1": "DEC--ZEA", "CTYPE2": "RA---ZEA", "CRVAL1": 2.2, "CRVAL2": 150.1},
        "tpv": bare | matrix | {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_1": 1},
        "sip": bare
        | matrix
        | {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2}
        | {"B_ORDER": 2, "A_2_0": 1e-5, "B_0_2": -2e-5, "AP_ORDER": 1, "BP_ORDER": 1},
        "plate": {"PLTRAH": 8, "PLTRAM": 51, "PLTRAS": 23.5, "PLTDECSN": "+"}
        | {"PLTDECD": 11, "PLTDECM": 49, "PLTDECS": 1.0, "PLTSCALE": 67.2}
        | {"XPIXELSZ": 25.28, "YPIXELSZ": 25.28, "PPO3": 177500.0, "PPO6": 177500.0}
        | {"CNPIX1": 100, "CNPIX2": 200, "AMDX1": 67.2, "AMDX2": 0.01}
        | {"AMDX3": 1.5, "AMDY1": 67.2, "AMDY2": -0.01, "AMDY3": -2.5},
    }
    for name, cards in kinds.items():
        yield f"wcs-{name}", image(pixels, cards)
    header = fits.Header(TAN)
    header.add_history("AIPS   CLEAN BMAJ=  1.5000E-03 BMIN=  1.0000E-03 BPA=  10.00")
    yield "history", written(fits.PrimaryHDU(pixels, header))


def units() -> Iterator[tuple[str, bytes]]:
    """Several HDUs."""
    column = fits.Column("FLUX", "3E", array=np.ones((4, 3), "f4"))
    lists = fits.Column("LIST", "PJ()", array=np.array([[1], [2, 3]], object))
    pixels = FIELD.astype("f4")
    yield (
        "companions",
        written(
            fits.PrimaryHDU(),
            fits.ImageHDU(pixels, name="WHT"),
            fits.ImageHDU(pixels, fits.Header(TAN), name="SCI"),
            fits.ImageHDU(pixels + 1, fits.Header(TAN), name="SCI", ver=2),
            is_summed=True,
        ),
    )
    yield (
        "tables",
        written(
            fits.PrimaryHDU(np.ones(5)),
            fits.BinTableHDU.from_columns([column]),
            fits.BinTableHDU.from_columns([lists]),
            fits.TableHDU.from_columns([fits.Column("x", "I6", array=[1])]),
            fits.ImageHDU(pixels.astype("i2")),
        ),
    )
    cards = ["SIMPLE  = T", "BITPIX  = -32", "NAXIS   = 3", "NAXIS1  = 0"]
    cards += ["NAXIS2  = 4", "NAXIS3  = 5", "GROUPS  = T", "PCOUNT  = 2", "GCOUNT  = 9"]
    header = "".join(f"{card:80}" for card in [*cards, "END"]).ljust(2880).encode()
    extension = written(fits.PrimaryHDU(), fits.ImageHDU(pixels))[2880:]
    yield "groups", header + bytes(2880) + extension


def tiles() -> Iterator[tuple[str, bytes]]:
    """Every codec, exact and quantised, with other tiles than rows, some of them large."""
    for algorithm, kind in (
        ("RICE_1", "u1"),
        ("RICE_1", "i2"),
        ("RICE_1", "i4"),
        ("RICE_1", "f4"),
        ("RICE_1", "f8"),
        ("GZIP_1", "i2"),
        ("GZIP_1", "f4"),
        ("GZIP_2", "i4"),
        ("GZIP_2", "f8"),
        ("HCOMPRESS_1", "i2"),
        ("HCOMPRESS_1", "f4"),
        ("PLIO_1", "i2"),
        ("NOCOMPRESS", "i4"),
    ):
        for tile in ((1, 20), (24, 20), (9, 7)):
            if algorithm == "HCOMPRESS_1" and tile != (24, 20):
                continue
            for dither in (-1, 1, 2) if kind[0] == "f" else (-1,):
                pixels = (FIELD / 8 if kind == "u1" else FIELD).astype(kind)
                if kind[0] == "f" and algorithm != "HCOMPRESS_1":
                    pixels[5, 5] = np.nan
                part = fits.CompImageHDU(
                    pixels,
                    fits.Header(TAN if dither == 1 else {}),
                    compression_type=algorithm,
                    tile_shape=tile,
                    quantize_level=0 if "GZIP" in algorithm and dither < 0 else 16,
                    quantize_method=dither,
                    dither_seed=7,
                )
                name = f"tiles-{algorithm}-{kind}-{tile[0]}-{dither}".replace("_", "")
                yield name, written(fits.PrimaryHDU(), part)
    field = np.tile(FIELD, (12, 14))
    for algorithm in ("RICE_1", "HCOMPRESS_1", "GZIP_1", "PLIO_1"):
        part = fits.CompImageHDU(
            field.astype("i2"), compression_type=algorithm, tile_shape=field.shape
        )
        yield f"large-{algorithm}".replace("_", ""), written(fits.PrimaryHDU(), part)
    two = [
        fits.CompImageHDU(FIELD.astype("i2"), compression_type="RICE_1", name=name)
        for name in "gr"
    ]
    yield "tiles-two", written(fits.PrimaryHDU(), *two)


def containers() -> Iterator[tuple[str, bytes]]:
    """Packed files."""
    data = image(FIELD.astype("i2"), TAN)
    half = len(data) // 2
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("image.fits"), data)
    yield "packed-zip", stream.getvalue()
    yield "packed-gzip", gzip.compress(data, mtime=0)
    yield (
        "packed-members",
        b"".join(gzip.compress(part, mtime=0) for part in (data[:half], data[half:])),
    )
    yield "packed-bzip2", bz2.compress(data)
    yield "packed-xz", lzma.compress(data)
    yield "packed-zeros", gzip.compress(data + bytes(10**6), mtime=0)


def main(folder: str) -> None:
    """Write the files into a folder."""
    kinds = (numbers, axes, places, units, tiles, containers)
    for name, data in (pair for kind in kinds for pair in kind()):
        (Path(folder) / f"{name}.fits").write_bytes(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
