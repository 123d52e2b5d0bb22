"""What other tools are given, read as they read it."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.table import QTable, Table
from google.protobuf import text_format
from PIL import Image as Picture
from pyvo import samp

from skylike.client import Client, errors, handover
from skylike.client.filters import OneOf, WithIds


def test_everything_is_one_table(client: Client, tmp_path: Path) -> None:
    """Objects with attributes, beside what the fits say of them."""
    found = handover.everything(client, collection="sky")
    assert len(found.items) == 60
    found.write(tmp_path / "all.vot")
    table = Table.read(tmp_path / "all.vot")
    assert len(table) == 60
    for name in ("object_id", "ra", "dec", "kind", "number", "cluster_name"):
        assert name in table.colnames
    odd = client.anomalies(collection="sky", limit=None)
    percentiles = {one.id: one.percentile for one in odd.items}
    for row in table:
        assert row["anomaly_percentile"] == percentiles[row["object_id"]]
    members = {
        one.id: cluster.label
        for cluster in client.clusters("sky").clusters
        for one in client.members(cluster.label, collection="sky", limit=None).items
    }
    told = dict(zip(table["object_id"], table["cluster"].filled(-1), strict=True))
    assert {id: label for id, label in told.items() if label >= 0} == members
    some = handover.everything(client, OneOf("kind", ["ring"]), collection="sky")
    assert len(some.items) == 20
    assert {one.object.attributes["kind"] for one in some.items} == {"ring"}
    bare = handover.everything(client, WithIds(["ring-0"]), collection="bare")
    assert (bare.items[0].cluster, bare.items[0].anomaly) == (None, None)
    assert "anomaly_score" in bare.to_table().colnames


def test_embedding_atlas_is_given_places_and_neighbours(
    client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "atlas.parquet"
    assert handover.embedding_atlas(client, path, collection="sky", neighbors=5) == 60
    table = pq.read_table(path)
    assert len(table) == 60
    shown = client.map(collection="sky")
    rows = {id: row for row, id in enumerate(table["object_id"].to_pylist())}
    for id, x, y in zip(shown.ids, shown.x, shown.y, strict=True):
        assert table["x"][rows[id]].as_py() == pytest.approx(float(x))
        assert table["y"][rows[id]].as_py() == pytest.approx(float(y))
    ids = list(rows)
    for id in ("ring-3", "long-7"):
        near = table["neighbors"][rows[id]].as_py()
        hits = client.neighbors(object_id=id, collection="sky", k=5).hits
        assert [ids[row] for row in near["ids"]] == [hit.id for hit in hits]
        far = [1 - hit.score for hit in hits]
        assert near["distances"] == pytest.approx(far, abs=1e-6)
    assert "image" not in table.schema.names  # it would be embedded anew
    few = OneOf("kind", ["ring"])
    assert handover.embedding_atlas(client, path, few, collection="sky") == 20
    kept = pq.read_table(path)["neighbors"].to_pylist()
    assert all(0 <= row < 20 for one in kept for row in one["ids"])


def test_tensorboard_reads_the_projector(client: Client, tmp_path: Path) -> None:
    from tensorboard.plugins.projector import projector_config_pb2  # noqa: PLC0415

    folder = tmp_path / "new" / "projector"
    assert handover.tensorboard(client, folder, collection="sky") == 60
    config = projector_config_pb2.ProjectorConfig()
    text_format.Parse((folder / "projector_config.pbtxt").read_text(), config)
    [one] = config.embeddings
    assert one.tensor_name == "sky"
    tensors = np.loadtxt(folder / one.tensor_path, delimiter="\t")
    with (folder / one.metadata_path).open() as lines:
        header, *rows = (line.rstrip("\n").split("\t") for line in lines)
    assert tensors.shape == (60, 24)
    assert len(rows) == 60
    assert {len(row) for row in rows} == {len(header)}
    id = rows[7][header.index("object_id")]
    found = client.get(id, collection="sky", with_vector=True)
    assert found.vector is not None
    np.testing.assert_allclose(tensors[7], found.vector, atol=1e-6)
    width, height = one.sprite.single_image_dim
    with Picture.open(folder / one.sprite.image_path) as sprite:
        assert sprite.size == (8 * width, 8 * height)
        assert max(sprite.size) <= 8192
        piece = np.asarray(sprite.crop((7 * width, 0, 8 * width, height)).convert("L"))
    (tmp_path / "one.png").write_bytes(found.object.thumbnail_png)
    with Picture.open(tmp_path / "one.png") as thumbnail:
        expected = np.asarray(thumbnail.resize((width, height)))
    assert np.abs(piece.astype(int) - expected).max() <= 1


def test_tensorboards_own_server_takes_the_folder(
    client: Client, tmp_path: Path
) -> None:
    """The plugin that serves the projector lists the run and its files."""
    from tensorboard.plugins import base_plugin  # noqa: PLC0415
    from tensorboard.plugins.projector import projector_plugin  # noqa: PLC0415
    from werkzeug.test import Client as Asking  # noqa: PLC0415

    handover.tensorboard(client, tmp_path, collection="sky")
    context = base_plugin.TBContext(logdir=str(tmp_path), flags=None)
    apps = projector_plugin.ProjectorPlugin(context).get_plugin_apps()

    about = {"run": ".", "name": "sky"}
    answers = {}
    for path in ("/tensor", "/metadata", "/sprite_image"):
        answers[path] = Asking(apps[path]).get(path, query_string=about)
        assert answers[path].status_code == 200, answers[path].text
    tensors = np.frombuffer(answers["/tensor"].data, "<f4").reshape(60, 24)
    np.testing.assert_allclose(np.linalg.norm(tensors, axis=1), 1, atol=1e-5)
    assert len(answers["/metadata"].text.splitlines()) == 61
    assert answers["/sprite_image"].data == (tmp_path / "sprite.png").read_bytes()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A SAMP hub of this test's own."""
    lock = tmp_path / "samp.lock"
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{lock.as_uri()}")
    with samp.conf.set_temp("use_internet", False):
        hub = samp.SAMPHubServer(lockfile=str(lock), web_profile=False, mode="single")
        hub.start()
        yield hub
        hub.stop()


@pytest.fixture
def topcat(hub: Any) -> Iterator[list[Table]]:
    """Another application, which loads tables: those that it has loaded."""
    loaded: list[Table] = []
    with samp.conf.set_temp("use_internet", False):
        other = samp.SAMPIntegratedClient(metadata={"samp.name": "other tool"})
        other.connect()

        def load(
            key: str, sender: str, id: str, type: str, params: Any, _: Any
        ) -> None:
            loaded.append(Table.read(params["url"], format="votable"))
            other.reply(id, {"samp.status": "samp.ok", "samp.result": {}})

        other.bind_receive_call("table.load.votable", load)
        yield loaded
        other.disconnect()


def test_tables_are_sent_by_samp(
    client: Client,
    topcat: list[Table],
    skylike: Callable[..., Any],
    served: SimpleNamespace,
) -> None:
    """Through a real hub, to another application, from Python and from a shell."""
    answer = client.neighbors(object_id="ring-0", collection="sky", k=4)
    assert answer.send_to_topcat("kin of ring-0") == ["other tool"]
    [table] = topcat
    assert list(table["object_id"]) == [hit.id for hit in answer.hits]
    assert isinstance(answer.to_table(), QTable)
    at = {"SKYLIKE_ADDRESS": served.address, "SAMP_HUB": os.environ["SAMP_HUB"]}
    done = skylike("export", "table", "--collection=sky", "--out", "samp:", **at)
    assert done.returncode == 0, done.stderr
    assert len(topcat[1]) == 60
    done = skylike("neighbors", "--id=ring-1", "--collection=sky", "--out=samp:", **at)
    assert done.returncode == 0, done.stderr
    assert len(topcat[2]) == 10


def test_where_nobody_listens_it_says_so(
    client: Client, hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = client.neighbors(object_id="ring-0", collection="sky", k=4)
    with pytest.raises(errors.BadInput, match="TOPCAT") as refused:
        answer.send_to_topcat()
    assert refused.value.reason == "no_receiver"
    gone = (tmp_path / "nothing").as_uri()
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{gone}")
    with pytest.raises(errors.BadInput, match="start TOPCAT") as refused:
        answer.write("samp:")
    assert refused.value.reason == "no_hub"


def test_the_command_writes_what_the_functions_do(
    skylike: Callable[..., Any], served: SimpleNamespace, tmp_path: Path
) -> None:
    at = {"SKYLIKE_ADDRESS": served.address}
    atlas, folder, table = (tmp_path / name for name in ("a.parquet", "b", "c.parquet"))
    for words in (
        ("embedding-atlas", "--out", atlas, "--neighbors=3", "--layout=pca"),
        ("tensorboard", "--out", folder, "--limit=50"),
        ("table", "--out", table, "--filter=kind = ring"),
    ):
        done = skylike("export", *words, "--collection=sky", "--json", **at)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        expected = {"embedding-atlas": 60, "tensorboard": 50, "table": 20}[words[0]]
        assert told["num_objects"] == expected
    near = pq.read_table(atlas)["neighbors"].to_pylist()
    assert {len(one["ids"]) for one in near} == {3}
    assert len((folder / "tensors.tsv").read_text().splitlines()) == 50
    assert pq.read_table(table).num_rows == 20
    done = skylike("export", "table", "--collection=sky", "--out", "x.gif", **at)
    assert done.returncode == 2
