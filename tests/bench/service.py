"""What the service costs beside the parts it is made of, and under too much load."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import faiss as _faiss
import fitsio
import grpc
import numpy as np
import onnxruntime
from tests.bench import stream, vectors
from tests.bench.collection import sky_object
from tests.bench.echo import echoing
from tests.bench.imaging import small_files
from tests.bench.load import Load, Outcome, write_requests
from tests.bench.measure import Measure

from skylike.service.encoder import BASE
from skylike.service.library import Library
from skylike.v1 import search_pb2

faiss: Any = _faiss  # its stubs lack what is used here

SIZE = int(os.environ.get("SIZE", "1000000"))
SECONDS = float(os.environ.get("SECONDS", "60"))
ROUNDS = 2000
CALLERS = 8
_STEP = 1.3  # from one rate to the next, in search of the most
_METHOD = "/skylike.v1.SearchService/Analyze"
_NUM_FILES = 200
_MOST = 1000  # neighbours that one call may ask for
_BATCH = 10_000
_CALIBRATION = 500


def measure() -> list[Measure]:
    """All figures of this theme."""
    vectors.CACHE.mkdir(parents=True, exist_ok=True)
    large = _data(SIZE)
    with TemporaryDirectory(dir=vectors.CACHE.parent) as folder:
        files = small_files(Path(folder), _NUM_FILES)
        requests = [_request(Path(file).read_bytes()) for file in files]
        asked = write_requests(Path(folder) / "asked", requests)
        hard = [_request(Path(file).read_bytes(), _MOST, exact=True) for file in files]
        hardest = write_requests(Path(folder) / "hard", hard)
        found = []
        with _serving(large) as (address, _):
            found.append(_beside_parts(address, requests, files, large))
            found.append(stream.measure(address, requests, files, large, Path(folder)))
            found.append(_tail(address, asked))
        with _serving(large) as (address, process):
            found.append(_overload(address, process, hardest))
    return found


def _data(size: int) -> Path:
    """A data directory of a fitted collection, kept beside the vectors it is made of."""
    path = vectors.CACHE.parent / f"service-{size}"
    if path.exists() and not _is_fitted(path):
        shutil.rmtree(path)
    if not path.exists():
        known = vectors.base()
        archive = np.load(vectors.extended(known, size, seed=1), mmap_mode="r")
        draft = path.with_suffix(".unfinished")
        with Library(draft) as library:
            collection = library.create("sky", BASE)
            with collection.bulk():
                for start in range(0, size, _BATCH):
                    part = np.array(archive[start : start + _BATCH])
                    rows = range(start, start + len(part))
                    collection.add([sky_object(row) for row in rows], part)
            others = np.load(vectors.extended(known, 2 * _CALIBRATION, seed=2))
            nearest = collection.nearest(others, 1)
            is_new = [hits[0].score < 1 - 1e-6 for hits in nearest]
            collection.fit(calibration=others[is_new][:_CALIBRATION])
        draft.rename(path)
    return path


def _is_fitted(data: Path) -> bool:
    """Not if an older skylike made it."""
    with Library(data) as library:
        return library.collection("sky").anomaly is not None


@contextlib.contextmanager
def _serving(data: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """A service as it is by default; its address and process."""
    ready = data / "ready.json"
    ready.unlink(missing_ok=True)
    command = [
        "serve",
        "--data",
        data,
        "--address",
        "127.0.0.1:0",
        "--ready-file",
        ready,
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "skylike.service", *map(str, command)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not ready.exists():
            assert process.poll() is None
            time.sleep(0.05)
        yield json.loads(ready.read_text())["address"], process
    finally:
        process.terminate()
        process.wait()


def _request(content: bytes, k: int = 10, *, exact: bool = False) -> bytes:
    request = search_pb2.AnalyzeRequest(k=k)
    request.query.cutout.fits = content
    if exact:
        request.options.exact = True
    return request.SerializeToString()


def _beside_parts(
    address: str, requests: list[bytes], files: list[str], data: Path
) -> Measure:
    """One caller; each round the parts first, then the whole: caches are shared alike."""
    session = _bare_session()
    stamps = np.random.default_rng(0).normal(size=(len(files), 1, 1, 64, 64))
    stamps = stamps.astype(np.float32)
    [segment] = (data / "collections/sky/segments").glob("*.faiss")
    index = faiss.read_index(str(segment))
    manifest = json.loads((data / "collections/sky/manifest.json").read_text())
    width = manifest["body"]["segments"][0]["width"]
    parameters = faiss.SearchParametersHNSW(efSearch=width)
    queries = np.load(vectors.extended(vectors.base(), len(files), seed=3))
    with (
        echoing("unary") as other,
        grpc.insecure_channel(address) as channel,
        grpc.insecure_channel(other) as back,
    ):
        ask, repeat = _bare_call(channel, _METHOD), _bare_call(back, "/any/Echo")
        parts: dict[str, Callable[[int], object]] = {
            "echo": lambda i: repeat(requests[i]),
            "fitsio": lambda i: fitsio.read(files[i], header=True),
            "onnxruntime": lambda i: session.run(None, {"stamps": stamps[i]}),
            "faiss": lambda i: index.search(queries[i : i + 1], 10, params=parameters),
            "analyze": lambda i: ask(requests[i]),
        }
        faiss.omp_set_num_threads(1)  # a single query wakes no second thread
        taken = {name: np.empty(ROUNDS) for name in parts}
        for number in range(-50, ROUNDS):
            for name, work in parts.items():
                began = time.perf_counter()
                work(number % len(files))
                taken[name][number] = time.perf_counter() - began
    medians = {name: float(np.median(seconds)) for name, seconds in taken.items()}
    ours = medians.pop("analyze")
    of = {f"{name}_microseconds": one * 1e6 for name, one in medians.items()}
    return Measure(
        "service.analyze_vs_parts",
        ours / sum(medians.values()),
        f"median time of one caller, {SIZE:,} objects, over the sum of bare parts",
        {"analyze_microseconds": ours * 1e6, **of},
    )


def _bare_call(channel: Any, method: str) -> Callable[[bytes], bytes]:
    call: Callable[[bytes], bytes] = channel.unary_unary(method)
    return call


def _bare_session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        str(BASE), options, providers=["CPUExecutionProvider"]
    )


def _tail(address: str, asked: str) -> Measure:
    """How long the slowest wait at 70 % of what the server can do."""
    load = Load(address, _METHOD, asked, 8, 10, callers=CALLERS)
    capacity = load.offered().goodput
    found = Load(address, _METHOD, asked, 20, 10, rate=0.7 * capacity).offered()
    assert found.answered.all()
    return Measure(
        "service.p99_vs_p50_at_70_percent",
        found.latency(99) / found.latency(50),
        "slowest hundredth over median, calls at random moments",
        {
            "capacity_per_second": capacity,
            "offered_per_second": found.rate,
            "late_p99_milliseconds": _late(found),
            "p50_milliseconds": found.latency(50) * 1e3,
            "p99_milliseconds": found.latency(99) * 1e3,
        },
    )


def _late(found: Outcome) -> float:
    """How much later than planned the generator sent, milliseconds."""
    return float(np.percentile(found.late, 99)) * 1e3


def _overload(address: str, process: "subprocess.Popen[bytes]", asked: str) -> Measure:
    """Ten times what it can do, for a while, and what comes after.

    Each call is compared with all objects and tells of as many as one may ask for: a
    refusal costs the same whatever is asked, and ten times as much of what is answered
    at once would leave no time for anything else.
    """
    deadline = 1.0

    def offer(
        rate: float, seconds: float, calm_rate: float = 0.0, calm_seconds: float = 0.0
    ) -> Outcome:
        load = Load(
            address,
            _METHOD,
            asked,
            seconds,
            deadline,
            rate=rate,
            calm_rate=calm_rate,
            calm_seconds=calm_seconds,
        )
        return load.offered()

    closed = Load(address, _METHOD, asked, 8, deadline, callers=CALLERS)
    capacity = closed.offered().goodput
    assert capacity <= 200, f"{capacity:.0f} calls per second: give it more to do"
    # Callers who wait for answers do not ask for the most there are: what waits is
    # answered together, and the more there is the quicker.
    rates, peaks = [0.9 * capacity], [offer(0.9 * capacity, 8).goodput]
    while max(peaks) in peaks[-2:]:
        rates.append(_STEP * rates[-1])
        peaks.append(offer(rates[-1], 8).goodput)
    peak = max(peaks)
    before = _memory(process, "VmHWM")
    both = offer(10 * peak, SECONDS, 0.7 * peak, 10)
    found, calm = both.until(SECONDS), both.since(SECONDS)
    failed = ~found.answered & ~found.refused
    # As much before as after: a machine is not always as quick. The best rate by one time
    # is measured by the other, since the best of many is better than it is.
    again = [offer(rate, 8).goodput for rate in rates]
    peak = (again[int(np.argmax(peaks))] + peaks[int(np.argmax(again))]) / 2
    of = {
        "peak_per_second": peak,
        "goodput_per_second": found.goodput,
        "offered_per_second": found.rate,
        "offered_over_peak": found.rate / peak,
        "late_p99_milliseconds": _late(found),
        "seconds": SECONDS,
        "answered_p99_milliseconds": found.latency(99) * 1e3,
        "refused_p50_milliseconds": _refusal(found, 50),
        "refused_p99_milliseconds": _refusal(found, 99),
        "failed_share": float(failed.mean()),
        "peak_memory_before_megabytes": before / 1e6,
        "peak_memory_after_megabytes": _memory(process, "VmHWM") / 1e6,
        "memory_after_megabytes": _memory(process, "VmRSS") / 1e6,
        "recovery_seconds": _recovery(calm),
    }
    return Measure(
        "service.overload_goodput",
        found.goodput / peak,
        "calls answered in time at 10 times the load, over the most there are",
        of,
    )


def _refusal(found: Outcome, percent: float) -> float:
    if not found.refused.any():
        return float("nan")
    return float(np.percentile(found.took[found.refused], percent)) * 1e3


def _recovery(calm: Outcome) -> float:
    """Seconds after the overload from which on 95 % are answered; NaN for never."""
    seconds = np.arange(int(calm.due.max() - SECONDS))
    shares = [calm.answered[calm.due >= SECONDS + one].mean() for one in seconds]
    well = np.flatnonzero(np.array(shares) >= 0.95)
    return float(seconds[well[0]]) if len(well) else float("nan")


def _memory(process: "subprocess.Popen[bytes]", name: str) -> int:
    """Bytes by the kernel's account: VmRSS now, VmHWM at most so far."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if name in line)
