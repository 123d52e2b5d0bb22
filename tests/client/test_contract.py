"""Everything the contract holds can be asked, and says what it says."""

import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord

from skylike.client import (
    Alias,
    Analysis,
    Client,
    CompactJob,
    Examples,
    FitJob,
    IndexJob,
    JobState,
    NewObject,
    ObjectId,
    Place,
    ReindexJob,
    SnapshotJob,
    errors,
)
from skylike.client.client import AsyncClient
from skylike.client.filters import (
    All,
    AnyOf,
    Between,
    Cone,
    Filter,
    Flagged,
    Labelled,
    Not,
    Observed,
    OneOf,
    WithIds,
)
from skylike.client.tabulate import tabulate
from skylike.service.config import Settings
from skylike.service.engine import Engine
from skylike.service.library import Library
from skylike.service.server.serve import Server
from skylike.v1 import catalog_pb2, job_pb2, search_pb2, teaching_pb2


@pytest.fixture
def own(data: Path, sky: SimpleNamespace, tmp_path: Path) -> Iterator[SimpleNamespace]:
    """A server of one test's own, which may change everything; its files in `root`."""
    root = tmp_path / "root"
    root.mkdir()
    settings = Settings(
        data=data, address="127.0.0.1:0", grace_seconds=0, roots=(root,)
    )
    with Library(data) as library, Server(Engine(library), settings) as server:
        server.ready()
        with Client(server.address) as client:
            yield SimpleNamespace(client=client, root=root)


def test_each_method_of_the_service_has_a_caller() -> None:
    """The paths in the client's modules are those of the contract, all of them."""
    promised = {
        f"/{service.full_name}/{method.name}"
        for file in (search_pb2, catalog_pb2, teaching_pb2, job_pb2)
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    called = set()
    for base in AsyncClient.__mro__:
        module = sys.modules[base.__module__]
        called |= {
            one.path for one in vars(module).values() if type(one).__name__ == "Rpc"
        }
    called.add("/skylike.v1.SearchService/AnalyzeStream")
    called.add("/skylike.v1.SearchService/Discover")  # needs no service from here
    assert {path for path in called if "skylike" in path} == promised


class TestSearching:
    """What may be asked, and how."""

    def test_a_filter_chooses_what_may_be_found(self, client: Client) -> None:
        """Each condition alone, and joined; compared with what the objects say."""
        everything = list(client.objects(collection="sky"))
        assert len(everything) == 60
        near = (150.05, 2.0)
        cases: list[tuple[Filter, list[str]]] = [
            (OneOf("kind", ["ring"]), [o.id for o in everything if "ring" in o.id]),
            (
                Between("number", 3, 5) & ~OneOf("kind", ["round", "long"]),
                ["ring-3", "ring-4", "ring-5"],
            ),
            (WithIds(["long-1", "absent"]) | WithIds(["ring-2"]), ["long-1", "ring-2"]),
            (
                Cone(*near, radius_deg=0.0101),
                ["round-4", "round-5", "round-6"],
            ),
            (Between("dec", high=-91.0), []),
            (Between("valid_fraction", 0), [o.id for o in everything]),
            (Observed(low_mjd=1), []),
            (Labelled("nothing"), []),
            (Flagged(["EDGE"]), [o.id for o in everything if "EDGE" in o.flags]),
            (All([]), [o.id for o in everything]),
            (AnyOf([]), []),
            (Not(All([])), []),
        ]
        for where, expected in cases:
            hits = client.neighbors(
                np.ones(24), collection="sky", k=1000, where=where
            ).hits
            assert sorted(hit.id for hit in hits) == sorted(expected), where
            listed = client.objects(where, collection="sky", page_size=3)
            assert [one.id for one in listed] == expected
            count = client.count(where, collection="sky")
            assert count.num_objects == len(expected)

    def test_conditions_join_without_growing_deep(self) -> None:
        """The service takes 16 levels; a chain of hundreds is one."""
        one: Filter = Labelled("a")
        for i in range(500):
            one = one | Labelled(str(i))
        assert isinstance(one, AnyOf)
        assert len(one.filters) == 501
        assert ~~one is one

    @pytest.mark.parametrize(
        ("where", "error"),
        [
            (Cone(0, 91, 1), errors.BadInput),
            (Flagged(["NO_SUCH"]), errors.BadInput),
            (Between("z", float("nan")), errors.BadInput),
            (OneOf("kind", "ring"), TypeError),
            (OneOf("kind", [2**70]), errors.BadInput),
            (OneOf("kin", ["ring"]), errors.BadInput),
            (WithIds("ring-1"), TypeError),
            (Labelled("\udce9"), errors.BadInput),
            ("kind = ring", TypeError),
        ],
    )
    def test_a_senseless_filter_is_refused(
        self, client: Client, where: Filter, error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            client.count(where, collection="sky")

    def test_a_filter_too_deep_is_refused(self, client: Client) -> None:
        """By the service, or before it is sent where not even a message holds it."""
        for depth in (20, 100_000):
            where: Filter = Labelled("a")
            for _ in range(depth):
                where = Not(where)
            with pytest.raises(errors.BadInput) as caught:
                client.count(where, collection="sky")
            assert caught.value.reason == "bad_filter"

    def test_options_reach_the_search(self, client: Client) -> None:
        """Exact, effort, least and least score."""
        ask = {"object_id": "ring-0", "collection": "sky"}
        every = client.neighbors(**ask, k=1000, exact=True).hits  # type: ignore[arg-type]
        scores = [hit.score for hit in every]
        assert scores == sorted(scores, reverse=True)
        assert len(scores) == 59
        least = client.neighbors(**ask, k=3, least=True).hits  # type: ignore[arg-type]
        assert [hit.id for hit in least] == [hit.id for hit in every[:-4:-1]]
        bound = (scores[4] + scores[5]) / 2
        found = client.analyze(**ask, k=50, min_score=bound, effort=16).hits  # type: ignore[arg-type]
        assert [hit.id for hit in found] == [hit.id for hit in every[:5]]
        for wrong in ({"effort": 17.0}, {"least": True, "min_score": 0.5}):
            with pytest.raises(errors.BadInput):
                client.neighbors(**ask, **wrong)  # type: ignore[arg-type]

    def test_a_place_or_examples_may_be_asked_about(self, client: Client) -> None:
        """A SkyCoord is in any frame."""
        expected = client.neighbors(object_id="round-3", collection="sky").hits
        place = SkyCoord(150.03 * units.deg, 2 * units.deg).galactic
        for query in (
            ObjectId("round-3"),
            Place(150.03, 2.0),
            Place(150.0301, 2.0, radius_deg=0.001),
            place,
        ):
            assert client.neighbors(query, collection="sky").hits == expected
        with pytest.raises(errors.NotFound):
            client.embed(Place(10, 10), collection="sky")
        with pytest.raises(errors.BadInput, match="2 places"):
            client.embed(SkyCoord([1, 2], [3, 4], unit="deg"), collection="sky")

        like = client.neighbors(
            Examples(["ring-0", "ring-1"], unlike=["long-0"]), collection="sky"
        ).hits
        assert not {"ring-0", "ring-1", "long-0"} & {hit.id for hit in like}
        assert like[0].id.startswith("ring")
        with pytest.raises(TypeError, match="several"):
            client.embed(Examples("ring-0"), collection="sky")
        with pytest.raises(errors.BadInput):
            client.embed(Examples([]), collection="sky")


class TestWriting:
    """Objects come, change and go, once for each request."""

    def test_a_write_with_a_name_is_done_once(
        self, own: SimpleNamespace, sky: SimpleNamespace
    ) -> None:
        new = NewObject("once", sky.draw("ring", 3))
        first = own.client.add([new], request_id="night-1/batch-7")
        again = own.client.add([new], request_id="night-1/batch-7")
        assert (first.was_done, len(first.objects)) == (False, 1)
        assert (again.was_done, len(again.objects)) == (True, 0)
        with pytest.raises(errors.AlreadyExists):
            own.client.add([new])
        assert own.client.delete(["once"], request_id="d").num_objects == 1
        assert own.client.delete(["once"], request_id="d").was_done

    def test_objects_are_replaced_changed_and_taken_out(
        self, own: SimpleNamespace, sky: SimpleNamespace
    ) -> None:
        client: Client = own.client
        new = NewObject("a", sky.draw("ring", 3), attributes={"z": 1.5, "n": 2})
        client.add([new, NewObject("b", sky.draw("long", 3))], ack="async")
        both = ["a", "absent", "b"]
        changed = client.set_attributes(both, {"seen": True, "z": 2.5}, remove=["n"])
        assert (changed.num_objects, changed.was_done) == (2, False)
        attributes = client.get("a").object.attributes
        assert (attributes["seen"], attributes["z"]) == (True, 2.5)
        assert "n" not in attributes
        assert client.set_labels(both, ["odd", "new"]).num_objects == 2
        client.set_labels(["b"], remove=["odd"])
        assert client.get("a").object.labels == ("new", "odd")
        assert client.count(Labelled("odd")).num_objects == 1
        client.add([NewObject("a", sky.draw("round", 4))], replace=True)
        assert client.get("a").object.labels == ()
        deleted = client.delete(both)
        assert deleted.num_objects == 2
        assert deleted.context.collection_version > changed.context.collection_version
        assert deleted.to_dict()["num_objects"] == 2
        with pytest.raises(errors.NotFound):
            client.get("a")

    def test_what_no_write_can_say_is_refused(self, own: SimpleNamespace) -> None:
        for wrong in ({"ack": "later"}, {"request_id": ""}, {"request_id": "ü"}):
            with pytest.raises(errors.BadInput):
                own.client.delete(["a"], **wrong)
        with pytest.raises(TypeError, match="several"):
            own.client.delete("ring-0")
        assert own.client.count().num_objects == 60


class TestCollections:
    """Collections, aliases, clusters."""

    def test_they_are_made_named_and_removed(self, own: SimpleNamespace) -> None:
        client: Client = own.client
        made = client.create_collection("second", model_of="sky")
        assert (made.name, made.num_objects) == ("second", 0)
        assert client.collection("second") == made
        assert client.set_alias("live", "sky") == Alias("live", "sky")
        assert client.set_alias("live", "second").collection == "second"
        assert client.aliases() == [Alias("live", "second")]
        assert client.collection("live").name == "second"
        with pytest.raises(errors.SkylikeClientError) as moved:
            client.roll_back_alias("live", leaving="sky")
        assert moved.value.reason == "alias_moved"
        assert client.roll_back_alias("live", leaving="second") == Alias("live", "sky")
        client.delete_alias("live")
        assert client.aliases() == []
        client.delete_collection("second")
        assert [one.name for one in client.collections()] == ["sky"]
        with pytest.raises(errors.NotFound):
            client.delete_collection("second")

    def test_clusters_are_told_by_falling_size(self, client: Client) -> None:
        found = client.clusters("sky")
        sizes = [one.size for one in found.clusters]
        assert sizes == sorted(sizes, reverse=True)
        assert sum(sizes) + found.num_outside == found.num_objects == 60
        assert 0.9 < sum(one.weight for one in found.clusters) <= 1
        assert found.fit_version == client.collection("sky").cluster_fit_version
        assert found.clusters[0].exemplar_ids
        assert client.clusters("bare").clusters == ()


class TestJobs:
    """Work that goes on."""

    def test_a_job_is_watched_to_its_end(
        self, own: SimpleNamespace, sky: SimpleNamespace
    ) -> None:
        client: Client = own.client
        (own.root / "new").mkdir()
        for i in range(3):
            (own.root / "new" / f"{i}.fits").write_bytes(sky.draw("ring", 70 + i))
        started = client.start_job(IndexJob("sky", [str(own.root / "new")], workers=1))
        assert started.kind == "index"
        seen = list(client.watch_job(started.id))
        assert seen[-1].state is JobState.DONE, seen[-1]
        assert seen[-1].has_ended
        assert not seen[0].has_ended or len(seen) == 1
        assert client.count().num_objects == 63
        assert client.job(started.id) == client.jobs()[0]
        assert client.jobs()[0].to_dict()["state"] == "done"
        assert seen[-1].collection == "sky"
        assert seen[-1].started is not None
        assert seen[-1].ended is not None
        assert seen[-1].created <= seen[-1].started <= seen[-1].ended
        assert seen[-1].ended.utcoffset() == timedelta(0)
        table = tabulate(client.jobs()).to_table()
        assert table["created"][0].startswith(f"{seen[-1].created:%Y-%m-%dT%H:%M:%S}")

        for work in (
            CompactJob(kind="flat"),
            FitJob(seed=3),
            SnapshotJob(str(own.root / "copy.snapshot")),
        ):
            done = list(client.watch_job(client.start_job(work).id))[-1]
            assert done.state is JobState.DONE, done
        assert (own.root / "copy.snapshot").exists()
        assert len(client.jobs()) == 4

    @pytest.mark.parametrize(
        ("asked", "reason"),
        [
            ({"sample_size": -1}, "bad_sample_size"),
            ({"sample_size": 2**33}, "bad_sample_size"),
            ({"sample_seed": -1}, "bad_sample_seed"),
        ],
    )
    def test_numbers_of_a_sample_are_checked(
        self, own: SimpleNamespace, asked: dict[str, int], reason: str
    ) -> None:
        with pytest.raises(errors.BadInput) as caught:
            list(own.client.objects(collection="sky", **asked))
        assert caught.value.reason == reason

    @pytest.mark.parametrize(
        ("work", "reason"),
        [
            (FitJob("sky", seed=-3), "bad_seed"),
            (FitJob("sky", seed=2**32), "bad_seed"),
            (FitJob("sky", num_clusters=-1), "bad_num_clusters"),
            (IndexJob("sky", ["/new"], workers=-1), "bad_workers"),
        ],
    )
    def test_numbers_of_jobs_are_checked(
        self, own: SimpleNamespace, work: FitJob | IndexJob, reason: str
    ) -> None:
        with pytest.raises(errors.BadInput) as caught:
            own.client.start_job(work)
        assert caught.value.reason == reason

    def test_seed_0_is_a_seed(self, own: SimpleNamespace) -> None:
        for seed, wanted in ((3, 3), (None, 3), (0, 0)):
            job = own.client.start_job(FitJob("sky", seed=seed))
            assert list(own.client.watch_job(job.id))[-1].state is JobState.DONE
            assert own.client.clusters("sky").seed == wanted

    def test_a_job_may_fail_or_be_cancelled(
        self, own: SimpleNamespace, sky: SimpleNamespace
    ) -> None:
        client: Client = own.client
        sky.write_model(own.root / "other.onnx", seed=5)
        client.set_alias("live", "sky")
        work = ReindexJob("live", str(own.root / "other.onnx"), 0.0)
        failed = list(client.watch_job(client.start_job(work).id))[-1]
        assert failed.state is JobState.FAILED
        assert failed.reason
        assert failed.message
        jobs = [client.start_job(FitJob("sky")) for _ in range(4)]
        assert client.cancel_job(jobs[-1].id).id == jobs[-1].id
        last = list(client.watch_job(jobs[-1].id))[-1]
        assert last.state is JobState.CANCELLED
        with pytest.raises(errors.NotFound):
            client.cancel_job("nothing")
        with pytest.raises(errors.NotFound):
            next(client.watch_job("nothing"))
        with pytest.raises(errors.PermissionDenied):
            client.start_job(SnapshotJob("/etc/copy"))

    def test_what_was_left_out_comes_page_by_page(self, own: SimpleNamespace) -> None:
        client: Client = own.client
        (own.root / "bad").mkdir()
        for i in range(5):
            (own.root / "bad" / f"{i}.fits").write_text("<html>")
        work = IndexJob("sky", [str(own.root / "bad")])
        job = list(client.watch_job(client.start_job(work).id))[-1]
        assert (job.state, job.num_rejects) == (JobState.DONE, 5)
        found = list(client.job_rejects(job.id, page_size=2))
        assert [one.image for one in found] == [f"bad/{i}.fits" for i in range(5)]
        assert {one.reason for one in found} == {"not_fits"}
        assert len(tabulate(found).to_table()) == 5
        with pytest.raises(errors.NotFound):
            list(client.job_rejects("nothing"))

    def test_leaving_a_watch_ends_it(self, own: SimpleNamespace) -> None:
        client: Client = own.client
        for _ in range(3):
            job = client.start_job(FitJob())
        began = time.monotonic()
        watch = client.watch_job(job.id)
        next(watch)
        watch.close()  # type: ignore[attr-defined]
        assert time.monotonic() - began < 5
        client.cancel_job(job.id)


def test_every_answer_names_the_version_of_the_service(client: Client) -> None:
    """Questions, listings and writes; and so do exports (see the tables)."""
    contexts = [
        client.embed(object_id="ring-0", collection="sky").context,
        client.neighbors(object_id="ring-0", collection="sky").context,
        client.cluster(object_id="ring-0", collection="sky").context,
        client.anomaly(object_id="ring-0", collection="sky").context,
        client.analyze(object_id="ring-0", collection="sky").context,
        client.get("ring-0", collection="sky").context,
        client.count(collection="sky").context,
        client.clusters("sky").context,
        client.set_labels(["nobody"], ["x"], collection="bare").context,
        *[
            answer.context
            for _, answer in client.analyze_many([ObjectId("ring-0")], collection="sky")
            if isinstance(answer, Analysis)
        ],
    ]
    assert [one.service_version for one in contexts] == [version("skylike")] * 10
