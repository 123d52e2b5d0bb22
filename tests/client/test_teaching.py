"""Teaching a collection by the client, over HTTP's names, and from a shell."""

import asyncio
import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import astuple
from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace

import pytest

from skylike.client import (
    AsyncClient,
    Client,
    Examples,
    NewObject,
    NewRating,
    Prediction,
    errors,
    tabulate,
)
from skylike.client.cli import lessons
from skylike.client.filters import OneOf
from skylike.client.taught import ClassShare, Quality
from skylike.client.types import Context
from skylike.service.config import Settings
from skylike.service.engine import Engine
from skylike.service.library import Library
from skylike.service.server.serve import Server

Run = Callable[..., "CompletedProcess[str]"]

RATINGS: dict[str, NewRating | float | None] = {
    **{f"ring-{n}": 5.0 for n in range(5)},
    **{f"round-{n}": 0.0 for n in range(5)},
    "long-0": NewRating(2, is_artefact=True, note="a trail"),
}


def prediction(classes: list[ClassShare]) -> Prediction:
    """One of some classes."""
    return Prediction(
        Context("sky", 1, "m" * 64, "1"),
        None,
        classes[0].name,
        None,
        None,
        tuple(classes),
        0.9,
        100,
        20,
        Quality(5, 100, None, None, 0.5, 1.0, 0.1, 0.9),
        (),
    )


@pytest.fixture
def taught(data: Path) -> Iterator[SimpleNamespace]:
    """A server of its own, since ratings change what others see: ``address``, ``client``."""
    settings = Settings(data=data, address="127.0.0.1:0", grace_seconds=1)
    with (
        Library(data) as library,
        Server(Engine(library), settings) as server,
    ):
        server.ready()
        with Client(server.address) as client:
            yield SimpleNamespace(address=server.address, client=client)


def test_ratings_come_back_as_they_were_given(taught: SimpleNamespace) -> None:
    client: Client = taught.client
    done = client.rate({**RATINGS, "none": 1.0}, who="ann")
    assert (done.num_objects, done.unknown_ids) == (11, ("none",))
    found = client.ratings(who="ann")
    assert found.ratings_version == done.context.collection_version
    assert {one.id: one.score for one in found.ratings} == {
        id: given.score if isinstance(given, NewRating) else given
        for id, given in RATINGS.items()
    }
    trail = next(one for one in found.ratings if one.id == "long-0")
    assert (trail.is_artefact, trail.note, trail.who) == (True, "a trail", "ann")
    assert trail.label == "normal"
    assert client.ratings(who="bob").ratings == ()
    client.rate({"long-0": None}, who="ann")
    assert len(client.ratings().ratings) == 10


def test_a_rating_is_sent_again_without_harm(taught: SimpleNamespace) -> None:
    first = taught.client.rate({"ring-1": 4}, who="ann", request_id="once")
    again = taught.client.rate({"ring-1": 4}, who="ann", request_id="once")
    assert (first.was_done, again.was_done) == (False, True)
    with pytest.raises(errors.BadInput) as caught:
        taught.client.rate({"ring-1": 3}, who="ann", request_id="once")
    assert caught.value.reason == "request_id_reused"


@pytest.mark.parametrize(("who", "score"), [("", 1.0), ("ann", 6.0), ("ann", -1.0)])
def test_a_bad_rating_is_refused(
    taught: SimpleNamespace, who: str, score: float
) -> None:
    with pytest.raises(errors.BadInput) as caught:
        taught.client.rate({"ring-1": score}, who=who)
    assert caught.value.reason == "bad_rating"


def test_what_was_taught_orders_lists_and_suggestions(taught: SimpleNamespace) -> None:
    client: Client = taught.client
    with pytest.raises(errors.SkylikeClientError) as caught:
        client.anomalies(order="taught")
    assert caught.value.reason == "not_rated"
    client.rate(RATINGS, who="ann")
    found = client.anomalies(order="taught", limit=None)
    assert {one.id.split("-")[0] for one in found.items[:15]} == {"ring"}
    assert found.items[0].interest == 5.0
    assert found.ratings_version > 0
    pages = list(client.anomaly_pages(order="taught", page_size=25))
    assert tuple(one for page in pages for one in page.items) == found.items
    assert "interest" in found.to_pandas().columns
    asked = client.suggestions(OneOf("kind", ["ring"]), num=100, thumbnails=True)
    assert len(asked.items) == 15
    assert asked.num_rated == 11
    assert asked.items[0].object.thumbnail_png.startswith(b"\x89PNG")
    typical = client.anomalies(order="typical", limit=None)
    assert [one.score for one in typical.items] == sorted(
        one.score for one in typical.items
    )
    with pytest.raises(errors.BadInput):
        client.anomalies(order="best")  # type: ignore[arg-type]


def test_predictions_come_with_how_sure_they_are(client: Client) -> None:
    """Of kinds and of numbers; in one table with errors among them."""
    found = client.predict(object_id="ring-3", attribute="kind", collection="sky")
    assert (found.value, found.name, found.number) == ("ring", "ring", None)
    assert next(iter(found.probabilities)) == "ring"
    assert found.quality.balanced_accuracy is not None
    assert found.quality.balanced_accuracy > 0.9
    assert found.quality.r_squared is None
    number = client.predict(object_id="ring-3", attribute="number", collection="sky")
    assert isinstance(number.value, float)
    assert number.low is not None
    assert number.low < number.value
    with pytest.raises(errors.SkylikeClientError) as caught:
        client.predict(object_id="ring-3", attribute="none", collection="sky")
    assert caught.value.reason == "unknown_attribute"
    with pytest.raises(TypeError):
        client.predict(object_id="ring-3", collection="sky")
    table = tabulate({"a": found, "b": number, "c": caught.value}).to_pandas()
    assert table["class"].tolist()[:1] == ["ring"]
    assert table["error"].tolist()[2] == "unknown_attribute"
    assert isinstance(found, Prediction)


def test_the_nearest_are_listed_as_far_as_is_wanted(
    client: Client, served: SimpleNamespace
) -> None:
    query = Examples(["ring-0", "ring-1"], ["round-0"])
    found = client.nearest(query, collection="sky", limit=None)
    assert len(found.hits) == 57
    assert [one.rank for one in found.hits] == list(range(1, 58))
    scores = [one.score for one in found.hits]
    assert scores == sorted(scores, reverse=True)
    pages = client.nearest_pages(query, collection="sky", page_size=10)
    assert tuple(one for page in pages for one in page.hits) == found.hits
    few = client.nearest(query, OneOf("kind", ["ring"]), collection="sky", limit=2)
    assert [one.id.split("-")[0] for one in few.hits] == ["ring", "ring"]
    assert few.context.asked is not None

    async def ask() -> int:
        async with AsyncClient(served.address) as other:
            return len((await other.nearest(query, collection="sky", limit=3)).hits)

    assert asyncio.run(ask()) == 3


def test_a_shell_rates_by_hand_and_by_tables(
    taught: SimpleNamespace, skylike: Run, tmp_path: Path
) -> None:
    """What is written as a table is read again, and so is one of names and labels."""
    where = ("--address", taught.address)
    done = skylike("rate", "ring-0", "ring-1", "--score", "5", "--who", "ann", *where)
    assert done.returncode == 0, done.stderr
    skylike("rate", "long-0", "--artefact", "--note", "trail", "--who", "ann", *where)
    table = tmp_path / "labels.csv"
    table.write_text("filename,label\nround-0,normal\nring-2,anomaly\n")
    assert skylike("rate", "--csv", table, "--who", "bob", *where).returncode == 0
    out = tmp_path / "ratings.csv"
    assert skylike("ratings", "--out", out, *where).returncode == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert list(rows[0])[:2] == ["filename", "label"]
    assert {row["filename"]: row["label"] for row in rows} == {
        "ring-0": "anomaly",
        "ring-1": "anomaly",
        "ring-2": "anomaly",
        "round-0": "normal",
        "long-0": "normal",
    }
    again = skylike("rate", "--csv", out, "--who", "cid", "--json", *where)
    assert json.loads(again.stdout)["num_objects"] == 5
    cid = {one.id: one for one in taught.client.ratings(who="cid").ratings}
    assert (cid["long-0"].is_artefact, cid["long-0"].note) == (True, "trail")
    shown = skylike("ratings", "--who", "ann", *where).stdout
    assert "ring-0" in shown
    assert "trail" in shown
    removed = skylike("rate", "ring-0", "--remove", "--who", "ann", *where)
    assert removed.returncode == 0
    assert len(taught.client.ratings(who="ann").ratings) == 2
    told = skylike("suggestions", "--num", "5", *where)
    assert "learned from 5 rated objects" in told.stdout
    ordered = skylike("anomalies", "--order", "taught", "--limit", "3", *where)
    assert "interest" in ordered.stdout


NAMES = ["-J0123+45", "a,-b", "'-x", "=cmd", "back\\slash", "\\n", "ö 星"]
NOTES = ["-1, -2", "two\nlines", "\ttab; =1+1", "it's '-5'", "\\", '"-"', ""]


def test_a_table_of_ratings_is_read_as_it_was_written(
    taught: SimpleNamespace, skylike: Run, tmp_path: Path
) -> None:
    """Each name, note and person, though spreadsheets shall take nothing for a formula."""
    client: Client = taught.client
    vector = client.embed(object_id="ring-0").vector
    client.add([NewObject(name, vector) for name in NAMES])
    given = dict(zip(NAMES, (NewRating(0.1, note=one) for one in NOTES), strict=True))
    client.rate(dict(given), who="-ann")
    client.rate({NAMES[0]: NewRating(1 / 3, is_artefact=True)}, who="bob")
    out = tmp_path / "ratings.csv"
    where = ("--address", taught.address)
    assert skylike("ratings", "--out", out, *where).returncode == 0
    before = {one[:5] for one in map(astuple, client.ratings().ratings)}
    client.rate(dict.fromkeys(NAMES), who="-ann")
    client.rate(dict.fromkeys(NAMES), who="bob")
    assert client.ratings().ratings == ()
    done = skylike("rate", "--csv", out, *where)
    assert done.returncode == 0, done.stderr
    assert {one[:5] for one in map(astuple, client.ratings().ratings)} == before
    done = skylike("rate", "--csv", out, "--who", "cid", *where)
    assert done.returncode == 2
    assert "rated by cid a second time" in done.stderr


def test_a_table_that_is_not_in_utf_8_is_told(skylike: Run, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_bytes("filename,score,note\na,1,schön\n".encode("latin-1"))
    done = skylike("rate", "--csv", table)
    assert done.returncode == 2
    assert "no CSV in UTF-8" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["rate"], "name objects, or a table"),
        (["rate", "ring-0"], "one of --score"),
        (["rate", "ring-0", "--score", "1", "--remove"], "one of --score"),
        (["predict", "--id", "ring-0"], "--attribute"),
    ],
)
def test_wrong_usage_of_teaching_is_told(
    skylike: Run, arguments: list[str], told: str
) -> None:
    done = skylike(*arguments)
    assert done.returncode == 2
    assert told in done.stderr


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("name,label\na,normal\n", "give a name"),
        ("filename\na\n", "a score or a label"),
        ("filename,label\na,odd\n", "line 2"),
        ("filename,score\na,high\n", "line 2"),
        ("filename,score\na,1\nb,2\na,3\n", "line 4: a is rated by"),
        (
            "filename,score,who\na,1,ann\na,2,bob\na,2,ann\n",
            "line 4: a is rated by ann",
        ),
    ],
)
def test_a_table_that_is_none_of_ratings_is_told(
    skylike: Run, tmp_path: Path, content: str, told: str
) -> None:
    table = tmp_path / "table.csv"
    table.write_text(content)
    done = skylike("rate", "--csv", table)
    assert done.returncode == 2
    assert told in done.stderr


def test_all_classes_that_are_possible_are_shown() -> None:
    """However many, and how much is left to the others."""
    classes = [
        ClassShare(f"kind {n}", 0.17 - 0.016 * n, is_possible=n < 7) for n in range(10)
    ]
    answer = prediction(classes)
    lines = lessons.prediction(answer)
    shown = [line for line in lines if " kind " in line]
    assert len(shown) == 7
    assert all(line.endswith("possible") for line in shown)
    assert any(line.strip() == "14.6%  3 others" for line in lines)


def test_a_shell_predicts_and_lists_what_is_near(
    served: SimpleNamespace, skylike: Run, tmp_path: Path, sky: SimpleNamespace
) -> None:
    where = ("--address", served.address, "--collection", "sky")
    done = skylike("predict", "--id", "ring-3", "--attribute", "kind", *where)
    assert "ring" in done.stdout, done.stderr
    assert "balanced accuracy" in done.stdout
    assert "it is an example itself" in done.stdout
    assert "of all cases" not in done.stdout
    number = skylike("predict", "--id", "ring-3", "--attribute", "number", *where)
    assert "it is an example itself" in number.stdout
    new = tmp_path / "new.fits"
    new.write_bytes(sky.draw("ring", 7000))
    told = skylike("predict", new, "--attribute", "number", *where)
    assert "in 90% of all cases between" in told.stdout
    assert "example itself" not in told.stdout
    told = skylike("predict", new, "--attribute", "kind", *where)
    assert "what is possible holds the truth in 90% of all cases" in told.stdout
    sure = ("--confidence", "0.999")
    told = skylike("predict", new, "--attribute", "kind", *sure, *where)
    assert "too few places to say which are possible" in told.stdout
    assert "of all cases" not in told.stdout
    told = skylike("predict", new, "--attribute", "number", *sure, *where)
    assert "too few places to say how sure" in told.stdout
    out = tmp_path / "kinds.csv"
    several = ("--id", "ring-3", "--id", "long-3")
    skylike("predict", *several, "--attribute", "kind", "--out", out, *where)
    assert [row["query"] for row in csv.DictReader(out.read_text().splitlines())] == [
        "ring-3",
        "long-3",
    ]
    listed = skylike("nearest", "--like", "ring-0", "--limit", "3", "--json", *where)
    assert len(json.loads(listed.stdout)["hits"]) == 3
