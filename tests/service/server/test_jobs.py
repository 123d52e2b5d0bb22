"""Long work over a real socket: started, watched, stopped."""

import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from tests.process import Service
from tests.told import refusal

from skylike.service import snapshot
from skylike.service.collection import SkyObject
from skylike.service.config import Settings
from skylike.service.engine import Engine
from skylike.service.library import Library
from skylike.service.server.serve import Server
from skylike.v1 import catalog_pb2, catalog_pb2_grpc, job_pb2, job_pb2_grpc

DONE, FAILED = job_pb2.JOB_STATE_DONE, job_pb2.JOB_STATE_FAILED
CANCELLED = job_pb2.JOB_STATE_CANCELLED


@pytest.fixture
def root(tmp_path: Path, sky: SimpleNamespace) -> Path:
    """A folder that callers may name, with 20 images and one that is none."""
    folder = tmp_path / "root"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.fits").write_bytes(sky.draw("ring", 300 + number))
    (folder / "page.fits").write_text("<html>")
    return folder


@pytest.fixture
def stubs(data: Path, root: Path) -> Iterator[SimpleNamespace]:
    settings = Settings(
        data=data, address="127.0.0.1:0", grace_seconds=5, roots=(root,)
    )
    with (
        Library(data) as library,
        Server(Engine(library), settings) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        yield SimpleNamespace(
            jobs=job_pb2_grpc.JobServiceStub(channel),
            catalog=catalog_pb2_grpc.CatalogServiceStub(channel),
            server=server,
            library=library,
        )


def start(stubs: SimpleNamespace, **work: Any) -> Any:
    return stubs.jobs.StartJob(job_pb2.StartJobRequest(**work)).job


def ended(stubs: SimpleNamespace, job: Any) -> list[Any]:
    """Everything that is told of a job, to its end."""
    asked = job_pb2.WatchJobRequest(job_id=job.job_id)
    return [told.job for told in stubs.jobs.WatchJob(asked, timeout=60)]


def test_an_indexing_job_tells_how_far_it_is_and_what_it_did(
    stubs: SimpleNamespace, root: Path
) -> None:
    work = job_pb2.IndexJob(collection="sky", sources=[str(root)])
    told = ended(stubs, start(stubs, index=work))
    assert told[-1].state == DONE
    result = json.loads(told[-1].result_json)
    assert (result["indexed"], result["rejected"], result["objects"]) == (20, 1, 80)
    assert result["clusters"] >= 1
    reading = [one for one in told if one.stage == "indexing"]
    assert (reading[-1].done, reading[-1].total) == (21, 21)
    assert reading[-1].rate > 0
    found = stubs.catalog.CountObjects(catalog_pb2.CountObjectsRequest())
    assert found.num_objects == 80
    again = json.loads(ended(stubs, start(stubs, index=work))[-1].result_json)
    assert (again["indexed"], again["known"]) == (0, 20)


def test_work_is_done_in_line(
    stubs: SimpleNamespace, root: Path, tmp_path: Path, sky: SimpleNamespace
) -> None:
    sky.write_model(root / "new.onnx", seed=5)
    stubs.catalog.SetAlias(catalog_pb2.SetAliasRequest(alias="live", collection="sky"))
    work: list[dict[str, Any]] = [
        {"fit": job_pb2.FitJob(seed=3)},
        {"compact": job_pb2.CompactJob(kind="hnsw")},
        {"snapshot": job_pb2.SnapshotJob(path=str(root / "sky.snapshot"))},
        {"snapshot": job_pb2.SnapshotJob(path=str(root / "sky.snapshot"))},
        {"reindex": job_pb2.ReindexJob(alias="live", model=str(root / "new.onnx"))},
    ]
    jobs = [start(stubs, **one) for one in work]
    last = [ended(stubs, job)[-1] for job in jobs]
    assert [one.state for one in last] == [DONE, DONE, DONE, FAILED, FAILED]
    assert json.loads(last[1].result_json) == {"index": ["hnsw 60"]}
    assert snapshot.verify(root / "sky.snapshot").num_objects == 60
    assert last[3].reason == "ALREADY_EXISTS"
    assert last[4].reason == "TOO_MANY_REJECTS"  # they came as bytes, from no file
    listed = stubs.jobs.ListJobs(job_pb2.ListJobsRequest()).jobs
    assert [one.job_id for one in listed] == [one.job_id for one in jobs[::-1]]
    one = stubs.jobs.GetJob(job_pb2.GetJobRequest(job_id=jobs[0].job_id)).job
    assert one == last[0]


def test_a_job_is_stopped_while_it_waits_and_while_it_runs(
    stubs: SimpleNamespace, root: Path, sky: SimpleNamespace
) -> None:
    for number in range(3000):
        (root / f"more{number}.fits").symlink_to(root / f"{number % 20}.fits")
    names = root / "names.csv"
    rows = [f"more{number}.fits,m{number}" for number in range(3000)]
    names.write_text("\n".join(["file,id", *rows]))
    work = job_pb2.IndexJob(collection="sky", sources=[str(names)])
    running, waiting = start(stubs, index=work), start(stubs, fit=job_pb2.FitJob())
    cancel = job_pb2.CancelJobRequest(job_id=waiting.job_id)
    assert stubs.jobs.CancelJob(cancel).job.state == CANCELLED
    asked = job_pb2.WatchJobRequest(job_id=running.job_id)
    states = []
    for told in stubs.jobs.WatchJob(asked, timeout=60):
        if told.job.done:
            stubs.jobs.CancelJob(job_pb2.CancelJobRequest(job_id=running.job_id))
        states.append(told.job.state)
    assert states[-1] == CANCELLED
    found = stubs.catalog.CountObjects(catalog_pb2.CountObjectsRequest())
    assert 60 <= found.num_objects < 3060
    assert ended(stubs, waiting)[-1].state == CANCELLED


@pytest.fixture
def large(stubs: SimpleNamespace) -> str:
    """A collection that takes many seconds to fit."""
    model = stubs.library.model_path("sky")
    made = stubs.library.create("large", model)
    random = np.random.default_rng(0)
    kinds = random.normal(size=(20, made.dimension))
    vectors = kinds[random.integers(0, 20, 20_000)]
    vectors += random.normal(0, 0.3, vectors.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    objects = [SkyObject(f"o{number}") for number in range(len(vectors))]
    made.add(objects, vectors.astype(np.float32))
    return "large"


def test_a_fit_is_stopped_while_it_runs(stubs: SimpleNamespace, large: str) -> None:
    job = start(stubs, fit={"collection": large})
    for told in stubs.jobs.WatchJob(job_pb2.WatchJobRequest(job_id=job.job_id)):
        if told.job.state == job_pb2.JOB_STATE_RUNNING:
            stubs.jobs.CancelJob(job_pb2.CancelJobRequest(job_id=job.job_id))
    assert told.job.state == CANCELLED
    assert stubs.library.collection(large).clusters is None


def test_a_server_that_stops_leaves_no_job_behind(
    stubs: SimpleNamespace, large: str
) -> None:
    """It has waited for what was running."""
    job = start(stubs, fit={"collection": large})
    asked = job_pb2.GetJobRequest(job_id=job.job_id)
    while stubs.jobs.GetJob(asked).job.state != job_pb2.JOB_STATE_RUNNING:
        time.sleep(0.01)
    stubs.server.stop()
    assert "jobs" not in [thread.name for thread in threading.enumerate()]
    assert stubs.library.collection(large).clusters is None


def test_who_watches_is_told_that_a_server_stops_its_jobs(
    stubs: SimpleNamespace, large: str
) -> None:
    """What runs, and what waits."""
    running, waiting = (start(stubs, fit={"collection": large}) for _ in range(2))
    asked = job_pb2.WatchJobRequest(job_id=running.job_id)
    told = stubs.jobs.WatchJob(asked, timeout=60)
    while next(told).job.state != job_pb2.JOB_STATE_RUNNING:
        pass
    seen = stubs.jobs.WatchJob(job_pb2.WatchJobRequest(job_id=waiting.job_id))
    assert next(seen).job.state == job_pb2.JOB_STATE_WAITING
    stubs.server.stop()
    *progress, last = [one.job.state for one in told]
    assert set(progress) <= {job_pb2.JOB_STATE_RUNNING}
    assert last == CANCELLED
    assert [one.job.state for one in seen] == [CANCELLED]


def rejects(stubs: SimpleNamespace, job: Any) -> list[Any]:
    asked = job_pb2.ListJobRejectsRequest(job_id=job.job_id)
    return list(stubs.jobs.ListJobRejects(asked).rejects)


def test_lists_and_links_lead_nowhere_else(
    stubs: SimpleNamespace, root: Path, tmp_path: Path, sky: SimpleNamespace
) -> None:
    """What they name is left out, and nothing is told of what lies there."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "hidden.fits").write_bytes(sky.draw("ring", 7))
    (tmp_path / "secret.fits").write_bytes(sky.draw("ring", 7))
    names = root / "names.txt"
    names.write_text("../secret.fits\n")
    addresses = root / "addresses.txt"
    addresses.write_text("http://127.0.0.1:9/a.fits\n")
    links = root / "links"
    links.mkdir()
    (links / "a.fits").symlink_to(tmp_path / "secret.fits")
    (links / "deep").symlink_to(secret)
    (links / "gone.fits").symlink_to(tmp_path / "gone.fits")
    left_out = {
        names: ["../secret.fits"],
        addresses: ["http://127.0.0.1:9/a.fits"],
        links: ["links/a.fits", "links/deep", "links/gone.fits"],
    }
    for source, wanted in left_out.items():
        work = job_pb2.IndexJob(collection="sky", sources=[str(source)])
        last = ended(stubs, start(stubs, index=work))[-1]
        assert (last.state, last.num_rejects) == (DONE, len(wanted))
        told = rejects(stubs, last)
        assert [one.image for one in told] == wanted
        assert {one.reason for one in told} == {"OUTSIDE_ROOTS"}
        assert not any("hidden" in one.message for one in told)
        if source == links:
            assert all("a link that leads out" in one.message for one in told)
        last = ended(stubs, start(stubs, fit={"calibration": [str(source)]}))[-1]
        assert (last.state, last.reason) == (FAILED, "NO_FILES")
        assert [one.image for one in rejects(stubs, last)] == wanted


def test_a_link_that_leads_out_is_one_reject_among_images(
    stubs: SimpleNamespace, root: Path, tmp_path: Path, sky: SimpleNamespace
) -> None:
    (tmp_path / "secret.fits").write_bytes(sky.draw("ring", 7))
    (root / "link.fits").symlink_to(tmp_path / "secret.fits")
    (root / "inner.fits").symlink_to(root / "3.fits")  # the same image again
    work = job_pb2.IndexJob(collection="sky", sources=[str(root)])
    last = ended(stubs, start(stubs, index=work))[-1]
    assert last.state == DONE
    assert json.loads(last.result_json)["indexed"] == 20
    told = {one.image: one.reason for one in rejects(stubs, last)}
    assert told == {"page.fits": "NOT_FITS", "link.fits": "OUTSIDE_ROOTS"}


@pytest.fixture
def held(stubs: SimpleNamespace, large: str) -> Iterator[Any]:
    """A job that goes on until the test is over, or cancels it."""
    job = start(stubs, fit={"collection": large})
    yield job
    stubs.jobs.CancelJob(job_pb2.CancelJobRequest(job_id=job.job_id))


def test_what_became_a_link_while_a_job_waited_leads_nowhere_else(
    stubs: SimpleNamespace, root: Path, tmp_path: Path, sky: SimpleNamespace, held: Any
) -> None:
    """What is written, and what is read: lists, images, models."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "names.txt").write_text("/the/first/line\n")
    (secret / "a.fits").write_bytes(sky.draw("ring", 7))
    sky.write_model(secret / "new.onnx", seed=5)
    folder = root / "folder"
    folder.mkdir()
    for name in ("names.txt", "a.fits", "new.onnx"):
        (folder / name).touch()
    stubs.catalog.SetAlias(catalog_pb2.SetAliasRequest(alias="live", collection="sky"))
    work: list[dict[str, Any]] = [
        {"snapshot": {"collection": "sky", "path": f"{folder}/sky.snapshot"}},
        {"index": {"collection": "sky", "sources": [f"{folder}/names.txt"]}},
        {"index": {"collection": "sky", "sources": [f"{folder}/a.fits"]}},
        {"fit": {"collection": "sky", "calibration": [f"{folder}/names.txt"]}},
        {"reindex": {"alias": "live", "model": f"{folder}/new.onnx"}},
    ]
    jobs = [start(stubs, **one) for one in work]
    folder.rename(root / "moved")
    folder.symlink_to(secret)
    stubs.jobs.CancelJob(job_pb2.CancelJobRequest(job_id=held.job_id))
    for job in jobs:
        last = ended(stubs, job)[-1]
        assert (last.state, last.reason) == (FAILED, "OUTSIDE_ROOTS"), last
        assert "first" not in last.message
    assert sorted(path.name for path in secret.iterdir()) == [
        "a.fits",
        "names.txt",
        "new.onnx",
    ]


def test_what_jobs_tell_names_no_folder_of_the_server(
    stubs: SimpleNamespace, root: Path, data: Path
) -> None:
    """Whoever may read is told of all jobs."""
    (root / "deep").mkdir()
    index = {"collection": "sky", "sources": [str(root)]}
    last = ended(stubs, start(stubs, index=index))[-1]
    told = last.result_json
    told += "".join(map(str, rejects(stubs, last)))
    limited = index | {"max_reject_fraction": 0.0}
    last = ended(stubs, start(stubs, index=limited))[-1]
    assert last.reason == "TOO_MANY_REJECTS"
    told += last.message + "".join(map(str, rejects(stubs, last)))
    assert told.count("page.fits") == 5
    snapshot_job = {"path": f"{root}/deep/sky.snapshot"}
    told += ended(stubs, start(stubs, snapshot=snapshot_job))[-1].result_json
    assert '"file": "deep/sky.snapshot"' in told
    assert str(root) not in told
    assert str(data) not in told


def test_reindexing_reads_nothing_that_a_caller_only_claims(
    stubs: SimpleNamespace, root: Path, tmp_path: Path, sky: SimpleNamespace
) -> None:
    secret = tmp_path / "secret.fits"
    secret.write_bytes(sky.draw("ring", 7))
    stubs.catalog.CreateCollection(
        catalog_pb2.CreateCollectionRequest(collection="small", model_of="sky")
    )
    new = catalog_pb2.NewObject(id="a")
    new.cutout.fits = sky.draw("ring", 8)
    new.source.uri = str(secret)
    stubs.catalog.AddObjects(
        catalog_pb2.AddObjectsRequest(collection="small", objects=[new])
    )
    alias = catalog_pb2.SetAliasRequest(alias="live", collection="small")
    stubs.catalog.SetAlias(alias)
    model = str(sky.write_model(root / "new.onnx", seed=5))
    work = job_pb2.ReindexJob(alias="live", model=model)
    last = ended(stubs, start(stubs, reindex=work))[-1]
    assert (last.state, last.reason) == (FAILED, "TOO_MANY_REJECTS")
    assert "no absolute path under a folder" in last.message


def test_seed_0_can_be_asked_for_and_none_is_that_of_the_last_fit(
    stubs: SimpleNamespace,
) -> None:
    for asked, wanted in (({"seed": 3}, 3), ({}, 3), ({"seed": 0}, 0), ({}, 0)):
        assert ended(stubs, start(stubs, fit=asked))[-1].state == DONE
        listed = stubs.catalog.ListClusters(catalog_pb2.ListClustersRequest())
        assert listed.seed == wanted


def test_a_start_that_is_repeated_is_one_job(stubs: SimpleNamespace) -> None:
    first = start(stubs, fit={"seed": 1}, request_id="a")
    again = start(stubs, fit={"seed": 1}, request_id="a")
    assert again.job_id == first.job_id
    last = ended(stubs, first)[-1]
    assert start(stubs, fit={"seed": 1}, request_id="a") == last
    other = {"fit": {"seed": 2}, "request_id": "a"}
    assert refusal(lambda: start(stubs, **other)) == "REQUEST_ID_REUSED"
    assert start(stubs, fit={"seed": 1}).job_id != first.job_id
    assert len(stubs.jobs.ListJobs(job_pb2.ListJobsRequest()).jobs) == 2


@pytest.mark.parametrize(
    ("work", "wanted"),
    [
        ({}, "EMPTY_JOB"),
        ({"index": {"collection": "sky"}}, "EMPTY_JOB"),
        ({"index": {"sources": ["/etc/passwd"]}}, "OUTSIDE_ROOTS"),
        ({"index": {"sources": ["relative"]}}, "OUTSIDE_ROOTS"),
        ({"snapshot": {"path": "/tmp/x"}}, "OUTSIDE_ROOTS"),
        ({"reindex": {"alias": "a", "model": "/tmp/x"}}, "OUTSIDE_ROOTS"),
        ({"fit": {"calibration": ["/tmp/x"]}}, "OUTSIDE_ROOTS"),
        ({"fit": {"seed": 2**40}}, "BAD_SEED"),
        ({"fit": {"method": "mixtures"}}, "BAD_FIT"),
        ({"fit": {"num_clusters": 300}}, "BAD_FIT"),
        ({"fit": {"method": "hdbscan", "num_clusters": 2}}, "BAD_FIT"),
        ({"compact": {"kind": "odd"}}, "BAD_KIND"),
        ({"fit": {}, "request_id": "with blanks"}, "BAD_REQUEST_ID"),
    ],
)
def test_a_job_without_meaning_is_refused(
    stubs: SimpleNamespace, work: dict[str, Any], wanted: str
) -> None:
    assert refusal(lambda: start(stubs, **work)) == wanted


def test_a_job_tells_its_collection_and_its_times(
    stubs: SimpleNamespace, root: Path
) -> None:
    """The collection by its own name, once that is known."""
    stubs.catalog.SetAlias(catalog_pb2.SetAliasRequest(alias="live", collection="sky"))
    for name in ("live", "", "sky"):
        last = ended(stubs, start(stubs, fit={"collection": name}))[-1]
        assert last.collection == "sky"
        times = (last.create_time, last.start_time, last.end_time)
        created, began, end = (one.ToDatetime() for one in times)
        assert created <= began <= end
        assert (end - created).total_seconds() == pytest.approx(last.seconds, abs=1e-5)
    waiting = start(stubs, fit={"collection": "gone"})
    assert waiting.collection == "gone"
    assert not waiting.HasField("end_time")


@pytest.mark.slow
def test_a_job_that_was_killed_with_the_service_says_so(
    data: Path, root: Path, tmp_path: Path
) -> None:
    """And what waited; done again it goes on."""
    options = ("--roots", root)
    work = job_pb2.IndexJob(collection="sky", sources=[str(root)], workers=1)
    for number in range(3000):
        (root / f"more{number}.fits").write_bytes(
            (root / f"{number % 20}.fits").read_bytes()
        )
    with (
        Service(data, tmp_path, *options) as service,
        grpc.insecure_channel(service.address) as channel,
    ):
        stub = job_pb2_grpc.JobServiceStub(channel)
        request = job_pb2.StartJobRequest(index=work, request_id="night")
        running = stub.StartJob(request).job
        fit = job_pb2.FitJob(collection="sky")
        waiting = stub.StartJob(job_pb2.StartJobRequest(fit=fit)).job
        asked = job_pb2.WatchJobRequest(job_id=running.job_id)
        for told in stub.WatchJob(asked, timeout=60):
            if told.job.done > 2200:  # of each 1024 that came before, all is kept
                break
    (tmp_path / "ready.json").unlink()
    with (
        Service(data, tmp_path, *options) as service,
        grpc.insecure_channel(service.address) as channel,
    ):
        stub = job_pb2_grpc.JobServiceStub(channel)
        listed = stub.ListJobs(job_pb2.ListJobsRequest()).jobs
        assert [one.job_id for one in listed] == [waiting.job_id, running.job_id]
        for one, why in zip(listed, ("began", "ran; what it wrote stays"), strict=True):
            assert (one.state, one.reason) == (FAILED, "INTERRUPTED")
            assert why in one.message
            assert "tart it again" in one.message
            assert one.HasField("end_time")
        assert stub.StartJob(request).job == listed[1]
        again = job_pb2.StartJobRequest(index=work)
        *_, last = ended(SimpleNamespace(jobs=stub), stub.StartJob(again).job)
        assert last.state == DONE, last
        result = json.loads(last.result_json)
        assert result["objects"] == 60 + 3020
        assert result["known"] >= 1024


def test_rejects_come_page_by_page(stubs: SimpleNamespace, root: Path) -> None:
    for number in range(25):
        (root / f"page{number:02}.fits").write_text("<html>")
    work = job_pb2.IndexJob(collection="sky", sources=[str(root)])
    last = ended(stubs, start(stubs, index=work))[-1]
    asked = job_pb2.ListJobRejectsRequest(job_id=last.job_id, page_size=10)
    sizes, found = [], []
    while True:
        page = stubs.jobs.ListJobRejects(asked)
        assert page.total_size == 26 == last.num_rejects
        sizes.append(len(page.rejects))
        found += [one.image for one in page.rejects]
        asked.page_token = page.next_page_token
        if not asked.page_token:
            break
    assert sizes == [10, 10, 6]
    names = [f"page{number:02}.fits" for number in range(25)]
    assert found == sorted(["page.fits", *names])
    for wrong, wanted in (
        ({"page_size": -1}, "BAD_PAGE_SIZE"),
        ({"page_token": "x"}, "BAD_PAGE_TOKEN"),
        ({"job_id": "gone"}, "UNKNOWN_JOB"),
    ):
        request = job_pb2.ListJobRejectsRequest(**{"job_id": last.job_id} | wrong)
        assert refusal(partial(stubs.jobs.ListJobRejects, request)) == wanted


def test_two_nights_are_told_apart_by_a_prefix(
    stubs: SimpleNamespace, root: Path, sky: SimpleNamespace
) -> None:
    """Without one, files that are called alike are rejected, and the remedy is told."""
    nights = [root / "first", root / "second"]
    for number, night in enumerate(nights):
        night.mkdir()
        (night / "a.fits").write_bytes(sky.draw("ring", 900 + number))

    def index(night: Path, **how: Any) -> Any:
        work = job_pb2.IndexJob(collection="sky", sources=[str(night)], **how)
        return ended(stubs, start(stubs, index=work))[-1]

    index(nights[0])
    [clash] = rejects(stubs, index(nights[1]))
    assert clash.reason == "ALREADY_EXISTS"
    assert "id_prefix" in clash.message
    told = index(nights[1], id_prefix="2026-11-22/")
    assert json.loads(told.result_json)["indexed"] == 1
    request = catalog_pb2.GetObjectRequest(collection="sky", id="2026-11-22/a.fits")
    assert stubs.catalog.GetObject(request).object.source.uri.endswith("second/a.fits")
    again = index(nights[1], id_prefix="2026-11-22/")
    assert json.loads(again.result_json)["known"] == 1
    bad = {"index": {"sources": [str(root)], "id_prefix": "a\nb"}}
    assert refusal(lambda: start(stubs, **bad)) == "BAD_ID"


def test_what_has_not_changed_is_not_fitted_again(
    stubs: SimpleNamespace, root: Path
) -> None:
    """A fit that is asked for is done; one that only follows an indexing may not be."""

    def index(**how: Any) -> Any:
        work = job_pb2.IndexJob(collection="sky", sources=[str(root)], **how)
        told = ended(stubs, start(stubs, index=work))
        stages = [one.stage for one in told]
        return json.loads(told[-1].result_json), "fitting" in stages

    def version() -> int:
        return int(stubs.library.collection("sky").clusters.version)

    first, was_fitted = index()
    assert was_fitted
    fitted = version()
    again, was_fitted = index()
    assert not was_fitted
    assert "nothing has changed" in again["not_fitted"]
    assert version() == fitted
    delete = catalog_pb2.DeleteObjectsRequest(collection="sky", ids=["3.fits"])
    stubs.catalog.DeleteObjects(delete)
    (root / "3.fits").unlink()
    changed, was_fitted = index()
    assert was_fitted
    assert changed["objects"] == first["objects"] - 1
    ended(stubs, start(stubs, fit={"collection": "sky"}))
    assert version() == fitted + 2


def test_a_job_that_fails_says_why_and_an_unknown_one_is_none(
    stubs: SimpleNamespace,
) -> None:
    last = ended(stubs, start(stubs, fit={"collection": "gone"}))[-1]
    assert (last.state, last.reason) == (FAILED, "UNKNOWN_COLLECTION")
    for name in ("GetJob", "CancelJob"):
        asked = getattr(job_pb2, f"{name}Request")(job_id="x")
        assert refusal(partial(getattr(stubs.jobs, name), asked)) == "UNKNOWN_JOB"
