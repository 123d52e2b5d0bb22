"""``skylike-trainer evaluate``, as a person runs it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from skylike.service.errors import BadInput, BadSettings
from skylike.trainer import sky
from skylike.trainer.cli import main

CHEAP = ("pca", "random", "profile", "polar", "classical", "scattering")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judged")
    sky.simulate(folder, 19 * 6, 3, workers=2)
    return folder


def run(archive: Path, out: Path, *words: Any) -> Result:
    where = ("--archive", archive, "--labels", archive / "truth.parquet", "--out", out)
    told = map(str, ("evaluate", *words, *where, "--seeds", 1))
    return CliRunner().invoke(main, list(told), catch_exceptions=False)


def test_baselines_and_recipes_are_judged_by_one_protocol(
    archive: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "quick.toml"
    recipe.write_text("steps = 3\nbatch = 16\n[network]\nwidth = 8\ndimension = 16\n")
    other = tmp_path / "other.toml"
    other.write_text('steps = 3\nbatch = 16\n[network]\nkind = "light"\nwidth = 8\n')
    words = (
        "baselines",
        recipe,
        f"{recipe}+{other}",
        "--parameter",
        "axis_ratio",
        "--parameter",
        "ring_width_px/ring_radius_px",
        "--where",
        "snr>=20",
        "--transductive",
        "--labels",
        archive / "more.csv",
        "--json",
    )
    (archive / "broken.fits").write_bytes(b"no FITS")
    usable = next(archive.rglob("sky-*.fits")).read_bytes()
    (archive / "copy").mkdir()
    (archive / "copy" / "broken.fits").write_bytes(usable)
    # Of the file that gives no stamp, not of the other.
    (archive / "more.csv").write_text("path,family\nbroken.fits,artefact\n")
    done = run(archive, tmp_path / "out", *words)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    protocol = found["protocol"]
    assert (protocol["objects"], protocol["without_a_kind"]) == (19 * 6, 1)
    assert protocol["left_out"] == 1
    assert "broken.fits" in found["left_out"][0]["path"]
    assert "left out" in done.stderr
    assert 0 < protocol["parameters_known_of"]["axis_ratio"] < 19 * 6
    assert list(found["methods"]) == [*CHEAP, "quick", "quick+other"]
    for name, facts in found["methods"].items():
        interval = facts["neighbors"]["p_at_10"]
        assert 0 <= interval["low"] <= interval["value"] <= interval["high"] <= 1, name
        assert facts["by_seed"] == [pytest.approx(interval["value"])]
        assert facts["transductive"]["p_at_10"] > 0
        assert "log signal to noise" not in facts["audit"]  # 57 objects are too few
        assert facts["self_recall"]["turned by 90 degrees"]["recall_at_1"] >= 0
    methods = found["methods"]
    # 6 of a kind, so that 2 of 10 neighbours can be right in a fold.
    assert methods["random"]["neighbors"]["p_at_10"]["value"] > 0.1
    assert methods["profile"]["self_recall"]["turned by 90 degrees"]["recall_at_1"] == 1
    assert set(methods["classical"]["classical_ways"]) == {
        "random forest",
        "support vector machine",
    }
    assert "classical_ways" not in methods["random"]
    ratio = found["over_best_baseline"]["quick"]["p_at_10"]
    best = methods[found["best_baseline"]["p_at_10"]]["neighbors"]["p_at_10"]["value"]
    own = methods["quick"]["neighbors"]["p_at_10"]["value"]
    assert ratio["value"] == pytest.approx(own / best)
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == found
    assert "| random |" in (tmp_path / "out" / "report.md").read_text()
    assert (tmp_path / "out" / "report.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 6


def test_methods_can_learn_from_other_files(archive: Path, tmp_path: Path) -> None:
    others = tmp_path / "others"
    sky.simulate(others, 19 * 4, 4, workers=2)
    words = ("profile", "--learn-from", others, "--json")
    found = json.loads(run(archive, tmp_path / "out", *words).stdout)
    assert found["protocol"]["learned_from"] == str(others)
    assert found["methods"]["profile"]["neighbors"]["p_at_10"]["value"] > 0.1


def test_baselines_see_the_stamps_of_the_recipe(archive: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "straight.toml"
    recipe.write_text("steps = 3\nbatch = 16\n[stamp]\nsoftening_sigma = 1000\n")
    of_recipe, alone = (
        json.loads(run(archive, tmp_path / name, *words, "--json").stdout)
        for name, words in {"a": ("profile", recipe), "b": ("profile",)}.items()
    )
    profile, other = (f["methods"]["profile"]["neighbors"] for f in (of_recipe, alone))
    assert profile["map_at_10"]["value"] != other["map_at_10"]["value"]
    plain = tmp_path / "plain.toml"
    plain.write_text("steps = 3\nbatch = 16\n")
    with pytest.raises(BadSettings, match="want different stamps"):
        run(archive, tmp_path / "c", f"{recipe}+{plain}")


def test_files_of_one_name_are_refused(archive: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one" / "quick.toml", tmp_path / "two" / "quick.toml"
    for path in (one, two):
        path.parent.mkdir()
        path.write_text("steps = 3\nbatch = 16\n")
    for words in ((one, two), (f"{one}+{two}",)):
        with pytest.raises(BadSettings, match="rename the file"):
            run(archive, tmp_path / "out", *words)
    with pytest.raises(BadSettings, match="rename the file"):
        run(archive, tmp_path / "out", one.rename(tmp_path / "random.toml"))


def test_a_fold_of_one_kind_is_refused_before_anything_is_learned(
    archive: Path, tmp_path: Path
) -> None:
    table = tmp_path / "rare.csv"
    images = sorted(path.stem for path in archive.rglob("sky-*.fits"))
    rows = [f"{name},{'rare' if i == 0 else 'usual'}" for i, name in enumerate(images)]
    table.write_text("\n".join(["file,kind", *rows]))
    where = ("--archive", archive, "--labels", table, "--column", "kind")
    told = ("evaluate", "profile", *where, "--out", tmp_path / "out")
    with pytest.raises(BadInput, match="1 kinds, which is too few"):
        CliRunner().invoke(main, list(map(str, told)), catch_exceptions=False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nonsense",), "no model"),
        (("gone.onnx",), "there is no such model"),
        (("profile", "--parameter", "charm"), "no numbers called 'charm'"),
        (("profile", "--column", "charm"), "needs a column that names"),
    ],
)
def test_what_is_not_there_is_told(
    archive: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(BadSettings, match=message):
        run(archive, tmp_path / "out", *words)
