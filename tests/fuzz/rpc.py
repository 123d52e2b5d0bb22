"""Ask a running service every nonsense, and see that it never does worse than refuse.

``python -m tests.fuzz.rpc --count 20000`` calls every method of every service that the
server's reflection lists, so that new ones are called too. A call may end as `STATUSES`
says, with the reason in an ErrorInfo; the process lives, answers others properly, and its
memory stays bounded. The call numbered N of the seed S is always the same;
``--replay N`` makes it again.
"""

import argparse
import itertools
import random
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from grpc import StatusCode
from tests import reflected, told
from tests.conftest import DIMENSION, KINDS, draw, fill, to_fits, write_model
from tests.fuzz.damage import collected, say
from tests.fuzz.messages import Messages, Sense
from tests.process import Service

from skylike.client import Client
from skylike.service.engine import CutoutQuery, Engine
from skylike.service.library import Library

OURS = "skylike."
# How any call of ours may end, however it was made. Never INTERNAL, UNKNOWN, DATA_LOSS,
# UNIMPLEMENTED.
ALWAYS = {
    StatusCode.OK,
    StatusCode.INVALID_ARGUMENT,
    StatusCode.NOT_FOUND,
    StatusCode.FAILED_PRECONDITION,
    StatusCode.UNAVAILABLE,
}
# And what some may besides.
STATUSES = {
    "skylike.v1.CatalogService.AddObjects": {StatusCode.ALREADY_EXISTS},
    "skylike.v1.CatalogService.CreateCollection": {StatusCode.ALREADY_EXISTS},
    "skylike.v1.JobService.StartJob": {StatusCode.PERMISSION_DENIED},
    # Answered by callbacks, without layers: gRPC parses.
    "grpc.health.v1.Health.Watch": {StatusCode.INTERNAL},
}
# Made by gRPC, which gives no reason: too much at once, too late, or given up.
BY_GRPC = {
    StatusCode.RESOURCE_EXHAUSTED,
    StatusCode.DEADLINE_EXCEEDED,
    StatusCode.CANCELLED,
}
SECONDS = 30.0
MOST_BYTES = 4 * 2**20
LIMITS = (
    *("--max-message-bytes", str(MOST_BYTES), "--max-inflated-bytes", str(2**26)),
    *("--max-pixels", str(2**22), "--max-tile-pixels", str(2**20)),
)
GROWTH = 2**30
MOST_REPLIES = 50
EVERY = 200  # calls between two looks at whether it still answers
CALLERS = 4
# Never named by a random message: it has to be what it was, at the end.
KEPT = "kept"
FILES, MODEL = "files", "tiny.onnx"


class Run:
    """Many calls to one process."""

    def __init__(self, service: Service, folder: Path, seed: int) -> None:
        self._service, self._seed = service, seed
        self._lock = threading.Lock()
        self._sense = _sense(folder)
        with grpc.insecure_channel(service.address) as channel:
            self._methods = [
                method for one in reflected.services(channel) for method in one.methods
            ]
        self._truth = self._ask()
        self._start_bytes = service.resident_bytes()
        self.endings: Counter[tuple[str, str]] = Counter()
        self.passed = self.failed = 0

    def calls(self, numbers: Sequence[int]) -> None:
        """Make the calls of these numbers, some at a time."""
        waiting = iter(numbers)

        def work(_: int) -> None:
            with grpc.insecure_channel(self._service.address) as channel:
                while (number := self._next(waiting)) is not None:
                    self._judge(number, self._call(channel, number))

        with ThreadPoolExecutor(CALLERS) as pool:
            list(pool.map(work, range(CALLERS)))
        for trouble in self._state():
            self._note(None, trouble)

    def _next(self, waiting: Iterator[int]) -> int | None:
        with self._lock:
            return next(waiting, None)

    def _call(self, channel: grpc.Channel, number: int) -> tuple[str, str, str]:
        """The method, how it ended, and what is wrong with that."""
        chance = random.Random(f"{self._seed}/{number}")
        method = self._methods[number % len(self._methods)]
        sent = self._requests(method, chance)
        seconds = chance.choice([SECONDS] * 18 + [0.001, 0.02])
        if method.server_streaming:  # which may never end
            seconds = min(seconds, 5.0 if method.client_streaming else 0.2)
        try:
            _make(channel, method, sent, seconds, chance)
        except grpc.RpcError as error:
            call: Any = error
            return (
                method.full_name,
                call.code().name,
                _wrong(method, call, seconds, sent),
            )
        return method.full_name, "OK", ""

    def _requests(self, method: MethodDescriptor, chance: random.Random) -> list[bytes]:
        messages = Messages(chance, self._sense)
        count = chance.choice((0, 1, 1, 2, 7, 40)) if method.client_streaming else 1
        return [messages.draw(method.input_type, MOST_BYTES) for _ in range(count)]

    def _judge(self, number: int, called: tuple[str, str, str]) -> None:
        name, ending, trouble = called
        with self._lock:
            self.endings[name, ending] += 1
            done = self.passed + self.failed
        if not trouble and done % EVERY == 0:
            trouble = "; ".join(self._state())
        self._note(number, f"{name}: {trouble}" if trouble else "")

    def _note(self, number: int | None, trouble: str) -> None:
        with self._lock:
            if trouble:
                self.failed += 1
                say(f"{'at the end' if number is None else number}: {trouble}")
            else:
                self.passed += 1

    def _state(self) -> Iterator[str]:
        """What is wrong with the process, or with what it answers to others."""
        if not self._service.is_alive:
            yield "the process has died"
            return
        told, numbers = self._ask()
        known, before = self._truth
        # Those answered together differ by rounding from one alone.
        if told != known or not np.allclose(numbers, before, rtol=1e-3, atol=1e-5):
            yield "it answers otherwise than at the start"
        grown = self._service.resident_bytes("VmHWM") - self._start_bytes
        if grown > GROWTH:
            yield f"it took {grown >> 20} MiB more than at the start"

    def _ask(self) -> tuple[Any, list[float]]:
        """What is told of the collection that nobody changes, and the numbers of it."""
        with Client(self._service.address, timeout=SECONDS) as client:
            found = client.analyze(draw("ring", 7), collection=KEPT)
            near = client.neighbors(object_id="long-0", collection=KEPT)
            one = client.get("round-1", collection=KEPT).object
        assert found.cluster is not None
        assert found.anomaly is not None
        hits = (*found.hits, *near.hits)
        told = (found.context, found.reading, found.cluster.label, one)
        return (told, [hit.object for hit in hits]), [
            *(hit.score for hit in hits),
            found.cluster.probability,
            found.anomaly.score,
            found.anomaly.percentile,
        ]


def _make(
    channel: grpc.Channel,
    method: MethodDescriptor,
    sent: Sequence[bytes],
    seconds: float,
    chance: random.Random,
) -> None:
    """Call a method to its end, or until enough of a stream was seen."""
    service = method.containing_service.full_name
    ways = (
        (channel.unary_unary, channel.unary_stream),
        (channel.stream_unary, channel.stream_stream),
    )
    call: Any = ways[method.client_streaming][method.server_streaming](
        f"/{service}/{method.name}",
        request_serializer=None,
        response_deserializer=message_factory.GetMessageClass(
            method.output_type
        ).FromString,
    )
    request: Any = iter(sent) if method.client_streaming else sent[0]
    if not method.server_streaming:
        call(request, timeout=seconds)
        return
    replies = call(request, timeout=seconds)
    for _ in itertools.islice(replies, chance.randrange(MOST_REPLIES)):
        pass
    replies.cancel()


def _wrong(
    method: MethodDescriptor, call: Any, seconds: float, sent: Sequence[bytes]
) -> str:
    """What is wrong with how a call failed; empty if nothing is."""
    code, name = call.code(), method.full_name
    words = f"{code.name}: {call.details()}"
    if code in BY_GRPC:
        is_due = {
            StatusCode.RESOURCE_EXHAUSTED: max(map(len, sent), default=0) > MOST_BYTES,
            StatusCode.DEADLINE_EXCEEDED: seconds < SECONDS,
            StatusCode.CANCELLED: method.server_streaming or seconds < SECONDS,
        }
        if is_due[code]:
            return ""
    if code not in ALWAYS | STATUSES.get(name, set()):
        return words
    if name.startswith(OURS) and not told.reason(call):
        return f"no ErrorInfo with {words}"
    return ""


def _sense(folder: Path) -> Sense:
    """What a caller would know of the archive below."""
    ids = [f"{kind}-{number}" for kind in KINDS for number in range(20)]
    doomed = [f"{kind}-{number}" for kind in KINDS for number in range(15, 20)]
    collections = (*["sky"] * 12, "best", "best", "bare", "empty", "nobody")
    spare = ("spare-1", "spare-2")
    texts = {
        "collection": collections,
        "CreateCollectionRequest.collection": spare,
        "DeleteCollectionRequest.collection": spare,
        "SetAliasRequest.collection": ("sky", "sky", "bare", *spare),
        "model_of": ("sky",),
        "alias": ("best", "other"),
        "object_id": ids,
        "ids": ids,
        "DeleteObjectsRequest.ids": doomed,
        "like_ids": ids,
        "unlike_ids": ids,
        "GetObjectRequest.id": ids,
        "AttributesEntry.key": ("kind", "number", "weight"),
        "AttributeIn.name": ("kind", "number"),
        "AttributeRange.name": ("number", "valid_fraction"),
        "request_id": ("", "", "5f0c4a52-3a57-4d55-9b4e-9c1e8e1f3c11"),
        "sources": (str(folder / FILES),),
        "model": (str(folder / MODEL),),
        "path": tuple(str(folder / f"snapshot-{number}") for number in range(20)),
        "kind": ("", "flat"),
        "service": ("", "skylike.v1.SearchService"),
        "hdu": ("", "", "", "0"),
        "stokes": ("",),
        "page_token": ("",),
        "model_id": ("",),
        "flags": ("LOW_SN", "RESAMPLED", "EDGE"),
        **dict.fromkeys(("label", "labels", "add", "remove"), ("odd", "merger")),
    }
    cutouts = [draw(kind, seed) for kind in KINDS for seed in range(5)]
    flat = to_fits(np.full((40, 40), 3.0))
    numbers: dict[str, tuple[float, ...]] = {
        "k": (0, 1, 5, 10, 1000),
        "label": (0, 1, 2),
        "dimension": (0, DIMENSION),
        "ra_deg": (150.0, 150.1, 0.0, 359.0),
        "dec_deg": (2.0, 3.0, -90.0),
        "radius_deg": (0.01, 1.0, 90.0),
        "effort": (0.0, 1.0, 4.0),
        "epoch_mjd": (59_000.0, 0.0),
    }
    return Sense(texts, numbers, (*cutouts, flat), [*collected(), *cutouts], DIMENSION)


def archive(folder: Path) -> Path:
    """A data directory with collections that are fitted, not fitted, and empty."""
    model = write_model(folder / MODEL)
    (folder / FILES).mkdir()
    for number, data in enumerate((draw("ring", 77), draw("long", 78)[:3000], b"")):
        (folder / FILES / f"{number}.fits").write_bytes(data)
    with Library(folder / "data") as library:
        for name in (KEPT, "sky"):
            fill(library, name, model, num_each=20)
            embed = Engine(library).embed
            calibration = [
                embed(name, CutoutQuery(draw("long", 500 + i))).vector
                for i in range(20)
            ]
            library.collection(name).fit(calibration=np.stack(calibration))
        fill(library, "bare", model, num_each=1)
        library.create("empty", model)
    return folder / "data"


def main() -> int:
    """Read the command line, and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="how many calls")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--replay", type=int, nargs="+", metavar="NUMBER")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = archive(Path(folder))
        with Service(data, Path(folder), *LIMITS, "--roots", folder) as service:
            run = Run(service, Path(folder), arguments.seed)
            run.calls(arguments.replay or range(arguments.count))
            peak = service.resident_bytes("VmHWM") if service.is_alive else 0
            if service.is_alive and (code := service.stop()) != 0:
                run.failed += 1
                say(f"it ended with {code}")
            for failure in service.failures()[:5]:
                say(failure)
    for (name, ending), count in sorted(run.endings.items()):
        say(f"{count:>9} {name} {ending}")
    say(f"at most {peak >> 20} MiB resident")
    sys.stdout.write(f"{run.passed} passed, {run.failed} failed\n")
    return int(run.failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
