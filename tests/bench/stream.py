"""How many questions a stream answers, beside what the bare parts would allow.

Each part is measured alone, as quick as it gets on all cores: messages that only go there
and back, files that are only read, stamps embedded and vectors searched one by one. One
item needs all of them, so the seconds of each add up to what an item takes at least. Beside
that stands what they allow where stamps and vectors go in batches, and questions several in
a message, there as here.
"""

import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import faiss as _faiss
import grpc
import numpy as np
import onnxruntime
from tests.bench import vectors
from tests.bench.echo import echoing
from tests.bench.load import read_requests, write_requests
from tests.bench.measure import Measure

from skylike.service.encoder import BASE
from skylike.service.processes import num_cores
from skylike.v1 import search_pb2

faiss: Any = _faiss  # its stubs lack what is used here

_METHOD = "/skylike.v1.SearchService/AnalyzeStream"
_SECONDS = 6.0
_BATCH = 64
_TOGETHER = 16  # questions of a message, as the client sends them
_ROUNDS = 3

_READ = """
import sys, time, fitsio
files = sys.argv[2:]
for file in files: fitsio.read(file, header=True)
print(flush=True)
sys.stdin.readline()
began = time.perf_counter()
count = 0
while time.perf_counter() - began < float(sys.argv[1]):
    for file in files: fitsio.read(file, header=True)
    count += len(files)
print(count / (time.perf_counter() - began))
"""


def measure(
    address: str, requests: list[bytes], files: list[str], data: Path, folder: Path
) -> Measure:
    """The stream of one caller, between two measurements of the parts."""
    single = write_requests(folder / "single", _messages(requests, 1))
    several = write_requests(folder / "several", _messages(requests, _TOGETHER))
    before = _parts(single, several, files, data)
    rates = [
        [_flow(address, _METHOD, asked) for asked in (single, several)]
        for _ in range(_ROUNDS)
    ]
    after = _parts(single, several, files, data)
    parts = {name: (rate + after[name]) / 2 for name, rate in before.items()}
    rate, rate_together = np.median(rates, axis=0).tolist()
    allowed = _allowed(parts, "echo", "onnxruntime", "faiss")
    in_batches = _allowed(parts, "echo", "onnxruntime_batch", "faiss_batch")
    together = _allowed(parts, "echo_together", "onnxruntime_batch", "faiss_batch")
    return Measure(
        "service.stream_vs_parts",
        rate / allowed,
        "questions per second of one stream, over what the bare parts allow on all cores",
        {
            "items_per_second": rate,
            "allowed_per_second": allowed,
            "vs_parts_in_batches": rate / in_batches,
            "together_per_second": rate_together,
            "together_vs_parts": rate_together / allowed,
            "together_vs_parts_together": rate_together / together,
            **{f"{name}_per_second": rate for name, rate in parts.items()},
        },
    )


def _messages(requests: list[bytes], together: int) -> list[bytes]:
    """So many questions in a message each."""
    questions = [
        search_pb2.StreamQuestion(
            item_id=f"item-{number}",
            analyze=search_pb2.AnalyzeRequest.FromString(request),
        )
        for number, request in enumerate(requests)
    ]
    messages = [
        search_pb2.AnalyzeStreamRequest(item_id=one.item_id, analyze=one.analyze)
        if together == 1
        else search_pb2.AnalyzeStreamRequest(questions=questions[start:][:together])
        for start, one in enumerate(questions)
        if start % together == 0
    ]
    return [message.SerializeToString() for message in messages]


def _allowed(parts: dict[str, float], *names: str) -> float:
    """Items a second that need files and these."""
    return 1 / sum(1 / parts[name] for name in ("fitsio", *names))


def _parts(single: str, several: str, files: list[str], data: Path) -> dict[str, float]:
    """How many items a second each part does alone."""
    return {
        "echo": _echo(single),
        "echo_together": _echo(several),
        "fitsio": _read(files),
        "onnxruntime": _embedded(1),
        "onnxruntime_batch": _embedded(_BATCH),
        "faiss": _searched(data, 1),
        "faiss_batch": _searched(data, _BATCH),
    }


def _echo(asked: str) -> float:
    with echoing("stream") as address:
        return _flow(address, "/any/Echo", asked)


def _read(files: list[str]) -> float:
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", _READ, str(_SECONDS / 2), *files],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(num_cores())
    ]
    for reader in readers:
        assert reader.stdout is not None
        reader.stdout.readline()
    return sum(float(reader.communicate("\n")[0]) for reader in readers)


def _embedded(batch: int) -> float:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(BASE), options, providers=["CPUExecutionProvider"]
    )
    stamps = np.random.default_rng(0).normal(size=(batch, 1, 64, 64))
    stamps = stamps.astype(np.float32)
    return _rate(lambda: session.run(None, {"stamps": stamps}), batch)


def _searched(data: Path, batch: int) -> float:
    [segment] = (data / "collections/sky/segments").glob("*.faiss")
    index = faiss.read_index(str(segment))
    manifest = json.loads((data / "collections/sky/manifest.json").read_text())
    width = manifest["body"]["segments"][0]["width"]
    parameters = faiss.SearchParametersHNSW(efSearch=width)
    known = np.load(vectors.extended(vectors.base(), 50 * _BATCH, seed=3))
    queries = itertools.cycle(known.reshape(-1, batch, index.d))
    guard = threading.Lock()

    def search() -> None:
        faiss.omp_set_num_threads(1)  # of this thread: each core has one of its own
        with guard:
            query = next(queries)
        index.search(query, 10, params=parameters)

    return _rate(search, batch)


def _rate(work: Callable[[], object], batch: int) -> float:
    """Items a second, by a thread for each core."""

    def repeat(_: int) -> int:
        count = 0
        while time.perf_counter() < until:
            work()
            count += batch
        return count

    work()
    began = time.perf_counter()
    until = began + _SECONDS / 2
    with ThreadPoolExecutor(num_cores()) as pool:
        count = sum(pool.map(repeat, range(num_cores())))
    return count / (time.perf_counter() - began)


def _flow(address: str, method: str, asked: str) -> float:
    """Questions a second through a stream, from another process."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.stream", address, method, asked],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def main() -> None:
    """Send messages as fast as they are taken, and count what is answered."""
    address, method, asked = sys.argv[1:]
    requests = read_requests(asked)
    with grpc.insecure_channel(address) as channel:
        bare: Any = channel  # its stubs want serialisers
        ask = bare.stream_stream(method)
        list(ask(iter(requests)))  # what is slow the first time
        began = time.perf_counter()

        def until_the_end() -> Iterator[bytes]:
            for request in itertools.cycle(requests):
                if time.perf_counter() - began > _SECONDS:
                    return
                yield request

        answers = list(ask(until_the_end()))
        seconds = time.perf_counter() - began
    count = _answered(answers) if method == _METHOD else _echoed(answers)
    sys.stdout.write(str(count / seconds))


def _answered(messages: list[bytes]) -> int:
    """How many questions were answered, each of them well."""
    count = 0
    for message in map(search_pb2.AnalyzeStreamResponse.FromString, messages):
        for answer in message.answers or [message]:
            assert answer.HasField("analysis")
            count += 1
    return count


def _echoed(messages: list[bytes]) -> int:
    parsed = map(search_pb2.AnalyzeStreamRequest.FromString, messages)
    return sum(len(message.questions) or 1 for message in parsed)


if __name__ == "__main__":
    main()
