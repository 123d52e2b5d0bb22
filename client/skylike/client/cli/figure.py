"""``skylike figure``: answers as figures for papers, PNG or PDF."""

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import click

from skylike.client.cli import options
from skylike.client.cli.asking import Asking, asking
from skylike.client.errors import MissingPackage, SkylikeClientError
from skylike.client.filters import Filter
from skylike.client.queries import Cutout
from skylike.client.ranking import Order

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])
_COLUMNS_MM = {"1": 88.0, "2": 180.0}


class Width(click.ParamType[float]):
    """Columns of a journal, 1 or 2, or millimetres."""

    name = "width"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Millimetres."""
        if isinstance(value, float):
            return value
        if value in _COLUMNS_MM:
            return _COLUMNS_MM[value]
        try:
            width = float(value.removesuffix("mm"))
        except ValueError:
            width = 0.0
        if not (value.endswith("mm") and 75 <= width <= 400):
            self.fail(
                f"{value!r} is no width: write 1 or 2 columns, or 75mm to 400mm",
                param,
                ctx,
            )
        return width


class Picture(click.Path):
    """A file that a figure can be written to: looked at before anything is asked."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Look at its ending, what figures need, and its folder."""
        try:
            _figures().format_of(Path(value))
        except SkylikeClientError as error:
            self.fail(str(error), param, ctx)
        folder = Path(value).parent
        if not (folder.is_dir() and os.access(folder, os.W_OK)):
            self.fail(
                f"{value} cannot be written: no such folder, or no right", param, ctx
            )
        return super().convert(value, param, ctx)


def _figures() -> Any:
    """The package, which needs one that may not be installed."""
    try:
        return import_module("skylike.client.figures")
    except ModuleNotFoundError as error:
        raise MissingPackage(
            f"figures need {error.name}, which is not installed: "
            "pip install 'skylike[figures]'",
            reason="missing_package",
        ) from error


def _drawn(command: _Decorated) -> _Decorated:
    """Give a command what says where its figure goes, and how large it is."""
    made = [
        click.option(
            "--output",
            required=True,
            type=Picture(),
            metavar="FILE",
            help="Where to: .png or .pdf. The caption is written beside it, as .json.",
        ),
        click.option(
            "--width",
            "width_mm",
            type=Width(),
            default="1",
            show_default=True,
            help="1 or 2 columns (88 mm, 180 mm), or such as 120mm.",
        ),
        click.option(
            "--dpi",
            type=click.FloatRange(50, 1200),
            default=300,
            show_default=True,
            help="Dots per inch, of pictures.",
        ),
    ]
    for option in reversed(made):
        command = option(command)
    return command


def _sampled(command: _Decorated) -> _Decorated:
    """Give a command what says which objects are drawn."""
    made = [
        click.option(
            "--num",
            type=click.IntRange(4, 20000),
            default=500,
            show_default=True,
            help="How many objects, drawn at random.",
        ),
        click.option(
            "--seed",
            type=click.IntRange(0, 2**32 - 1),
            default=0,
            show_default=True,
            help="Of the drawing.",
        ),
    ]
    for option in reversed(made):
        command = option(command)
    return command


def _finish(asking: Asking, paper: Any, output: str, dpi: float) -> None:
    """Write a figure; print its caption, or all that is known of it."""
    paper.write(output, dpi=dpi)
    asking.done(paper.caption, output=output, **paper.to_dict())


@click.group()
def figure() -> None:
    """Draw figures for papers: PNG or PDF, with their captions."""


@figure.command("map")
@options.collection
@options.where
@_sampled
@click.option(
    "--layout",
    type=click.Choice(["tsne", "pca"]),
    default="tsne",
    show_default=True,
    help="How objects are laid out.",
)
@click.option(
    "--perplexity",
    type=click.FloatRange(min=1),
    default=30.0,
    show_default=True,
    help="Of t-SNE: roughly how many neighbours count.",
)
@click.option(
    "--metric",
    type=click.Choice(["cosine", "euclidean"]),
    default="cosine",
    show_default=True,
    help="Distances of t-SNE.",
)
@click.option(
    "--threshold",
    "k_sigma",
    type=click.FloatRange(0, 50),
    default=3.0,
    show_default=True,
    help="Sigma above the background, below which pixels are transparent.",
)
@_drawn
@asking
def map_(
    collection: str | None,
    where: Filter | None,
    num: int,
    seed: int,
    output: str,
    dpi: float,
    **given: Any,
) -> None:
    """Draw thumbnails where their vectors lie on a plane."""
    asking, figures = Asking.taken_from(given), _figures()
    with asking.client() as client:
        sample = figures.gather(
            client, where, collection=collection, num=num, seed=seed
        )
        paper = figures.thumbnail_map(sample, seed=seed, **given)
        _finish(asking, paper, output, dpi)


@figure.command()
@click.argument("file", required=False, metavar="[FILE.fits[HDU]]")
@click.option("--id", "object_id", help="Ask about an object of the collection.")
@options.collection
@options.reading
@_sampled
@_drawn
@asking
def similar(
    file: str | None,
    object_id: str | None,
    collection: str | None,
    num: int,
    seed: int,
    output: str,
    dpi: float,
    **given: Any,
) -> None:
    """Draw a query beside its six nearest, and where they lie."""
    if (file is None) == (object_id is None):
        raise click.UsageError("name either a FITS file, or an object by --id")
    asking, figures = Asking.taken_from(given), _figures()
    width_mm = given.pop("width_mm")
    query = None if file is None else Cutout(file, **given)
    with asking.client() as client:
        sample = figures.gather(client, collection=collection, num=num, seed=seed)
        paper = figures.similar(
            client,
            query,
            object_id=object_id,
            collection=collection,
            sample=sample,
            name="" if file is None else Path(file).name,
            width_mm=width_mm,
        )
        _finish(asking, paper, output, dpi)


@figure.command()
@options.collection
@options.where
@_sampled
@_drawn
@asking
def components(
    collection: str | None,
    where: Filter | None,
    num: int,
    seed: int,
    width_mm: float,
    output: str,
    dpi: float,
    **given: Any,
) -> None:
    """Draw principal components, and tell what of the shape they go with."""
    asking, figures = Asking.taken_from(given), _figures()
    with asking.client() as client:
        sample = figures.gather(
            client, where, collection=collection, num=num, seed=seed
        )
        paper = figures.components(sample, width_mm=width_mm)
        _finish(asking, paper, output, dpi)


@figure.command()
@options.collection
@click.option(
    "--num",
    type=click.IntRange(1, 100),
    default=12,
    show_default=True,
    help="How many clusters, the largest first.",
)
@_drawn
@asking
def clusters(
    collection: str | None,
    num: int,
    width_mm: float,
    output: str,
    dpi: float,
    **given: Any,
) -> None:
    """Draw the clusters: mean, exemplars, share, what sets them apart."""
    asking, figures = Asking.taken_from(given), _figures()
    with asking.client() as client:
        paper = figures.clusters(
            client, collection=collection, num=num, width_mm=width_mm
        )
        _finish(asking, paper, output, dpi)


@figure.command()
@click.argument("files", nargs=-1, metavar="[FILE.fits[HDU]]...")
@options.collection
@options.where
@click.option(
    "--order",
    type=click.Choice(["oddest", "typical", "taught"]),
    default="oddest",
    show_default=True,
    help="typical: the least odd first; taught: by what ratings have taught.",
)
@click.option(
    "--num",
    type=click.IntRange(1, 500),
    default=20,
    show_default=True,
    help="How many at most.",
)
@_drawn
@asking
def anomalies(
    files: Sequence[str],
    collection: str | None,
    where: Filter | None,
    order: Order,
    num: int,
    width_mm: float,
    output: str,
    dpi: float,
    **given: Any,
) -> None:
    """Draw the oddest objects of a collection, or rank FILES by how odd they are."""
    if files and (where is not None or order != "oddest"):
        raise click.UsageError("--filter and --order are for objects of the collection")
    asking, figures = Asking.taken_from(given), _figures()
    with asking.client() as client:
        paper = figures.anomalies(
            client,
            files,
            where=where,
            collection=collection,
            order=order,
            num=num,
            width_mm=width_mm,
        )
        _finish(asking, paper, output, dpi)


@figure.command()
@click.argument("run", type=click.Path(exists=True))
@_drawn
@asking
def training(run: str, width_mm: float, output: str, dpi: float, **given: Any) -> None:
    """Draw the curves of RUN, a folder of skylike-trainer train; asks no service."""
    asking, figures = Asking.taken_from(given), _figures()
    with asking.client():
        paper = figures.training(run, width_mm=width_mm)
        _finish(asking, paper, output, dpi)
