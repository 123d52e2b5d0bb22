"""Vectors as tables that other tools read, and as a folder for the projector."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from click.testing import CliRunner
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from skylike.service.encoder import Encoder
from skylike.service.errors import BadInput, BadSettings
from skylike.service.sources import find_images
from skylike.trainer.cli import main
from skylike.trainer.embed import Embedded, embed, save_projector, save_table


@pytest.fixture
def folder(tmp_path: Path, sky: SimpleNamespace) -> Path:
    path = tmp_path / "files"
    path.mkdir()
    for i in range(5):
        cards = {"EXPTIME": 30.5 + i, "FILTER": "g"} if i else {}
        place = (150.0 + i, 2.0) if i < 4 else None
        file = sky.draw("round", i, position=place, **cards)
        (path / f"{i}.fits").write_bytes(file)
    (path / "bad.fits").write_bytes(b"no FITS")
    return path


@pytest.fixture
def embedded(folder: Path, model: Path) -> Embedded:
    return embed(
        Encoder(model),
        find_images([folder]),
        keywords=["EXPTIME", "FILTER", "NOSUCH"],
        pictures=True,
    )


def test_vectors_and_header_columns_come_in_the_order_of_the_files(
    embedded: Embedded, folder: Path
) -> None:
    columns = embedded.columns()
    assert columns["id"] == [str(folder / f"{i}.fits") for i in range(5)]
    assert columns["EXPTIME"] == [None, 31.5, 32.5, 33.5, 34.5]
    assert columns["FILTER"] == [None, "g", "g", "g", "g"]
    assert columns["NOSUCH"] == [None] * 5
    np.testing.assert_allclose(np.linalg.norm(embedded.vectors, axis=1), 1, rtol=1e-5)
    assert [reject.code for reject in embedded.rejects] == ["not_fits"]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".vot", ".ecsv"])
def test_every_format_holds_the_same(
    embedded: Embedded, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / "new" / f"table{suffix}"
    save_table(path, embedded)
    if suffix == ".parquet":
        table = pq.read_table(path)
        vectors = np.array(table["vector"].to_pylist())
        rows = table.to_pylist()
    elif suffix == ".csv":
        rows = pa_csv.read_csv(path).to_pylist()
        width = embedded.vectors.shape[1]
        vectors = np.array([[row[f"v{i}"] for i in range(width)] for row in rows])
    else:
        read = Table.read(
            path, format={".vot": "votable", ".ecsv": "ascii.ecsv"}[suffix]
        )
        vectors = np.array(read["vector"])
        rows = [{n: row[n] for n in ("id", "ra_deg", "EXPTIME")} for row in read]
        assert np.ma.is_masked(rows[4]["ra_deg"])
        assert np.ma.is_masked(rows[0]["EXPTIME"])
    np.testing.assert_allclose(vectors, embedded.vectors, atol=1e-6)
    assert [row["id"] for row in rows] == [item.id for item in embedded.objects]
    assert rows[3]["EXPTIME"] == 33.5
    assert rows[3]["ra_deg"] == pytest.approx(153)


def test_an_unknown_format_is_refused(embedded: Embedded, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"ends in \.parquet, \.csv"):
        save_table(tmp_path / "table.xlsx", embedded)


def test_tensorboard_understands_the_projector_folder(
    embedded: Embedded, tmp_path: Path
) -> None:
    save_projector(tmp_path, embedded)
    config = text_format.Parse(
        (tmp_path / "projector_config.pbtxt").read_text(), ProjectorConfig()
    )
    [shown] = config.embeddings
    vectors = np.loadtxt(tmp_path / shown.tensor_path, delimiter="\t")
    np.testing.assert_allclose(vectors, embedded.vectors, atol=1e-5)
    lines = (tmp_path / shown.metadata_path).read_text().splitlines()
    assert len(lines) == 1 + 5
    assert lines[0].startswith("id\t")
    sprite = Image.open(tmp_path / shown.sprite.image_path)
    side, _ = shown.sprite.single_image_dim
    assert sprite.size == (3 * side, 3 * side)
    tiles = np.asarray(sprite).reshape(3, side, 3, side, 3).max((1, 3, 4))
    assert (tiles.ravel() > 0).tolist() == [True] * 5 + [False] * 4


def test_the_command_writes_both_and_tells_what_was_left_out(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    table, projector = tmp_path / "t.parquet", tmp_path / "projector"
    names = tmp_path / "names.txt"
    names.write_text("".join(f"files/{i}.fits\n" for i in range(5)))
    options = ["--out", str(table), "--projector", str(projector)]
    options += ["--header", "exptime", "--json"]
    done = CliRunner().invoke(main, ["embed", str(model), str(names), *options])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert (facts["vectors"], facts["left_out"]) == (5, 0)
    assert pq.read_table(table)["EXPTIME"].to_pylist()[1:] == [31.5, 32.5, 33.5, 34.5]
    assert (projector / "sprite.png").exists()
    with_bad = [str(folder), "--out", str(table)]
    assert (
        CliRunner()
        .invoke(main, ["embed", str(model), *with_bad])
        .stderr.count("left out")
        == 1
    )
    nothing = CliRunner().invoke(main, ["embed", str(model), str(folder)])
    assert nothing.exit_code == 2
    assert "give --out, --projector, or both" in nothing.stderr


def test_what_cannot_be_written_is_told_before_anything_is_read(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for out, error in (
        (tmp_path / "table.xlsx", r"ends in \.parquet"),
        (tmp_path / "file" / "t.csv", "cannot be a folder"),
    ):
        with pytest.raises(BadSettings, match=error):
            command("embed", model, folder / "gone.fits", "--out", out)


def test_files_without_a_vector_make_no_table(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="none of 1 images gives a vector"):
        command("embed", model, folder / "bad.fits", "--out", tmp_path / "t.csv")
    assert not (tmp_path / "t.csv").exists()


def command(*words: object) -> None:
    CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
