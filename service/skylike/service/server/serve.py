"""A running server: from an engine to a port, and down again without loss."""

import contextlib
import faulthandler
import gc
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Self

import structlog
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from skylike.service import caller
from skylike.service.certificates import Certificates
from skylike.service.config import Settings
from skylike.service.engine import Engine
from skylike.service.errors import Cancelled
from skylike.service.gateway import Gateway
from skylike.service.jobs import Jobs
from skylike.service.monitoring import Monitor
from skylike.service.processes import num_cores
from skylike.service.server import health, reflection, tls
from skylike.service.server.access import Access, keys_of
from skylike.service.server.admission import Admission
from skylike.service.server.catalog import CatalogServicer
from skylike.service.server.door import Door
from skylike.service.server.interceptors import ErrorMapping, RequestLog
from skylike.service.server.jobs import JobServicer
from skylike.service.server.parsing import Parsing
from skylike.service.server.ports import Ports
from skylike.service.server.refusal import Refusals
from skylike.service.server.search import SearchServicer
from skylike.service.server.taking import Taking
from skylike.service.server.teaching import TeachingServicer
from skylike.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    job_pb2,
    job_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
    teaching_pb2,
    teaching_pb2_grpc,
)

_SERVICES = (
    search_pb2.DESCRIPTOR.services_by_name["SearchService"],
    catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"],
    teaching_pb2.DESCRIPTOR.services_by_name["TeachingService"],
    job_pb2.DESCRIPTOR.services_by_name["JobService"],
)
SERVICES = tuple(service.full_name for service in _SERVICES)
_METHODS = frozenset(
    f"/{service.full_name}/{method.name}"
    for service in _SERVICES
    for method in service.methods
)

# What cancelled calls and jobs get to end.
_STOP_SECONDS = 2.0
_STUCK_SECONDS = 20.0  # beyond the grace
_SIGNAL_SECONDS = 0.5
_SWITCH_SECONDS = 0.0002
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_log = structlog.get_logger()


class Server:
    """The gRPC server of an engine. Starts on creation, SERVING once it is `ready`.

    Parameters
    ----------
    engine
        What answers.
    settings
        Where to listen and how.

    Attributes
    ----------
    address
        HOST:PORT it listens on, with the port that was picked if 0 was asked for.
    addresses
        All it listens on, by the names of their settings.
    monitor
        What sees its calls and collections.

    Raises
    ------
    BadSettings
        ``address_unusable`` if the address cannot be listened on; or if certificate or
        keys cannot be used, or are missing where other machines can reach it.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._grace_seconds = settings.grace_seconds
        self._gateway: Gateway | None = None
        self._closing = contextlib.ExitStack()
        self.monitor = Monitor(engine)
        # Python lets one thread go on at a time: two cores are well used by one place,
        # whose native parts, and readers of cutouts, go on beside it.
        places = settings.workers or max(1, num_cores() // 2)
        admission = Admission(settings, places)
        refusals = Refusals(self.monitor, _METHODS)
        self._access = Access(keys_of(settings), refusals)
        taking = Taking(settings.max_idle_seconds)
        self._closing.callback(taking.close)
        self._ports = Ports(
            settings,
            [
                self._access,
                Door(admission, refusals),
                RequestLog(self.monitor),
                ErrorMapping(self.monitor),
                taking,
                admission,
                Parsing(settings.max_message_bytes),
            ],
        )
        # Not a server by its class, but all that services ask of one.
        server: Any = self._ports
        search = SearchServicer(
            engine,
            places,
            admission,
            self.monitor,
            settings.max_message_bytes,
            settings.max_idle_seconds,
            settings.roots,
        )
        self._closing.callback(search.close)
        search_pb2_grpc.add_SearchServiceServicer_to_server(search, server)
        catalog_pb2_grpc.add_CatalogServiceServicer_to_server(
            CatalogServicer(engine), server
        )
        teaching_pb2_grpc.add_TeachingServiceServicer_to_server(
            TeachingServicer(engine), server
        )
        self._jobs = Jobs(engine.library)
        job_pb2_grpc.add_JobServiceServicer_to_server(
            JobServicer(self._jobs, settings.roots), server
        )
        self._health = health.Health(SERVICES)
        health.add_to(server, self._health)
        names = (*SERVICES, health.SERVICE_NAME)
        reflection.enable(server, names, admission.load, settings.max_idle_seconds)
        try:
            files = Certificates.of(settings)
            self.address = self._ports.listen(settings.address, files)
            self.addresses = {
                "address": self.address,
                **self._listen_beside(settings, files),
            }
        except BaseException:
            self.stop()
            raise
        self._ports.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def ready(self) -> None:
        """Open every collection, watch them from now on, and tell that it answers.

        Raises
        ------
        Cancelled
            If the caller has asked to stop meanwhile; see `caller`.
        """
        self.monitor.rounds.start(self._health.tell)
        self._health.ready()

    def stop(self) -> None:
        """Refuse new calls, let running ones finish within the grace, and end.

        Those over HTTP have the same grace, and ask on inside while they have it. A call
        that gRPC does not get rid of is left behind, and so is a job that cannot be
        stopped.
        """
        end = time.monotonic() + self._grace_seconds

        def left(more: float = 0.0) -> float:
            return max(0.0, end + more - time.monotonic())

        self._health.stopping()
        self._jobs.stop()
        ended = [self._ports.stop(left())]
        if self._gateway is not None:
            self._gateway.stop(left())
        ended.append(self._ports.stop_inside(left()))
        self._jobs.close(left(_STOP_SECONDS))
        if not all([one.wait(left(_STOP_SECONDS)) for one in ended]):
            _log.warning("left_behind", why="calls did not end when cancelled")
        self.monitor.rounds.stop()
        self.monitor.stop()
        self._closing.close()

    def _listen_beside(
        self, settings: Settings, files: Certificates | None
    ) -> dict[str, str]:
        """Metrics, and HTTP, which asks at a socket that only this user can reach."""
        addresses = {}
        if settings.metrics_address is not None:
            bound = self.monitor.expose(settings.metrics_address)
            addresses["metrics_address"] = bound
        if settings.http_address is not None:
            folder = tempfile.TemporaryDirectory(prefix="skylike-")
            target = f"unix:{self._closing.enter_context(folder)}/grpc"
            self._ports.start_inside(target)
            self._gateway = Gateway(
                settings.http_address,
                target,
                None if files is None else tls.for_http(files),
                settings,
                self.monitor,
                self._access.allow,
                self.address,
            )
            addresses["http_address"] = self._gateway.address
        return addresses


def serve(
    engine: Engine,
    settings: Settings,
    *,
    ready_file: Path | None = None,
    on_ready: Callable[[Mapping[str, str]], None],
) -> None:
    """Answer until SIGTERM or SIGINT; a second signal ends the process at once.

    Call it from the main thread. The engine stays open.

    Parameters
    ----------
    engine
        What answers.
    settings
        Where to listen and how.
    ready_file
        Written as JSON, the addresses and ``pid``, when queries are answered; removed
        at the end.
    on_ready
        Called with the addresses, by the names of their settings, when queries are
        answered.
    """
    if ready_file is not None:
        ready_file.unlink(missing_ok=True)  # of a server that was killed
    with (
        _stop_signal() as stopping,
        # Calls share the cores already: threads of one would wait for each other.
        threadpool_limits(1, "blas"),
        Server(engine, settings) as server,
    ):
        with contextlib.suppress(Cancelled), _until(stopping):
            server.ready()
        # A thread that is busy lets others go on sooner: refusals must not wait for it.
        sys.setswitchinterval(_SWITCH_SECONDS)
        gc.freeze()  # what stays need not be looked through while calls wait
        if not stopping.is_set():
            told = settings.model_dump(mode="json")
            _log.info("serving", **told, bound=server.addresses)
            if ready_file is not None:
                _write_atomically(ready_file, server.addresses)
            on_ready(server.addresses)
        # A signal that the kernel gives to another thread does not wake this one, which
        # alone may handle it.
        while not stopping.wait(_SIGNAL_SECONDS):
            pass
        server.monitor.flush()  # what ended before stands before in the log
        _log.info("stopping", grace_seconds=settings.grace_seconds)
        # Whatever holds it up: a supervisor waits for it, and somebody wants to know.
        faulthandler.dump_traceback_later(
            settings.grace_seconds + _STUCK_SECONDS, exit=True
        )
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)
    faulthandler.cancel_dump_traceback_later()
    _log.info("stopped")


def _until(stopping: threading.Event) -> contextlib.AbstractContextManager[None]:
    """Within it, `caller.check` ends what goes on once the process is to stop."""

    def still() -> None:
        if stopping.is_set():
            raise Cancelled("the service is stopping")

    return caller.waits(still)


@contextlib.contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set; the second signal acts as it used to."""
    stopping = threading.Event()
    before = {number: signal.getsignal(number) for number in _STOP_SIGNALS}

    def stop(number: int, frame: FrameType | None) -> None:
        restore()
        stopping.set()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in _STOP_SIGNALS:
        signal.signal(number, stop)
    try:
        yield stopping
    finally:
        restore()


def _write_atomically(path: Path, addresses: Mapping[str, str]) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps({**addresses, "pid": os.getpid()}) + "\n")
    draft.replace(path)
