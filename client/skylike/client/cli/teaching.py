"""``skylike rate``, ``ratings``, ``suggestions``, ``predict`` and ``nearest``."""

import csv
import getpass
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import click

from skylike.client.cli import lessons, options, text
from skylike.client.cli.asking import Asking, asking
from skylike.client.cli.questions import about, each
from skylike.client.client import Client
from skylike.client.filters import Filter
from skylike.client.queries import Ack
from skylike.client.tables.delimited import original
from skylike.client.tables.text import unspelled
from skylike.client.taught import Prediction
from skylike.client.teaching import NewRating
from skylike.client.types import Neighbors

_MOST = 10_000  # ratings in a call
_NAMES = ("object_id", "filename", "id")
_SCORES: Mapping[str, float] = {"anomaly": 5.0, "normal": 0.0, "nominal": 0.0}
_TRUTHS: Mapping[str, bool] = {"": False, "false": False, "0": False} | {
    "true": True,
    "1": True,
}


def _read(path: str, who: str | None) -> dict[str, dict[str, NewRating]]:
    """The ratings of a table, by who and by name.

    Who says so is `who`, else what the table tells, else the user.
    """
    found: dict[str, dict[str, NewRating]] = {}
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            known = reader.fieldnames or ()
            name = next((one for one in _NAMES if one in known), None)
            if name is None or not {"score", "label"} & set(known):
                raise click.UsageError(
                    f"{path} has the columns {', '.join(known) or 'none'}: give a name "
                    f"({', '.join(_NAMES)}), and a score or a label"
                )
            for row in reader:
                told = {key: _text(cell) for key, cell in row.items() if key}
                by = who or told.get("who") or getpass.getuser()
                mine = found.setdefault(by, {})
                if told[name] in mine:
                    raise click.UsageError(
                        f"{path}, line {reader.line_num}: {told[name]} is rated by {by} a "
                        "second time"
                    )
                mine[told[name]] = _rating(told)
    except (UnicodeDecodeError, csv.Error) as error:
        raise click.UsageError(f"{path} is no CSV in UTF-8: {error}") from None
    except (ValueError, KeyError):
        raise click.UsageError(
            f"{path}, line {reader.line_num}: a score is from 0 to 5 or empty, a label "
            f"one of {', '.join(_SCORES)}, is_artefact true or false"
        ) from None
    return found


def _text(cell: str | None) -> str:
    """What a cell says, also one that `skylike ratings` wrote."""
    return unspelled(original(cell or ""))


def _rating(row: Mapping[str, str]) -> NewRating:
    score, label = row.get("score"), row.get("label") or ""
    is_artefact = _TRUTHS[(row.get("is_artefact") or "").lower()]
    if score is None:
        given = _SCORES[label.lower()]
    elif not score:
        return NewRating(None)
    else:
        given = float(score)
    return NewRating(given, is_artefact, row.get("note") or "")


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option(
    "--score",
    type=click.FloatRange(0, 5),
    help="How interesting each is, from 0 to 5.",
)
@click.option(
    "--artefact", is_flag=True, help="Each is nothing on the sky: a ghost, a trail."
)
@click.option("--note", default="", help="Anything else.")
@click.option("--remove", is_flag=True, help="Take the ratings of each away.")
@click.option(
    "--csv",
    "table",
    type=click.Path(exists=True, dir_okay=False),
    help="Read ratings of a table instead: filename (or object_id), score (or label, "
    "anomaly or normal), is_artefact, note, who.",
)
@click.option(
    "--who", help="Who rates.  [default: as the table tells, else the user's name]"
)
@options.ack
@options.collection
@asking
def rate(
    ids: Sequence[str],
    score: float | None,
    artefact: bool,
    note: str,
    remove: bool,
    table: str | None,
    who: str | None,
    ack: Ack,
    collection: str | None,
    **server: Any,
) -> None:
    """Tell how interesting objects are, so that others like them are found."""
    if (table is None) == (not ids):
        raise click.UsageError("name objects, or a table by --csv")
    if table is not None:
        if score is not None or artefact or note or remove:
            raise click.UsageError("with --csv the table tells all of each")
        ratings = _read(table, who)
    else:
        if artefact and score is None:
            score = 0.0
        if (score is None) != remove:
            raise click.UsageError("give one of --score, --artefact and --remove")
        mine = dict.fromkeys(ids, NewRating(score, artefact, note))
        ratings = {who or getpass.getuser(): mine}
    asking = Asking(**server)
    with asking.client() as client:
        for by, opinions in ratings.items():
            several = list(opinions.items())
            for start in range(0, len(several), _MOST):
                some = dict(several[start : start + _MOST])
                answer = client.rate(some, who=by, collection=collection, ack=ack)
                asking.show(answer, text.changed)


@click.command()
@click.option("--who", help="Whose.  [default: of all]")
@options.collection
@options.out
@asking
def ratings(
    who: str | None, collection: str | None, out: str | None, **server: Any
) -> None:
    """List the ratings; --out FILE.csv writes what `skylike rate --csv` reads."""
    asking = Asking(**server)
    with asking.client() as client:
        answer = client.ratings(who=who, collection=collection)
        if out is not None:
            answer.write(out)
        else:
            asking.show(answer, lessons.ratings)


@click.command()
@click.option(
    "--num",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    help="How many.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Chooses those that are drawn at random.",
)
@options.collection
@options.where
@options.thumbnails
@options.out
@asking
def suggestions(
    num: int,
    seed: int,
    collection: str | None,
    where: Filter | None,
    thumbnails: bool,
    out: str | None,
    **server: Any,
) -> None:
    """Tell what is worth looking at next, and rating."""
    asking = Asking(**server)
    with asking.client() as client:
        answer = client.suggestions(
            where, collection=collection, num=num, seed=seed, thumbnails=thumbnails
        )
        if out is not None:
            answer.write(out)
        else:
            asking.show(answer, lessons.suggestions)


@click.command()
@about
@click.option("--attribute", help="What to predict: the name of an attribute.")
@click.option(
    "--label", "labels", multiple=True, help="Or which of several labels: give each."
)
@click.option(
    "--confidence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.9,
    show_default=True,
    help="How often the interval, or the set of classes, shall hold the truth.",
)
@options.where
@options.out
@asking
def predict(
    attribute: str | None, labels: Sequence[str], confidence: float, **given: Any
) -> None:
    """Tell what an attribute or label of a FITS file is likely to be."""
    if (attribute is None) == (not labels):
        raise click.UsageError("give --attribute NAME, or --label twice or more")
    ask = partial(Client.predict, attribute=attribute, labels=labels)
    where = given.pop("where")
    each(given, Prediction, ask, lessons.prediction, confidence=confidence, where=where)


@click.command()
@about
@options.where
@options.limit
@options.thumbnails
@options.out
@asking
def nearest(**given: Any) -> None:
    """List all objects by falling similarity, such as to --like ID --unlike ID."""
    how = {name: given.pop(name) for name in ("where", "limit", "thumbnails")}
    each(given, Neighbors, Client.nearest, text.neighbors, **how)
