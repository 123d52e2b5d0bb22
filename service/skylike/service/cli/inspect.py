"""``skylike-service inspect``: what would be read of a file, and how."""

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from skylike.service import fits, stamp, thumbnail
from skylike.service.cli import options
from skylike.service.errors import BadCutout, BadSettings, BadStamp
from skylike.service.logs import printable
from skylike.service.stamp import StampSpec

_PREVIEW_SIDE = 768


@click.command()
@click.argument("file")
@click.option(
    "--preview",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a picture of what is read here, as PNG.",
)
@options.reading
@options.as_json
def inspect(
    file: str, preview: Path | None, reading: fits.Options, as_json: bool
) -> None:
    """Tell what would be read of FILE, a path or URL, perhaps with [HDU]."""
    facts: dict[str, Any] = {"file": file}
    try:
        facts["hdus"] = _units(file, reading)
        image = fits.read(file, reading)
    except BadCutout as error:
        facts["error"] = {"reason": error.reason, "message": str(error)}
        _tell(facts, as_json)
        raise click.exceptions.Exit(2) from error
    if preview is not None:
        try:
            preview.write_bytes(thumbnail.preview(image, _PREVIEW_SIDE))
        except OSError as error:
            raise BadSettings(
                f"{preview} cannot be written: {error.strerror}", reason="bad_folder"
            ) from error
    _tell(facts | _image(image) | _stamp(image), as_json)


def _units(file: str, reading: fits.Options) -> list[dict[str, Any]]:
    return [
        {
            "number": hdu.number,
            "name": hdu.name,
            "version": hdu.version,
            "kind": str(hdu.kind),
            "shape": list(hdu.shape),
        }
        for hdu in fits.contents(file, reading).hdus
    ]


def _image(image: fits.Image) -> dict[str, Any]:
    position, beam, pixel = image.position, image.beam, image.pixel
    spectral = image.spectral
    known = image.pixels[np.isfinite(image.pixels)]
    return {
        "read": image.hdu,
        "axes": str(image.axes),
        "shape": list(image.pixels.shape),
        "bands": list(image.bands),
        "spectral": None
        if spectral is None
        else [float(spectral[0]), float(spectral[-1]), image.spectral_unit],
        "unit": image.unit,
        "name": image.name,
        "ra_deg": position and position.ra_deg,
        "dec_deg": position and position.dec_deg,
        "pixel_scale_arcsec": image.pixel_scale_arcsec,
        "is_mirrored": pixel and bool(pixel.is_mirrored),
        "beam_arcsec": beam and [beam.major_arcsec, beam.minor_arcsec, beam.angle_deg],
        "seeing_arcsec": image.seeing_arcsec,
        "epoch_mjd": image.epoch_mjd,
        "valid_fraction": float(np.isfinite(image.pixels).mean()),
        "lowest": float(known.min()) if known.size else None,
        "median": float(np.median(known)) if known.size else None,
        "highest": float(known.max()) if known.size else None,
        "warnings": list(image.warnings),
    }


def _stamp(image: fits.Image) -> dict[str, Any]:
    """The flags of a stamp of the whole image, by default settings."""
    spec = StampSpec()
    if image.axes is fits.Axes.BANDS:
        spec = StampSpec(axes=image.axes, channels=image.bands)
    try:
        return {"flags": stamp.make(image, spec).flags.names, "stamp_error": None}
    except BadStamp as error:
        return {
            "flags": [],
            "stamp_error": {"reason": error.reason, "message": str(error)},
        }


def _tell(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        if name == "hdus":
            for unit in value:
                shape = " x ".join(map(str, unit["shape"]))
                title = f"{unit['name']} {unit['kind']} {shape}".strip()
                click.echo(printable(f"HDU {unit['number']:<16} {title}"))
        elif isinstance(value, dict):
            line = f"{value['message']} [{value['reason']}]"
            click.echo(printable(f"{name:20} {line}"), err=name == "error")
        elif isinstance(value, list):
            for one in value[:1] if name == "shape" else value:
                text = " x ".join(map(str, value)) if name == "shape" else one
                click.echo(printable(f"{name:20} {text}"))
        elif value not in (None, ""):
            text = f"{value:.6g}" if isinstance(value, float) else value
            click.echo(printable(f"{name:20} {text}"))
