"""A service that is read, written, filled anew and switched, and never fails a read.

``python -m tests.soak.run --seconds 1800`` runs for that long. Readers ask every question
through aliases, each once and without retries, and hold what comes back against vectors
that were made beforehand; a writer adds and deletes, so that the number of objects stays; a switcher
makes a new collection beside the live one, copies every object, switches the alias, takes
it back and switches again, and deletes what is no longer needed; jobs go from one model to
another and back, from the files. No call may fail, and neither memory nor open files may
grow: a line is fitted to each.
"""

import argparse
import itertools
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from tests.conftest import KINDS, draw, fill, write_model
from tests.process import Service
from tests.soak.questions import (
    CALL_SECONDS,
    FITTED,
    LIVE,
    QUESTIONS,
    SURVEY,
    Asking,
    Truth,
    connection,
)

from skylike.service.engine import CutoutQuery, Engine
from skylike.service.library import Library
from skylike.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    job_pb2,
    job_pb2_grpc,
    types_pb2,
)

ARCHIVE, MODEL, OTHER = "archive", "tiny.onnx", "other.onnx"
NUM_FILES = 60
NUM_EACH = 100
LASTING = [f"{kind}-{number}" for kind in KINDS for number in range(NUM_EACH)]
READERS = 2
CUTOUTS = [[draw(kind, 900 + seed) for kind in KINDS] for seed in range(READERS)]
BATCH, KEPT_BATCHES = 10, 20
PAGE = 100
SWITCH_SECONDS = 3.0
REINDEX_SECONDS = 2.0
SAMPLE_SECONDS = 0.25
# Along the line that is fitted to what was measured after the first third: part of the
# mean, and files.
MOST_RISE, MOST_FILES = 0.1, 8


class Soak:
    """Work that goes on until it is told to stop, and what became of it."""

    def __init__(self, address: str, folder: Path, truth: Truth) -> None:
        self._address, self._folder, self._truth = address, folder, truth
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.troubles: list[str] = []
        self.milliseconds: list[float] = []

    def prepare(self) -> None:
        """Have the survey indexed by a job, and give it its alias."""
        with _catalog(self._address) as catalog, _jobs(self._address) as jobs:
            name = f"{SURVEY}-0"
            create = catalog_pb2.CreateCollectionRequest
            catalog.CreateCollection(create(collection=name, model_of=FITTED))
            sources = [str(self._folder / ARCHIVE)]
            index = job_pb2.IndexJob(collection=name, sources=sources)
            _done(jobs, index=index)
            point = catalog_pb2.SetAliasRequest
            catalog.SetAlias(point(alias=SURVEY, collection=name))

    def run(self, seconds: float, watch: Callable[[], None]) -> None:
        """Work for some time; `watch` is called now and then."""
        work = [lambda seed=seed: self._read(seed) for seed in range(READERS)]
        threads = [
            threading.Thread(target=self._guarded, args=(one,))
            for one in (*work, self._write, self._switch, self._reindex)
        ]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(SAMPLE_SECONDS)
            watch()
        self._stopping.set()
        for thread in threads:
            thread.join()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self._note("work", f"{type(error).__name__}: {error}")

    def _note(self, what: str, trouble: str = "") -> None:
        with self._lock:
            self.counts[what] += 1
            if trouble:
                self.troubles.append(f"{what}: {trouble}")

    def _read(self, seed: int) -> None:
        """Every question, over and over; each answer is looked at."""
        chance = np.random.default_rng(seed)
        cutouts = CUTOUTS[seed]
        with Asking(self._address, self._truth) as asking:
            for number in itertools.count():
                if self._stopping.is_set():
                    return
                one = str(chance.choice(LASTING))
                cutout = cutouts[number % len(cutouts)]
                question = QUESTIONS[number % len(QUESTIONS)]
                what = question.__name__
                start = time.perf_counter()
                try:
                    is_right = question(asking, one, cutout)
                except Exception as error:
                    self._note(what, f"{type(error).__name__}: {error}")
                    continue
                self.milliseconds.append(1000 * (time.perf_counter() - start))
                self._note(what, "" if is_right else f"wrong, of {one}")

    def _write(self) -> None:
        """Add some, and delete as many that are older."""
        with _catalog(self._address) as catalog:
            for number in itertools.count():
                if self._stopping.wait(0.02):
                    return
                catalog.AddObjects(
                    catalog_pb2.AddObjectsRequest(
                        collection=LIVE,
                        objects=[
                            catalog_pb2.NewObject(
                                id=name, cutout=types_pb2.Cutout(fits=draw("ring", row))
                            )
                            for row, name in enumerate(_passing(number))
                        ],
                        replace=True,
                    ),
                    timeout=CALL_SECONDS,
                )
                self._note("add")
                if number >= KEPT_BATCHES:
                    old = _passing(number - KEPT_BATCHES)
                    request = catalog_pb2.DeleteObjectsRequest(collection=LIVE, ids=old)
                    catalog.DeleteObjects(request, timeout=CALL_SECONDS)
                    self._note("delete")

    def _switch(self) -> None:
        """Fill a collection beside the live one, and let it take its place."""
        with _catalog(self._address) as catalog:
            for number in itertools.count(1):
                if self._stopping.wait(SWITCH_SECONDS):
                    return
                before, after = f"{LIVE}-{number - 1}", f"{LIVE}-{number}"
                create = catalog_pb2.CreateCollectionRequest
                catalog.CreateCollection(create(collection=after, model_of=before))
                for objects in _copies(catalog, before):
                    add = catalog_pb2.AddObjectsRequest
                    catalog.AddObjects(add(collection=after, objects=objects))
                point = catalog_pb2.SetAliasRequest(alias=LIVE, collection=after)
                catalog.SetAlias(point)
                catalog.RollBackAlias(catalog_pb2.RollBackAliasRequest(alias=LIVE))
                catalog.SetAlias(point)
                self._note("switch")
                if number > 1:  # the one before is what a rollback leads to
                    old = f"{LIVE}-{number - 2}"
                    delete = catalog_pb2.DeleteCollectionRequest
                    catalog.DeleteCollection(delete(collection=old))

    def _reindex(self) -> None:
        """Go to the other model and back, by jobs that read every file again."""
        with _catalog(self._address) as catalog, _jobs(self._address) as jobs:
            for model in itertools.cycle((OTHER, MODEL)):
                if self._stopping.wait(REINDEX_SECONDS):
                    return
                path = str(self._folder / model)
                again = job_pb2.ReindexJob(alias=SURVEY, model=path)
                made = _done(jobs, reindex=again)
                delete = catalog_pb2.DeleteCollectionRequest
                catalog.DeleteCollection(delete(collection=made["before"]))
                self._note("reindex")


def _passing(number: int) -> list[str]:
    """Names of a batch that is deleted again."""
    return [f"passing-{number}-{row}" for row in range(BATCH)]


def _copies(catalog: Any, collection: str) -> Iterator[list[catalog_pb2.NewObject]]:
    """Every object that lasts with its vector, page by page."""
    token = ""
    while True:
        page = catalog.ListObjects(
            catalog_pb2.ListObjectsRequest(
                collection=collection, page_size=PAGE, page_token=token
            )
        )
        lasting = [one for one in page.objects if not one.id.startswith("passing-")]
        copies = [
            catalog_pb2.NewObject(
                id=one.id,
                vector=_vector(catalog, collection, one.id),
                position=one.position if one.HasField("position") else None,
                attributes=one.attributes,
            )
            for one in lasting
        ]
        if copies:
            yield copies
        token = page.next_page_token
        if not token:
            return


def _vector(catalog: Any, collection: str, name: str) -> types_pb2.Vector:
    request = catalog_pb2.GetObjectRequest(
        collection=collection, id=name, with_vector=True
    )
    found: types_pb2.Vector = catalog.GetObject(request).vector
    return found


def _done(jobs: Any, **work: Any) -> Any:
    """What a job did, once it is done."""
    started = jobs.StartJob(job_pb2.StartJobRequest(**work)).job
    *_, last = jobs.WatchJob(job_pb2.WatchJobRequest(job_id=started.job_id))
    if last.job.state != job_pb2.JOB_STATE_DONE:
        raise RuntimeError(f"{last.job.kind}: {last.job.reason} {last.job.message}")
    return json.loads(last.job.result_json)


@contextmanager
def _jobs(address: str) -> Iterator[Any]:
    """A connection to `JobService`."""
    with connection(address) as channel:
        yield job_pb2_grpc.JobServiceStub(channel)


@contextmanager
def _catalog(address: str) -> Iterator[Any]:
    """A connection to `CatalogService`."""
    with connection(address) as channel:
        yield catalog_pb2_grpc.CatalogServiceStub(channel)


def rise(values: Sequence[float]) -> float:
    """How much a line through equally spaced values rises from its begin to its end."""
    slope = np.polyfit(np.arange(len(values)), values, 1)[0]
    return float(slope * (len(values) - 1))


def say(text: str) -> None:
    """Tell people on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def main() -> int:
    """Read the command line, and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        data = _archive(folder)
        truth = Truth.of(
            [folder / MODEL, folder / OTHER],
            list(itertools.chain(*CUTOUTS)),
            folder / ARCHIVE,
            folder / "aside",
        )
        resident: list[float] = []
        files: list[float] = []
        with Service(data, folder, "--roots", folder) as service:
            soak = Soak(service.address, folder, truth)
            soak.prepare()

            def watch() -> None:
                resident.append(service.resident_bytes())
                files.append(service.num_descriptors())
                if len(files) % round(60 / SAMPLE_SECONDS) == 0:
                    say(f"{dict(soak.counts)}, {resident[-1] / 2**20:.0f} MiB")

            soak.run(seconds, watch)
            code = service.stop()
    return report(soak, resident, files, code)


def _archive(folder: Path) -> Path:
    """A data directory; and beside it files to be indexed, and a second model."""
    model = write_model(folder / MODEL)
    write_model(folder / OTHER, seed=1)
    (folder / ARCHIVE).mkdir()
    for number in range(NUM_FILES):
        drawn = draw(KINDS[number % len(KINDS)], 2000 + number)
        (folder / ARCHIVE / f"{number:04}.fits").write_bytes(drawn)
    with Library(folder / "data") as library:
        fill(library, FITTED, model, num_each=20)
        embed = Engine(library).embed
        ordinary = [embed(FITTED, CutoutQuery(draw("long", i))) for i in range(20)]
        calibration = np.stack([one.vector for one in ordinary])
        library.collection(FITTED).fit(calibration=calibration)
        fill(library, f"{LIVE}-0", model, num_each=NUM_EACH)
        library.point_alias(LIVE, f"{LIVE}-0")
    return folder / "data"


def report(
    soak: Soak, resident: Sequence[float], files: Sequence[float], code: int
) -> int:
    """Say what became of it; 0 if all is well."""
    warm = len(files) // 3
    more_bytes, more_files = rise(resident[warm:]), rise(files[warm:])
    most_bytes = MOST_RISE * float(np.mean(resident))
    checks = {
        f"memory rises by {more_bytes / 2**20:.1f} MiB from "
        f"{resident[warm] / 2**20:.0f} MiB": more_bytes <= most_bytes,
        f"open files rise by {more_files:.1f} from {files[warm]:.0f}": more_files
        <= MOST_FILES,
        f"it ended with {code}": code == 0,
    }
    for trouble in soak.troubles[:20]:
        say(trouble)
    for check, is_well in checks.items():
        say(("" if is_well else "FAILED: ") + check)
    p50, p99 = np.percentile(soak.milliseconds, (50, 99))
    say(f"{dict(soak.counts)}; reads take {p50:.1f} ms, the slowest 1 % {p99:.1f} ms")
    failed = len(soak.troubles) + list(checks.values()).count(False)
    passed = sum(soak.counts.values()) + len(checks) - failed
    sys.stdout.write(f"{passed} passed, {failed} failed\n")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
