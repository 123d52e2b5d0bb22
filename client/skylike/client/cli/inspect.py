"""``skylike inspect``: what a file holds, and what it looks like."""

from typing import Any

import click

from skylike.client.cli import options
from skylike.client.cli.asking import Asking, asking
from skylike.client.cli.text import heading
from skylike.client.looked import Inspection, Stretch
from skylike.client.queries import Cutout

_STRETCHES = ("asinh", "linear", "square_root", "logarithm", "histogram")


@click.command()
@click.argument("file", required=False, type=click.Path(), metavar="[FILE.fits[HDU]]")
@click.option("--id", "object_id", help="Look at an object of the collection instead.")
@options.collection
@options.reading
@click.option(
    "--stretch",
    type=click.Choice(_STRETCHES),
    default="asinh",
    show_default=True,
    help="From brightness to grey.",
)
@click.option(
    "--plane",
    type=click.IntRange(0),
    help="Which plane of a third axis, from 0.  [default: colours of bands, or the mean]",
)
@click.option(
    "--side",
    type=click.IntRange(1, 1024),
    default=512,
    show_default=True,
    help="Pixels of the picture's longer side.",
)
@click.option(
    "--plain", is_flag=True, help="Draw no scale bar, north and east into the picture."
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write the picture there, as PNG.",
)
@asking
def inspect(
    file: str | None,
    object_id: str | None,
    collection: str | None,
    stretch: Stretch,
    plane: int | None,
    side: int,
    plain: bool,
    output: str | None,
    hdu: str,
    axis_kind: Any,
    stokes: str,
    **server: Any,
) -> None:
    """Tell what a FITS file holds and how it is read, and show it."""
    if (file is None) == (object_id is None):
        raise click.UsageError("name either a FITS file, or an object by --id")
    query = None if file is None else Cutout(file, hdu, axis_kind, stokes)
    asking = Asking(**server)
    with asking.client() as client:
        answer = client.inspect(
            query,
            object_id=object_id,
            collection=collection,
            stretch=stretch,
            plane=plane,
            side=side,
            decorations=not plain,
        )
        if output is not None:
            answer.save(output)
        asking.show(answer, _lines)


def _lines(answer: Inspection) -> list[str]:
    lines = heading(answer.context, answer.reading)
    lines += [
        f"{'*' if one.is_chosen else ' '} HDU {one.index:<3} {one.kind} "
        f"{' x '.join(map(str, one.shape))} {one.name}".rstrip()
        for one in answer.hdus
    ]
    if answer.low is not None and answer.high is not None:
        unit = answer.reading.unit if answer.reading else ""
        lines.append(
            f"shown from {answer.low:.4g} to {answer.high:.4g} {unit}".rstrip()
        )
    if answer.north_deg is not None:
        lines.append(f"north is {answer.north_deg:.1f} degrees left of up")
    lines += [f"{one.keyword:8} {one.value}" for one in answer.facts]
    return lines + [f"warning: {text}" for text in answer.warnings]
