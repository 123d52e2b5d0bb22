"""Maps: by the client, asynchronously, from a shell, and over HTTP."""

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace

import httpx
import numpy as np
import pandas as pd
import pytest

from skylike.client import AsyncClient, Client, FitJob, JobState, errors
from skylike.client.filters import Between, OneOf
from skylike.service.config import Settings
from skylike.service.engine import Engine
from skylike.service.library import Library
from skylike.service.server.serve import Server

Run = Callable[..., "CompletedProcess[str]"]


def test_all_objects_lie_on_the_map_where_a_query_of_each_would(
    client: Client,
) -> None:
    drawn = client.map(collection="sky", color="cluster")
    assert (drawn.layout, drawn.layouts, drawn.fit_version) == ("pca", ("pca",), 1)
    assert drawn.total == len(drawn.ids) == len(drawn.x) == len(drawn.y) == 60
    assert not drawn.is_sample
    assert drawn.density is None
    assert drawn.color is not None
    assert drawn.color.dtype == drawn.x.dtype == np.float32
    x_share, y_share = drawn.explained
    assert 1 > x_share > y_share > 0
    assert np.var(drawn.x) / np.var(drawn.y) == pytest.approx(
        x_share / y_share, rel=1e-3
    )
    for place in (0, 59):
        found = client.locate(object_id=drawn.ids[place], collection="sky")
        assert found.layout == "pca"
        assert (found.x, found.y) == pytest.approx((drawn.x[place], drawn.y[place]))
        kind = client.cluster(object_id=drawn.ids[place], collection="sky").cluster
        assert drawn.color_names[int(drawn.color[place])] == kind.name


def test_a_file_lies_among_its_kind_and_its_reading_is_told(
    client: Client, sky: SimpleNamespace
) -> None:
    drawn = client.map(OneOf("kind", ["ring"]), collection="sky")
    found = client.locate(sky.draw("ring", 9), collection="sky", layout="pca")
    assert found.reading is not None
    assert found.reading.shape == (1, 48, 48)
    assert drawn.x.min() - 0.2 < found.x < drawn.x.max() + 0.2


def test_a_sample_brings_the_density_of_all(client: Client) -> None:
    drawn = client.map(Between("number", None, 9), collection="sky", limit=7)
    assert (len(drawn.ids), drawn.total, drawn.is_sample) == (7, 30, True)
    assert drawn.density is not None
    assert drawn.density.counts.sum() == 30
    assert drawn.density.x_range[0] <= drawn.x.min()
    assert drawn.density.x_range[1] >= drawn.x.max()


def test_a_map_is_a_table(client: Client, tmp_path: Path) -> None:
    frame = client.map(collection="sky", color="kind").to_pandas()
    assert list(frame.columns) == ["object_id", "x", "y", "color"]
    assert frame["color"].tolist() == [id.split("-")[0] for id in frame["object_id"]]
    assert frame.attrs["layout"] == "pca"
    drawn = client.map(collection="sky", color="number")
    drawn.write(tmp_path / "map.parquet")
    written = pd.read_parquet(tmp_path / "map.parquet")
    assert drawn.color is not None
    np.testing.assert_array_equal(written["color"], drawn.color)
    np.testing.assert_allclose(written["x"], drawn.x)


def test_the_same_is_asked_for_asynchronously(served: SimpleNamespace) -> None:
    async def ask() -> tuple[float, float]:
        async with AsyncClient(served.address) as client:
            drawn = await client.map(collection="sky", limit=3)
            found = await client.locate(object_id=drawn.ids[0], collection="sky")
            return float(drawn.x[0]), found.x

    drawn, found = asyncio.run(ask())
    assert drawn == pytest.approx(found)


def test_what_cannot_be_drawn_is_refused(client: Client) -> None:
    for wrong, reason in (
        ({"layout": "umap"}, "bad_layout"),
        ({"color": "colour"}, "unknown_attribute"),
        ({"limit": 0}, "bad_limit"),
        ({"limit": 1_000_001}, "bad_batch_size"),
    ):
        with pytest.raises(errors.BadInput) as caught:
            client.map(collection="sky", **wrong)
        assert caught.value.reason == reason
    for bare in ("bare", "empty"):
        with pytest.raises(errors.NotReady) as unready:
            client.map(collection=bare)
        assert unready.value.reason == "not_fitted"


def test_a_job_makes_the_layout_that_is_asked_for(data: Path) -> None:
    pytest.importorskip("openTSNE", reason="the extra `map` is not installed")

    settings = Settings(data=data, address="127.0.0.1:0", grace_seconds=1)
    with Library(data) as library, Server(Engine(library), settings) as server:
        server.ready()
        with Client(server.address) as client:
            with pytest.raises(errors.BadInput) as caught:
                client.start_job(FitJob("sky", layouts=["umap"]))
            assert caught.value.reason == "bad_layout"
            job = client.start_job(FitJob("sky", layouts=["tsne"]))
            *_, last = client.watch_job(job.id)
            assert last.state is JobState.DONE
            drawn = client.map(collection="sky")
            assert (drawn.layout, drawn.explained) == ("tsne", ())
            found = client.locate(object_id=drawn.ids[5], collection="sky")
            assert (found.x, found.y) == pytest.approx((drawn.x[5], drawn.y[5]), 1e-3)


def test_a_shell_tells_of_a_map_and_writes_it(
    skylike: Run, served: SimpleNamespace, tmp_path: Path
) -> None:
    where = ("--collection", "sky", "--address", served.address)
    told = skylike("map", "--color", "cluster", *where)
    assert told.returncode == 0, told.stderr
    assert "layout pca of fit 1" in told.stdout
    assert "60 objects" in told.stdout
    facts = json.loads(skylike("map", "--limit", "9", "--json", *where).stdout)
    assert (facts["total"], facts["shown"], facts["is_sample"]) == (60, 9, True)
    assert len(facts["explained"]) == 2
    file = tmp_path / "map.csv"
    written = skylike("map", "--out", file, "--filter", "kind = ring", *where)
    assert written.returncode == 0, written.stderr
    assert len(pd.read_csv(file, comment="#")) == 20


def test_http_gives_packed_numbers_in_base64(
    served: SimpleNamespace, tmp_path: Path, sky: SimpleNamespace
) -> None:
    settings = Settings(
        data=tmp_path,
        address="127.0.0.1:0",
        http_address="127.0.0.1:0",
        grace_seconds=1,
    )
    with Server(served.engine, settings) as server:
        server.ready()
        base = f"http://{server.addresses['http_address']}/v1"
        with httpx.Client(base_url=base, timeout=30) as http:
            rings = json.dumps(
                {"attribute_in": {"name": "kind", "values": [{"text": "ring"}]}}
            )
            asked = {"collection": "sky", "limit": "8", "filter": rings}
            drawn = http.get("/map", params=asked).json()
            x = np.frombuffer(base64.b64decode(drawn["x"]), "<f4")
            assert len(x) == len(drawn["ids"]) == 8
            assert (drawn["total"], drawn["is_sample"]) == ("20", True)
            density = drawn["density"]
            counts = np.frombuffer(base64.b64decode(density["counts"]), "<u4")
            assert len(counts) == density["nx"] * density["ny"]
            assert counts.sum() == 20
            query = {"object_id": drawn["ids"][3]}
            found = http.post("/locate", json={"collection": "sky", "query": query})
            assert found.json()["x"] == pytest.approx(x[3])
            sent = http.post(
                "/locate",
                content=sky.draw("ring", 9),
                headers={"content-type": "application/fits"},
                params={"collection": "sky", "layout": "pca"},
            ).json()
            assert sent["reading"]["hdu"] == "0"
