"""`skylike figure`: every figure from a shell, and what it says where it cannot."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(skylike: Run, served: SimpleNamespace) -> Run:
    """``skylike figure`` on the running server."""

    def ask(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        return skylike("figure", *arguments, SKYLIKE_ADDRESS=served.address)

    return ask


@pytest.mark.parametrize(
    "arguments",
    [
        ["map", "--perplexity", "8", "--threshold", "2", "--filter", "kind = ring"],
        ["similar", "--id", "long-4", "--num", "20", "--width", "2"],
        ["components", "--num", "30", "--seed", "3"],
        ["clusters", "--width", "120mm"],
        ["anomalies", "--num", "6", "--order", "typical"],
    ],
)
def test_a_figure_comes_with_its_caption(
    run: Run, tmp_path: Path, arguments: list[str]
) -> None:
    target = tmp_path / "figure.png"
    done = run(*arguments, "--collection", "sky", "--output", target, "--dpi", "60")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(target.with_suffix(".json").read_text())
    assert done.stdout == told["caption"] + "\n"
    assert told["figure"] == arguments[0]
    assert told["numbers"]["collection"] == "sky"
    with Image.open(target) as png:
        assert png.info["Description"] == told["caption"]
        width_mm = {"similar": 180, "clusters": 120}.get(arguments[0], 88)
        assert png.width == pytest.approx(width_mm / 25.4 * 60, abs=1)


def test_files_are_asked_about_by_their_names(
    run: Run, sky: SimpleNamespace, tmp_path: Path
) -> None:
    for number, kind in enumerate(("round", "ring")):
        (tmp_path / f"{kind}.fits").write_bytes(sky.draw(kind, 300 + number))
    files = [tmp_path / "round.fits", tmp_path / "ring.fits[0]"]
    where = ("--collection", "sky", "--output", tmp_path / "odd.pdf", "--json")
    done = run("anomalies", *files, *where)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {one["name"] for one in told["numbers"]["objects"]} == {
        "round.fits",
        "ring.fits[0]",
    }
    assert all(one["p_value"] > 0 for one in told["numbers"]["objects"])
    assert (tmp_path / "odd.pdf").read_bytes().startswith(b"%PDF")
    done = run("similar", files[0], *where)
    assert json.loads(done.stdout)["caption"].startswith("round.fits and the 6 objects")


def test_a_run_is_drawn_without_a_service(skylike: Run, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 10, "loss": 0.5, "spread": 0.2}\n')
    target = tmp_path / "curves.pdf"
    done = skylike("figure", "training", tmp_path, "--output", target, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["output"], told["numbers"]["num_checkpoints"]) == (str(target), 1)
    log.write_text("")
    done = skylike("figure", "training", tmp_path, "--output", target)
    assert done.returncode == 1
    assert "[bad_record]" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["clusters", "--output", "a.svg"], ".png or .pdf"),
        (["clusters", "--output", "none/a.png"], "no such folder"),
        (["clusters", "--output", "a.png", "--width", "3"], "1 or 2 columns"),
        (["clusters", "--output", "a.png", "--width", "20mm"], "1 or 2 columns"),
        (["clusters"], "--output"),
        (["map", "--output", "a.png", "--seed", "-1"], "0<=x<=4294967295"),
        (["similar", "--output", "a.png"], "either a FITS file, or an object"),
        (["similar", "x.fits", "--id", "a", "--output", "a.png"], "either a FITS file"),
        (["anomalies", "x.fits", "--order", "typical", "--output", "a.png"], "--order"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_asked(
    run: Run, arguments: list[str], told: str
) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())


def test_a_collection_without_a_fit_and_a_missing_file_are_told(
    run: Run, tmp_path: Path
) -> None:
    target = tmp_path / "a.png"
    done = run("clusters", "--collection", "bare", "--output", target)
    assert done.returncode == 1
    assert "[not_fitted]" in done.stderr
    done = run("similar", "none.fits", "--collection", "sky", "--output", target)
    assert done.returncode == 1
    assert "[file_missing]" in done.stderr
    assert not target.exists()


@pytest.mark.parametrize("package", ["matplotlib", "sklearn"])
def test_what_is_not_installed_is_told(
    served: SimpleNamespace, tmp_path: Path, package: str
) -> None:
    isolated = ["-I"] if sys.flags.isolated else []
    script = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from skylike.client.cli import main; main(prog_name='skylike')"
    )
    where = ["--collection", "sky", "--address", served.address]
    command = ["figure", "map", *where, "--output", str(tmp_path / "a.png")]
    done = subprocess.run(
        [sys.executable, *isolated, "-c", script, *command],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == (2 if package == "matplotlib" else 1)
    assert f"figures need {package}" in " ".join(done.stderr.split())
    assert "pip install 'skylike[figures]'" in " ".join(done.stderr.split())
