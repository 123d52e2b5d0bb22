"""``skylike-service cutouts``: single objects out of large images."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from tqdm import tqdm

from skylike.service import cutouts as cutting
from skylike.service import fits, indexer
from skylike.service.cli import options
from skylike.service.cutouts import Blank, Cutout, Method, Mosaic, Plan, Size
from skylike.service.cutouts.detect import DEBLEND_CONTRAST, MIN_AREA, THRESHOLD
from skylike.service.errors import BadInput
from skylike.service.fits import Box
from skylike.service.fits.selector import exists, locate
from skylike.service.library import Library
from skylike.service.prepare import Reject


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SRC...")
@click.option(
    "--catalog",
    metavar="FILE[HDU]",
    help="Cut around the rows of a table (Parquet, FITS, VOTable, ECSV, CSV) with ra and "
    "dec in degrees or the unit that it tells, or x and y in pixels from 0.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="ROLE=NAME",
    help="Which column of the table is id, ra, dec, x, y or size. May be repeated.",
)
@click.option("--detect", is_flag=True, help="Cut what stands above the noise.")
@click.option(
    "--mask",
    metavar="FILE[HDU]",
    help="Cut the objects of a segmentation image, or the islands of a mask.",
)
@click.option(
    "--box",
    "--boxes",
    "boxes",
    multiple=True,
    metavar="X0,Y0,X1,Y1",
    help="Cut a box: pixels from 0, the end excluded. May be repeated.",
)
@click.option(
    "--size",
    help="Side of the cutouts, such as 64px or 12arcsec.  [default: what a catalog says, "
    "else 64px; without a catalog as large as each object needs]",
)
@click.option(
    "--method",
    type=click.Choice([method.value for method in Method]),
    default=Method.SEP.value,
    show_default=True,
    help="How pixels above the noise become objects.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(min=0, min_open=True),
    default=THRESHOLD,
    show_default=True,
    help="What is detected, in standard deviations of the noise.",
)
@click.option(
    "--min-area",
    type=click.IntRange(1),
    default=MIN_AREA,
    show_default=True,
    help="Pixels of the smallest object.",
)
@click.option(
    "--deblend-contrast",
    type=click.FloatRange(0, 1),
    default=DEBLEND_CONTRAST,
    show_default=True,
    help="Part of a blend's flux that a peak must hold to be an object of its own.",
)
@click.option(
    "--band", help="Band in which objects are measured.  [default: the first]"
)
@click.option(
    "--morphology",
    is_flag=True,
    help="Measure concentration, asymmetry, smoothness, Gini and M20 as well.",
)
@click.option(
    "--blank",
    type=click.Choice([blank.value for blank in Blank]),
    help="Make pixels of neighbours, or all outside the object, blank.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write a FITS file for each object here, and a table of all.",
)
@click.option("--collection", help="Add the objects to this collection.")
@click.option(
    "--model",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Model file, when the collection does not exist yet. [default: skylike-base, "
    "which comes with the package]",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="SKYLIKE_DATA",
    show_envvar=True,
    help="Data directory of the collection.",
)
@options.reading
@options.as_json
def cutouts(
    sources: tuple[str, ...],
    out: Path | None,
    collection: str | None,
    model: Path | None,
    data: Path | None,
    blank: str | None,
    reading: fits.Options,
    as_json: bool,
    **how: Any,
) -> None:
    """Cut single objects out of large images.

    SRC is an image, or a band of one image as BAND=FILE. Say what to cut by one of
    --catalog, --detect, --mask and --box, and where to put it by --out or --collection.
    """
    plan = _plan(**how)
    if blank is not None and not isinstance(plan, cutting.Detect | cutting.Mask):
        raise click.UsageError("--blank needs objects: give --detect or --mask")
    mosaics = cutting.mosaics(sources)
    how_blank = None if blank is None else Blank(blank)
    if (out is None) == (collection is None):
        raise click.UsageError("give either --out or --collection")
    if model is not None and collection is None:
        raise click.UsageError("--model needs --collection")
    if out is not None:
        facts, rejects = _to_folder(mosaics, plan, out, reading, how_blank)
    else:
        facts, rejects = _to_collection(
            mosaics, plan, str(collection), model, data, reading, how_blank
        )
    if as_json:
        facts["rejects"] = [
            {"path": one.path, "reason": one.code, "message": one.message}
            for one in rejects
        ]
    options.report(facts, as_json)
    options.report_rejects(rejects, as_json)
    if rejects and not any(
        facts[name] for name in ("cutouts", "known") if name in facts
    ):
        sys.exit(2)


def _to_folder(
    mosaics: Sequence[Mosaic],
    plan: Plan,
    out: Path,
    reading: fits.Options,
    blank: Blank | None,
) -> tuple[dict[str, Any], list[Reject]]:
    rejects: list[Reject] = []
    count = left_out = 0
    with cutting.Folder(out) as folder:
        for mosaic in mosaics:
            where = mosaic.uri
            try:
                with mosaic.opened(reading) as frame:
                    found = plan.find(frame)
                    left_out += found.num_left_out
                    for item in tqdm(
                        cutting.cut(frame, found, blank),
                        desc=mosaic.name,
                        unit="object",
                        total=len(found.targets),
                        disable=not sys.stderr.isatty(),
                    ):
                        if isinstance(item, Cutout):
                            folder.add(f"{mosaic.name}_{item.id}", mosaic.uri, item)
                            count += 1
                        else:
                            target, error = item
                            message = f"{where} {target.id}: {error}"
                            rejects.append(Reject(where, error.reason, message))
            except BadInput as error:
                rejects.append(Reject(where, error.reason, mosaic.told(error)))
    facts = {
        "out": str(out),
        "cutouts": count,
        "left_out": left_out,
        "rejected": len(rejects),
    }
    return facts, rejects


def _to_collection(
    mosaics: Sequence[Mosaic],
    plan: Plan,
    collection: str,
    model: Path | None,
    data: Path | None,
    reading: fits.Options,
    blank: Blank | None,
) -> tuple[dict[str, Any], list[Reject]]:
    if data is None:
        raise click.UsageError("--collection needs --data")
    with Library(data) as library:
        options.require_collection(library, collection, model)
        target = library.collection(collection)
        encoder = library.encoder_of(target)
        table = data / "collections" / collection / "rejects.parquet"
        report = indexer.index_cutouts(
            target,
            encoder,
            mosaics,
            plan,
            options=reading,
            blank=blank,
            rejects=table,
            progress=sys.stderr.isatty(),
        )
        facts = {
            "collection": collection,
            "version": target.version,
            "objects": len(target),
            "cutouts": report.indexed,
            "known": report.known,
            "left_out": report.left_out,
            "rejected": len(report.rejects),
            "rejects_table": str(table),
            "seconds": round(report.seconds, 3),
        }
    return facts, list(report.rejects)


def _plan(
    catalog: str | None,
    columns: Sequence[str],
    detect: bool,
    mask: str | None,
    boxes: Sequence[str],
    size: str | None,
    method: str,
    threshold: float,
    min_area: int,
    deblend_contrast: float,
    band: str | None,
    morphology: bool,
) -> Plan:
    if (catalog is not None) + detect + (mask is not None) + bool(boxes) != 1:
        raise click.UsageError("give one of --catalog, --detect, --mask and --box")
    if (band or morphology) and not detect and mask is None:
        raise click.UsageError("--band and --morphology need --detect or --mask")
    option = _given("method", "threshold", "min_area", "deblend_contrast")
    if option and not detect:
        raise click.UsageError(f"{option} needs --detect")
    if columns and catalog is None:
        raise click.UsageError("--column needs --catalog")
    roles = _roles(columns)
    if size is not None and "size" in roles:
        raise click.UsageError("give either --size or --column size=NAME")
    if boxes and size is not None:
        raise click.UsageError("--box has a size of its own: leave --size away")
    side = None if size is None else Size.parse(size)
    if catalog is not None:
        if not exists(locate(catalog)[0]):
            raise click.UsageError(f"--catalog {catalog}: there is no such file")
        return cutting.Catalogue(catalog, side, roles)
    if boxes:
        return cutting.Boxes(tuple(_box(text) for text in boxes))
    if mask is not None:
        return cutting.Mask(mask, side, morphology, band)
    return cutting.Detect(
        Method(method), threshold, min_area, deblend_contrast, side, morphology, band
    )


def _given(*names: str) -> str:
    """The first of these options that was given, empty if none was."""
    source = click.get_current_context().get_parameter_source
    given = [name for name in names if source(name) is ParameterSource.COMMANDLINE]
    return f"--{given[0].replace('_', '-')}" if given else ""


def _roles(columns: Sequence[str]) -> Mapping[str, str]:
    roles = dict(column.partition("=")[::2] for column in columns)
    unknown = set(roles) - {"id", "ra", "dec", "x", "y", "size"}
    if unknown or not all(roles.values()):
        raise click.UsageError(
            "--column takes ROLE=NAME, where ROLE is id, ra, dec, x, y or size"
        )
    return roles


def _box(text: str) -> Box:
    try:
        x0, y0, x1, y1 = (int(edge) for edge in text.split(","))
    except ValueError:
        raise BadInput(
            f"{text!r} is not a box: give X0,Y0,X1,Y1", reason="bad_box"
        ) from None
    if not (x0 < x1 and y0 < y1):
        raise BadInput(f"the box {text!r} has no pixels", reason="bad_box")
    return Box(x0, y0, x1, y1)
