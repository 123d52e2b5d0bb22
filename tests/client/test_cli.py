"""``skylike``, as a process of its own."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace

import pytest

from skylike.client import Client, NewObject

Run = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def files(sky: SimpleNamespace, tmp_path: Path) -> list[Path]:
    """Two that can be read, and between them one that cannot."""
    contents = [sky.draw("ring", 31), b"GIF89a", sky.draw("long", 32)]
    paths = [tmp_path / f"{i}.fits" for i in range(3)]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def test_query_prints_what_a_person_wants(
    skylike: Run, served: SimpleNamespace, files: list[Path]
) -> None:
    """A table of neighbours, the cluster, the anomaly."""
    done = skylike(
        "query",
        f"{files[0]}[0]",
        "--collection=sky",
        "--k=3",
        f"--address={served.address}",
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("collection sky, version")
    assert lines[1].startswith("read HDU 0")
    header = lines.index(next(line for line in lines if line.startswith("rank")))
    assert lines[header].split() == [
        *("rank", "id", "score", "ra", "[deg]", "dec", "[deg]", "separation"),
    ]
    ranks = [line.split()[0] for line in lines[header + 1 : header + 4]]
    assert ranks == ["1", "2", "3"]
    assert lines[header + 4].startswith("cluster: cluster ")
    assert lines[header + 5].startswith("anomaly: score ")
    assert " p = " in lines[header + 5]


def test_one_bad_file_does_not_stop_the_others(
    skylike: Run, served: SimpleNamespace, files: list[Path]
) -> None:
    """Each gets its line of JSON, in order; the exit code tells of the failure."""
    options = ("--json", "--collection=sky", f"--address={served.address}")
    done = skylike("analyze", *files, "--id=ring-1", *options)
    assert done.returncode == 1
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer.get("query") for answer in answers[:3]] == [str(f) for f in files]
    assert answers[1]["error"]["reason"] == "not_fits"
    assert answers[3]["object_id"] == "ring-1"
    for answer in (answers[0], answers[2], answers[3]):
        assert len(answer["hits"]) == 10
        assert answer["cluster"]["label"] >= 0
        assert 0 <= answer["anomaly"]["percentile"] <= 100
    assert answers[0]["anomaly"]["calibrated"] is True
    assert answers[3]["anomaly"]["p_value"] is None

    done = skylike("neighbors", *files, *options[1:])
    assert done.returncode == 1
    assert done.stdout.count("rank") == 2
    assert "[not_fits]" in done.stderr


def test_hostile_text_is_harmless(
    skylike: Run, served: SimpleNamespace, client: Client, sky: SimpleNamespace
) -> None:
    """Ids and header text of strangers neither move the cursor nor forge lines."""
    hostile = "evil\u202e"  # turns the writing round; stronger ids are refused
    escape = "\x1b[2J\x07\rforged"
    client.add(
        [NewObject(hostile, sky.draw("ring", 77), attributes={escape: escape})],
        collection="bare",
    )
    where = ("--collection=bare", f"--address={served.address}")
    for arguments in (
        ("objects", "get", hostile),
        ("neighbors", "--id=ring-0", "--k=1000"),
        ("objects", "get", "no\x1b[31m"),
    ):
        done = skylike(*arguments, *where)
        shown = done.stdout + done.stderr
        assert "\\x1b[" in shown or "evil\\u202e" in shown
        assert all(line.isprintable() for line in shown.split("\n"))


def test_collections_and_objects(skylike: Run, served: SimpleNamespace) -> None:
    """For people and for machines."""
    done = skylike("collections", "list", f"--address={served.address}", "--json")
    infos = [json.loads(line) for line in done.stdout.splitlines()]
    assert [info["name"] for info in infos] == ["bare", "empty", "sky"]
    assert infos[2]["num_objects"] == 60
    assert infos[2]["stamp_spec"]["size"] == 32
    done = skylike("collections", "list", SKYLIKE_ADDRESS=served.address)
    assert done.stdout.splitlines()[3].split()[:2] == ["sky", "60"]
    done = skylike(
        "objects",
        "get",
        "ring-3",
        "nobody",
        f"--address={served.address}",
        "--collection=sky",
    )
    assert done.returncode == 1
    assert "number           3" in done.stdout
    assert "unknown_id" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("query",), "FITS file"),
        (("query", "a.fits", "--k=0"), "--k"),
        (("query", "a.fits", "--wrong"), "--wrong"),
        (("objects", "get"), "ID"),
    ],
)
def test_wrong_usage_exits_with_2(
    skylike: Run, arguments: tuple[str, ...], named: str
) -> None:
    done = skylike(*arguments)
    assert done.returncode == 2
    assert named in done.stderr


def test_nobody_there_is_one_line(skylike: Run, tmp_path: Path) -> None:
    """No traceback; a file that is not there is told apart."""
    done = skylike("collections", "list", "--address=127.0.0.1:1", "--timeout=0.5")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "127.0.0.1:1" in done.stderr


def test_many_files_are_answered_over_one_stream(
    skylike: Run, served: SimpleNamespace, files: list[Path], tmp_path: Path
) -> None:
    """Of arguments, a list and standard input; each with its line, errors too."""
    listed = tmp_path / "list.txt"
    listed.write_text(f"{files[2]}\n\n{tmp_path}/none.fits\n")
    options = ("--collection=sky", "-k2", f"--address={served.address}")
    done = skylike("many", *files[:2], "--from", listed, "--json", *options)
    assert done.returncode == 1
    answers = {one["query"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert [len(answers[str(files[i])]["hits"]) for i in (0, 2)] == [2, 2]
    assert answers[str(files[1])]["error"]["reason"] == "not_fits"
    assert answers[f"{tmp_path}/none.fits"]["error"]["reason"] == "file_missing"

    done = skylike("many", files[0], *options)
    assert done.returncode == 0
    assert done.stdout.startswith(f"{files[0]}: ")
    assert "; odder than " in done.stdout
    assert skylike("many").returncode == 2


def test_many_files_become_one_table(
    skylike: Run, served: SimpleNamespace, files: list[Path], tmp_path: Path
) -> None:
    """In the order of the files; what failed says why."""
    path = tmp_path / "night.csv"
    done = skylike(
        *("many", *files, files[0], "--out", path, "--filter=kind = ring", "-k2"),
        *("--collection=sky", f"--address={served.address}"),
    )
    assert done.returncode == 1
    assert done.stdout == ""
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["query"] for row in rows] == [
        str(files[i]) for i in (0, 0, 1, 2, 2, 0, 0)
    ]
    assert [row["error"] for row in rows] == ["", "", "not_fits", "", "", "", ""]
    assert {row["kind"] for row in rows} == {"ring", ""}
