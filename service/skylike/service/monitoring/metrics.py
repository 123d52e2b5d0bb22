"""Prometheus metrics of one server. Nothing a caller writes becomes a label."""

import threading
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from skylike.service.calls import STAGES, Call
from skylike.service.engine import CollectionInfo

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
_BYTES = tuple(4**power for power in range(5, 15))  # 1 KiB to 256 MiB
_SIZES = (1, 2, 4, 8, 16, 32, 64)

_States = Callable[[], Iterable[tuple[str, CollectionInfo | None]]]


class Metrics:
    """Counts calls, and asks for the state of collections when it is read.

    Parameters
    ----------
    states
        Every collection's name with its state, or None where it cannot be used.
    """

    def __init__(self, states: _States) -> None:
        self._registry = registry = CollectorRegistry()
        self._calls = Counter(
            "skylike_calls",
            "Calls that have ended, by how.",
            ["method", "code"],
            registry=registry,
        )
        self._items = Counter(
            "skylike_stream_items",
            "Questions of streams that have been answered, by how.",
            ["code"],
            registry=registry,
        )
        self._errors = Counter(
            "skylike_errors",
            "Calls, and questions of streams, that were refused or failed, by reason.",
            ["reason"],
            registry=registry,
        )
        self._in_flight = Gauge(
            "skylike_calls_in_flight",
            "Calls being answered.",
            ["method"],
            registry=registry,
        )
        self._seconds = Histogram(
            "skylike_call_seconds",
            "Time from the beginning of a call to its end.",
            ["method"],
            buckets=_SECONDS,
            registry=registry,
        )
        stages = Histogram(
            "skylike_stage_seconds",
            "Time a call spends in a stage.",
            ["stage"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._stages = {stage: stages.labels(stage) for stage in STAGES}
        self._batches = Histogram(
            "skylike_batch_size",
            "Stamps that one run of the model had.",
            buckets=_SIZES,
            registry=registry,
        )
        self._bytes = Histogram(
            "skylike_request_bytes",
            "Size of what was received for a call.",
            ["method"],
            buckets=_BYTES,
            registry=registry,
        )
        build = Info("skylike_build", "What is running.", registry=registry)
        build.info({"version": version("skylike")})
        registry.register(_Collections(states))
        ProcessCollector(registry=registry)

    def begun(self, method: str) -> None:
        """Count a call that is being answered."""
        self._in_flight.labels(method).inc()

    def ended(self, method: str, call: Call, seconds: float) -> None:
        """Count a call that is not any more."""
        self._calls.labels(method, call.code).inc()
        self._seconds.labels(method).observe(seconds)
        self._bytes.labels(method).observe(call.request_bytes)
        self._inside(call)
        # At last: what is not in flight any more has been counted.
        self._in_flight.labels(method).dec()

    def items_ended(self, together: Call) -> None:
        """Count what some questions of a stream took together."""
        self._inside(together)

    def item_ended(self, code: str, reason: str) -> None:
        """Count one question of a stream; the reason is empty for one that was answered."""
        self._items.labels(code).inc()
        if reason:
            self._errors.labels(reason).inc()

    def refused(self, method: str, code: str, reason: str) -> None:
        """Count a call that was refused before it was read."""
        self._calls.labels(method, code).inc()
        self._errors.labels(reason).inc()

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self._registry)

    def serve(self, host: str, port: int) -> tuple[WSGIServer, threading.Thread]:
        """The same over HTTP, by a thread of its own."""
        return start_http_server(port, host, self._registry)

    def _inside(self, call: Call) -> None:
        if call.reason:
            self._errors.labels(call.reason).inc()
        for stage, spent in call.seconds.items():
            self._stages[stage].observe(spent)
        for size in call.batches:
            self._batches.observe(size)


class _Collections(Collector):
    """What there is to tell of collections, asked for whenever it is read."""

    def __init__(self, states: _States) -> None:
        self._states = states

    def describe(self) -> Iterable[Metric]:
        """Nothing: names are known without asking for any state."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Each collection's size, version and model."""
        usable = GaugeMetricFamily(
            "skylike_collection_usable", "1, or 0 for one out of use.", labels=["name"]
        )
        objects = GaugeMetricFamily(
            "skylike_collection_objects", "Objects it holds.", labels=["name"]
        )
        versions = GaugeMetricFamily(
            "skylike_collection_version", "Writes so far.", labels=["name"]
        )
        models = InfoMetricFamily(
            "skylike_collection_model", "Its model.", labels=["name"]
        )
        for name, state in self._states():
            usable.add_metric([name], state is not None)
            if state is not None:
                objects.add_metric([name], state.num_objects)
                versions.add_metric([name], state.context.collection_version)
                models.add_metric([name], {"model_id": state.context.model_id})
        yield from (usable, objects, versions, models)
