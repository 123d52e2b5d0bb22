"""``skylike`` on what a service holds: read, written, named, worked on."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from skylike.client.cli.sky import PLACE
from skylike.service.config import Settings
from skylike.service.engine import Engine
from skylike.service.library import Library
from skylike.service.server.serve import Server

Run = Callable[..., "CompletedProcess[str]"]
Ask = Callable[..., list[Any]]


@pytest.fixture
def root(tmp_path: Path, sky: SimpleNamespace) -> Path:
    """A folder that jobs may name, with images."""
    folder = tmp_path / "root"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.fits").write_bytes(sky.draw("ring", 300 + number))
    return folder


@pytest.fixture
def address(data: Path, root: Path) -> Iterator[str]:
    """A service of its own with the collection ``sky``."""
    settings = Settings(
        data=data, address="127.0.0.1:0", grace_seconds=1, roots=(root,)
    )
    with Library(data) as library, Server(Engine(library), settings) as server:
        server.ready()
        yield server.address


@pytest.fixture
def ask(skylike: Run, address: str) -> Ask:
    """Run a command with ``--json``; gives its lines, after checking the exit code."""

    def run(*arguments: str | Path, code: int = 0) -> list[Any]:
        done = skylike(*arguments, "--json", SKYLIKE_ADDRESS=address)
        assert done.returncode == code, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


@pytest.fixture
def tell(skylike: Run, address: str) -> Callable[..., list[str]]:
    """Run a command; gives its lines for people."""

    def run(*arguments: str | Path) -> list[str]:
        done = skylike(*arguments, SKYLIKE_ADDRESS=address)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    return run


def test_what_the_header_leaves_open_is_said_beside_the_file(
    ask: Ask, root: Path, sky: SimpleNamespace
) -> None:
    """Where and when it is, what its third axis is, which HDU to read."""
    path = root / "cube.fits"
    path.write_bytes(sky.to_fits(np.random.default_rng(1).normal(0, 1, (4, 48, 48))))
    [refused] = ask("objects", "add", path, code=1)
    assert refused["error"]["reason"] == "axis_ambiguous"
    [added] = ask(
        *("objects", "add", f"{path}[0]", "--axis-kind=spectral", "--epoch=60310.5"),
        *("--at", "10:00:24.6", "-02:30:00"),
    )
    [one] = added["objects"]
    assert (one["id"], one["epoch_mjd"]) == ("cube.fits[0]", 60310.5)
    assert one["ra_deg"] == pytest.approx(150.1025, abs=1e-9)
    assert one["dec_deg"] == -2.5

    near = ("--at", "10h00m24.6s", "-2d30m1s", "-k1")
    [found] = ask("neighbors", *near)
    assert found["place"] == "150.1025 -2.500277778"
    [missed] = ask("neighbors", *near, "--radius=0.5arcsec", code=1)
    assert missed["error"]["reason"] == "nothing_there"
    ask("objects", "delete", "cube.fits[0]")


@pytest.mark.parametrize(
    ("ra", "dec"),
    [
        ("150.1025", "2.2053"),
        ("10:00:24.6", "+02:12:19.08"),
        ("10h00m24.6s", "02d12m19.08s"),
        ("10h0.41m", "2:12.318"),
        ("150d06m09s", "2°12'19.08\""),
        ("1.501025e2", "2d12.318m"),
    ],
)
def test_places_may_be_written_as_astronomers_do(ra: str, dec: str) -> None:
    to_ra, to_dec = PLACE
    assert to_ra.convert(ra, None, None) == pytest.approx(150.1025, abs=1e-9)
    assert to_dec.convert(dec, None, None) == pytest.approx(2.2053, abs=1e-9)
    assert to_dec.convert("-00:30", None, None) == -0.5


def test_objects_are_added_named_found_and_removed(
    ask: Ask, tell: Callable[..., list[str]], root: Path
) -> None:
    """Every command of ``skylike objects``, for machines and for people."""
    first, second = root / "0.fits", root / "1.fits"
    added = ask(
        *("objects", "add", first, root / "none.fits", second),
        *("--attribute", "survey=ours", "--attribute", "mag=18.5", "--label", "odd"),
        code=1,
    )
    assert [one.get("query") for one in added] == [
        *(str(first), str(root / "none.fits"), str(second)),
    ]
    assert added[1]["error"]["reason"] == "file_missing"
    attributes = added[0]["objects"][0]["attributes"]
    assert (attributes["survey"], attributes["mag"]) == ("ours", 18.5)

    [found] = ask("objects", "get", first.name)
    assert found["object"]["labels"] == ["odd"]
    assert any("odd" in line for line in tell("objects", "get", first.name))
    ours = ("--filter", "survey = ours and mag < 19")
    assert ask("objects", "count", *ours)[0]["num_objects"] == 2
    assert tell("objects", "count") == ["62"]

    [changed] = ask(
        "objects", "label", first.name, "nobody", "--add=ring", "--remove=odd"
    )
    assert changed["num_objects"] == 1
    assert tell("objects", "label", second.name, "--add=disk") == ["1 objects"]
    assert [one["id"] for one in ask("objects", "list", "--filter=label(ring)")] == [
        first.name
    ]
    ask("objects", "attributes", first.name, "--set", "mag=20", "--remove", "survey")
    assert ask("objects", "count", *ours)[0]["num_objects"] == 1
    lines = tell("objects", "list", "--limit=3")
    assert lines[0].split() == ["id", "ra", "[deg]", "dec", "[deg]", "flags", "labels"]
    assert len(lines) == 4

    assert tell("objects", "add", second, "--replace") == ["added 1.fits (RESAMPLED)"]
    [gone] = ask("objects", "delete", first.name, second.name, "nobody")
    assert (gone["num_objects"], gone["unknown_ids"]) == (2, ["nobody"])
    told = tell("objects", "label", "ring-1", "nobody", "--add=seen")
    assert told == ["1 objects", "not there: nobody"]
    assert tell("objects", "count") == ["60"]


def test_collections_aliases_and_clusters(
    ask: Ask, tell: Callable[..., list[str]], skylike: Run, address: str
) -> None:
    """Made, pointed to, switched back, listed and removed."""
    assert (
        ask("collections", "create", "next", "--model-of", "sky")[0]["name"] == "next"
    )
    names = [line.split()[0] for line in tell("collections", "list")]
    assert names == ["collection", "next", "sky"]
    assert ask("collections", "get", "sky")[0]["num_objects"] == 60

    assert tell("aliases", "set", "live", "next") == ["live -> next"]
    assert ask("aliases", "set", "live", "sky") == [
        {"alias": "live", "collection": "sky"}
    ]
    assert tell("aliases", "list")[1].split() == ["live", "sky"]
    rollback = ("aliases", "rollback", "live", "--leaving")
    assert ask(*rollback, "next", code=1)[0]["error"]["reason"] == "alias_moved"
    assert tell(*rollback, "sky") == ["live -> next"]
    assert ask("collections", "delete", "next", "--yes", code=1)[0]["error"]["reason"]
    assert tell("aliases", "delete", "live") == ["alias live is removed"]
    refused = skylike("collections", "delete", "next", SKYLIKE_ADDRESS=address)
    assert refused.returncode == 1, "nobody answered that it should be removed"
    assert ask("collections", "delete", "next", "--yes") == [{"collection": "next"}]
    assert [one["name"] for one in ask("collections", "list")] == ["sky"]

    [clusters] = ask("clusters", "list")
    lines = tell("clusters", "list", "--collection=sky")
    assert len(lines) == 3 + len(clusters["clusters"])
    assert lines[1].startswith("fit 1 by full-mixture, stability ")
    assert lines[2].split()[:3] == ["label", "cluster", "objects"]
    shares = [float(line.split("%")[0].split()[-1]) for line in lines[3:]]
    sizes = [one["size"] / clusters["num_objects"] for one in clusters["clusters"]]
    assert shares == [round(100 * size, 1) for size in sizes], (
        "of the objects beside it"
    )
    assert tell("clusters", "name", "0", "rings") == ["cluster 0 is called rings"]
    [named] = ask("clusters", "list", "--fit=1", "--portraits")
    rings = next(one for one in named["clusters"] if one["label"] == 0)
    assert rings["name"] == "rings"
    assert base64.b64decode(rings["portrait"]["mean_thumbnail"]).startswith(b"\x89PNG")
    assert "rings:" in tell("clusters", "list", "--portraits")
    assert ask("clusters", "list", "--fit=9", code=1)[0]["error"]["reason"] == (
        "unknown_fit"
    )
    [outside] = ask("clusters", "members", "none")
    assert len(outside["items"]) == clusters["num_outside"]


def test_jobs_are_started_watched_and_listed(
    ask: Ask, tell: Callable[..., list[str]], root: Path
) -> None:
    """Every kind of job; the exit code tells whether it was done."""
    watched = ask("jobs", "start", "index", "sky", root, "--workers=1", "--watch")
    assert watched[-1]["state"] == "done"
    assert ask("objects", "count")[0]["num_objects"] == 66
    how = ("--method=kmeans", "--number=2")
    fitted = ask("jobs", "start", "fit", "sky", "--seed=1", *how, "--watch")
    assert (fitted[-1]["kind"], fitted[-1]["collection"]) == ("fit", "sky")
    ask("jobs", "start", "fit", "sky", "--seed=0", "--watch")
    assert ask("clusters", "list")[0]["seed"] == 0
    ask("jobs", "start", "compact", "sky", "--kind=flat", "--watch")
    ask("jobs", "start", "snapshot", "sky", root / "sky.snapshot", "--watch")
    assert (root / "sky.snapshot").exists()
    ordinary = ("--calibration", root / "1.fits")
    [started] = ask("jobs", "start", "reindex", "nobody", root / "0.fits", *ordinary)
    failed = ask("jobs", "watch", started["id"], code=1)[-1]
    assert failed["state"] == "failed"
    assert failed["message"]
    assert ask("jobs", "get", started["id"]) == [failed]
    ask("jobs", "cancel", started["id"])
    listed = tell("jobs", "list")
    assert len(listed) == 6
    assert listed[0].startswith(f"reindex of nobody {started['id']}: failed 20")
    assert ask("jobs", "get", "nobody", code=1)[0]["error"]["reason"] == "unknown_job"


def test_what_a_job_left_out_is_told(
    ask: Ask, tell: Callable[..., list[str]], root: Path, tmp_path: Path
) -> None:
    """For people, for machines, and as a table."""
    (root / "page.fits").write_text("<html>")
    index = ("jobs", "start", "index", "sky", root, "--id-prefix=a/", "--watch")
    last = ask(*index)[-1]
    assert last["num_rejects"] == 1
    [told] = ask("jobs", "rejects", last["id"])
    assert (told["image"], told["reason"]) == ("page.fits", "not_fits")
    assert tell("jobs", "rejects", last["id"]) == [f"{told['message']} [not_fits]"]
    hint = f"`skylike jobs rejects {last['id']}`"
    assert hint in tell("jobs", "get", last["id"])[0]
    assert ask("objects", "get", "a/0.fits")[0]["object"]["id"] == "a/0.fits"
    ask("jobs", "rejects", last["id"], f"--out={tmp_path / 'rejects.csv'}", code=0)
    lines = (tmp_path / "rejects.csv").read_text().splitlines()
    assert lines[-1].startswith("page.fits,not_fits,")


def test_whether_it_is_healthy(
    ask: Ask, tell: Callable[..., list[str]], skylike: Run, address: str
) -> None:
    assert tell("health") == [f"{address} is ready"]
    assert ask("health", "--wait=1") == [{"address": address, "ready": True}]
    done = skylike("health", "--address=127.0.0.1:1", "--wait=0.2")
    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("objects", "get"), "ID"),
        (("objects", "add", "a", "b", "--id=c"), "--id"),
        (("objects", "add", "a", "b", "--at", "1", "2"), "--at"),
        (("objects", "add", "a/x.fits", "b/x.fits"), "would both be 'x.fits'"),
        (("objects", "add", "a", "--attribute", "mag"), "NAME=VALUE"),
        (("neighbors", "--at", "10:61:00", "2"), "right ascension"),
        (("neighbors", "--at", "150", "12h00m00s"), "no declination"),
        (("neighbors", "--at", "150", "-91"), "-90 to 90"),
        (("neighbors", "--at", "150", "2", "--radius=5"), "write 5arcsec"),
        (("neighbors", "--at", "150", "2", "--radius=0deg"), "above 0"),
        (("objects", "label", "a"), "--add"),
        (("objects", "attributes", "a"), "--set"),
        (("objects", "list", "--filter", "mag <"), "needs a number at the end"),
        (("objects", "list", "--out", "kin.doc"), ".ecsv"),
        (("jobs", "start", "compact", "sky", "--kind=best"), "--kind"),
        (("completion", "tcsh"), "bash"),
    ],
)
def test_wrong_usage_exits_with_2(
    skylike: Run, arguments: tuple[str, ...], named: str
) -> None:
    done = skylike(*arguments)
    assert done.returncode == 2
    assert named in done.stderr
