"""``skylike-service`` where it does not serve."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest

from skylike.service import logs
from skylike.service.__main__ import main
from skylike.service.encoder import BASE, Encoder
from skylike.service.library import Library

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process: exit code, standard output and error."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["skylike-service", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        with capsys.disabled():
            logs.configure(json=False)
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


def test_collections_and_info(run: Run, data: Path) -> None:
    """For people and for machines."""
    code, out, _ = run("collections", "--data", data, "--json")
    (found,) = json.loads(out)
    assert code == 0
    assert (found["collection"], found["num_objects"]) == ("sky", 60)
    assert found["stamp_spec"]["size"] == 32
    _, out, _ = run("collections", "--data", data)
    assert out.splitlines()[1].split()[:2] == ["sky", "60"]
    code, out, _ = run("info", "sky", "--data", data, "--json")
    assert json.loads(out)["provider"].endswith("ExecutionProvider")
    assert "cluster_fit_version" in run("info", "sky", "--data", data)[1]


def test_aliases_are_set_listed_rolled_back_and_dropped(
    run: Run, tmp_path: Path, sky: SimpleNamespace
) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a.fits").write_bytes(sky.draw())
    data = tmp_path / "d"
    for name in ("one", "two"):
        assert (
            run("index", tmp_path / "f", "--collection", name, "--data", data)[0] == 0
        )
    where = ("--data", data, "--json")
    for name in ("one", "two"):
        assert run("alias", "set", "live", name, *where)[0] == 0
    assert json.loads(run("alias", "list", *where)[1]) == {"live": "two"}
    assert json.loads(run("info", "live", *where)[1])["collection"] == "two"
    code, out, _ = run("delete", "two", "--yes", *where)
    assert (code, json.loads(out)["error"]["reason"]) == (2, "has_alias")
    assert run("alias", "rollback", "live", "--data", data)[1] == "live points to one\n"
    assert json.loads(run("delete", "two", "--yes", *where)[1]) == {"deleted": "two"}
    assert run("alias", "drop", "live", "--data", data)[1].startswith(
        "live is no alias"
    )
    assert run("alias", "list", "--data", data)[1] == ""
    assert [c["collection"] for c in json.loads(run("collections", *where)[1])] == [
        "one"
    ]


def test_a_run_that_indexes_nothing_has_failed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a.fits").write_text("<html>")
    where = ("--collection", "sky", "--data", tmp_path / "d", "--json")
    code, out, _ = run("index", tmp_path / "f", *where)
    error = json.loads(out)["error"]
    assert (code, error["reason"]) == (2, "no_images")
    assert "a.fits" in error["message"]
    table = tmp_path / "d" / "collections" / "sky" / "rejects.parquet"
    assert str(table) in error["message"]
    assert pq.read_table(table)["code"].to_pylist() == ["not_fits"]


def test_an_indexed_folder_takes_a_prefix(
    run: Run, tmp_path: Path, sky: SimpleNamespace
) -> None:
    """So that two nights that call their files alike fit into one collection."""
    where = ("--collection", "sky", "--data", tmp_path / "d", "--json")
    for number, night in enumerate(("first", "second")):
        (tmp_path / night).mkdir()
        (tmp_path / night / "a.fits").write_bytes(sky.draw("ring", number))
        done = run("index", tmp_path / night, f"--id-prefix={night}/", *where)
        assert json.loads(done[1])["indexed"] == 1
    with Library(tmp_path / "d") as library:
        known = library.collection("sky").known(["first/a.fits", "second/a.fits"])
    assert len(known) == 2


def test_failure_is_one_line_and_exit_code_1(run: Run, data: Path) -> None:
    """With the reason in brackets, and without terminal escapes."""
    code, _, err = run("info", "no\x1b[2Jwhere", "--data", data)
    assert code == 1
    assert err.startswith("error: ")
    assert err.endswith("[unknown_collection]\n")
    assert err[:-1].isprintable()


@pytest.mark.parametrize(
    ("options", "environment", "named"),
    [
        (("--address=0.0.0.0:0",), {}, "--insecure"),
        (("--config=absent.toml",), {}, "absent.toml"),
        ((), {"SKYLIKE_WROKERS": "1"}, "SKYLIKE_WROKERS"),
        (("--data=/nowhere/at/all",), {}, "[no_data]"),
        (("--address=192.0.2.1:1", "--insecure"), {}, "[address_unusable]"),
    ],
)
def test_bad_settings_exit_with_2(
    run: Run,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    environment: dict[str, str],
    named: str,
) -> None:
    """In one line that names the culprit."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    code, out, err = run("serve", "--data", data, *options)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert named in err


def test_wrong_usage_exits_with_2(run: Run) -> None:
    assert run("serve", "--wrong")[0] == 2
    assert run("info")[0] == 2


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["cutouts"], "bad_usage"),
        (["cutouts", "x.fits", "--box", "1", "--out", "o"], "bad_box"),
        (["inspect", "x.fits"], "file_missing"),
    ],
)
def test_with_json_an_error_is_an_object(
    run: Run, words: list[str], reason: str
) -> None:
    code, output, _ = run(*words, "--json")
    assert code == 2
    assert json.loads(output)["error"]["reason"] == reason


def test_a_folder_is_indexed_out_of_the_box(
    run: Run, sky: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a model, a name or a place: skylike-base, any size, into this folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "files").mkdir()
    for i in range(12):
        file = sky.draw(("round", "long", "ring")[i % 3], i, size=(40, 64, 100)[i % 3])
        (tmp_path / "files" / f"{i}.fits").write_bytes(file)
    code, out, err = run("index", "files", "--json")
    assert code == 0, err
    facts = json.loads(out)
    assert (facts["collection"], facts["objects"]) == ("sky", 12)
    told = json.loads(run("info", "sky", "--json")[1])
    assert told["model_id"] == hashlib.sha256(BASE.read_bytes()).hexdigest()
    assert (tmp_path / "skylike-data").is_dir()


def test_the_model_that_comes_along_is_small_and_turns_nothing_odd() -> None:
    assert BASE.stat().st_size <= 4e6
    encoder = Encoder(BASE)
    assert encoder.spec.channels == ("intensity",)
    y, x = np.mgrid[:64, :64] - 31.5
    shape = 40 * np.exp(-((x - 3) ** 2 + 3 * (y + 2) ** 2) / 200)
    noise = np.random.default_rng(0).normal(size=(4, 1, 64, 64))
    stamps = (shape + noise).astype(np.float32)
    turned = np.ascontiguousarray(np.rot90(stamps, 1, (2, 3))[..., ::-1])
    cosine = (encoder.embed(stamps) * encoder.embed(turned)).sum(axis=1)
    np.testing.assert_allclose(cosine, 1, atol=1e-4)
