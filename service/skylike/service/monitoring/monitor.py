"""`Monitor`: a call from its beginning to its end, and collections all the time."""

import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias
from wsgiref.simple_server import WSGIServer

import structlog

from skylike.service import calls
from skylike.service.calls import Call
from skylike.service.config import join_address, split_address
from skylike.service.engine import CollectionInfo, Engine
from skylike.service.errors import (
    BadSettings,
    Cancelled,
    DamagedData,
    SkylikeError,
    StorageFailed,
)
from skylike.service.monitoring.metrics import Metrics

Condition: TypeAlias = Mapping[str, SkylikeError | None]
"""Why a collection cannot be used, None if it can, by its name."""

_LOOK_SECONDS = 1.0

_log = structlog.get_logger()


class Monitor:
    """What happens in a server of an engine. Safe from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._metrics = Metrics(self._states)
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._exposition: WSGIServer | None = None
        self._is_stopping = False
        self.collections: Condition = {}

    @contextlib.contextmanager
    def call(
        self,
        method: str,
        request_id: str,
        *,
        well: str,
        is_logged: bool = True,
        later: Callable[[Callable[[], None]], bool] = lambda _: False,
    ) -> Iterator[Call]:
        """While a call is answered: counted, measured, and logged at its end.

        Parameters
        ----------
        method
            What was called, by a name of ours.
        request_id
            Stands in every log line of the call.
        well
            The code of a call that ends well.
        is_logged
            Whether the end is worth a line.
        later
            Does what it is given once the caller has its answer, who need not wait for
            it; or tells that this has been so already.
        """
        start = time.perf_counter()
        call = calls.begin(well)
        self._metrics.begun(method)
        told = {"request_id": request_id, "method": method}
        with structlog.contextvars.bound_contextvars(**told):
            try:
                yield call
            finally:
                here = contextvars.copy_context()

                def end() -> None:
                    here.run(self._ended, method, call, start, is_logged)

                if not later(end):
                    end()

    @contextlib.contextmanager
    def items(self) -> Iterator[None]:
        """While some questions of a stream are answered together, in whatever thread."""
        call = calls.begin("OK")
        try:
            yield
        finally:
            self._metrics.items_ended(call)

    def item(self, code: str, error: Exception | None = None) -> None:
        """Count one question of a stream by how it ended."""
        self._metrics.item_ended(code, _reason(error))
        if error is not None:
            self._doubt(calls.current(), error)

    def refused(self, method: str, error: SkylikeError, code: str) -> None:
        """Count a call that was refused before it was read."""
        self._metrics.refused(method, code, error.reason)

    def failed(self, error: Exception, code: str) -> None:
        """Tell how the call that this context is part of has failed."""
        call = calls.current()
        if call is not None:
            call.code, call.reason = code, _reason(error)
            self._doubt(call, error)

    def _doubt(self, call: Call | None, error: Exception) -> None:
        if call is not None and call.collection and isinstance(error, DamagedData):
            self._engine.condition.doubt(call.collection, error)
        if isinstance(error, DamagedData | StorageFailed):
            self._wake.set()

    def _ended(self, method: str, call: Call, start: float, is_logged: bool) -> None:
        seconds = time.perf_counter() - start
        self._metrics.ended(method, call, seconds)
        if is_logged:
            _log.info("answered", **_told(call, seconds))

    def start(self, on_look: Callable[[Condition], None]) -> None:
        """Look at every collection, and go on looking until `stop`.

        Parameters
        ----------
        on_look
            Called with what was found, the first time before this returns.

        Raises
        ------
        Cancelled
            If the caller has asked to stop before everything was opened; see `caller`.
        """
        self._look(on_look)
        self._thread = threading.Thread(
            target=self._keep_looking, args=(on_look,), name="monitor", daemon=True
        )
        self._thread.start()

    def expose(self, address: str) -> str:
        """Serve the metrics over HTTP until `stop`; HOST:PORT, with the real port.

        Raises
        ------
        BadSettings
            ``address_unusable`` if the address cannot be listened on.
        """
        host, port = split_address(address)
        try:
            self._exposition, _ = self._metrics.serve(host, int(port))
        except OSError as error:
            raise BadSettings(
                f"cannot listen on {address}: it is in use, or not of this machine",
                reason="address_unusable",
            ) from error
        return join_address(host, self._exposition.server_port)

    def stop(self) -> None:
        """Look no more, and serve no metrics."""
        self._is_stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        if self._exposition is not None:
            self._exposition.shutdown()
            self._exposition.server_close()

    def metrics(self) -> bytes:
        """Everything counted and measured, in Prometheus' text format."""
        return self._metrics.text()

    def _keep_looking(self, on_look: Callable[[Condition], None]) -> None:
        while True:
            self._wake.wait(_LOOK_SECONDS)
            self._wake.clear()
            if self._is_stopping:
                return
            self._look(on_look)

    def _look(self, on_look: Callable[[Condition], None]) -> None:
        before = self.collections
        try:
            found = self._engine.condition.look()
        except Cancelled:
            raise
        except Exception as error:  # a monitor that has died would tell lies
            why = StorageFailed(f"the collections cannot be looked at: {error}")
            found = dict.fromkeys(before, why)
        for name, problem in found.items():
            if problem is not None and before.get(name) is None:
                _log.error(
                    "unusable", collection=name, reason=problem.reason, why=str(problem)
                )
            elif problem is None and before.get(name) is not None:
                _log.info("usable", collection=name)
        self.collections = found
        on_look(found)

    def _states(self) -> Iterator[tuple[str, CollectionInfo | None]]:
        """Of the collections as last looked at."""
        for name, problem in self.collections.items():
            state = None
            if problem is None:
                with contextlib.suppress(SkylikeError):
                    state = self._engine.describe(name)
            yield name, state


def _reason(error: Exception | None) -> str:
    return "" if error is None else getattr(error, "reason", "internal")


def _told(call: Call, seconds: float) -> dict[str, object]:
    """The fields of a log line; those that are empty say nothing."""
    fields = {
        "code": call.code,
        "reason": call.reason,
        "collection": call.collection,
        "model": call.model_id[:12],
    }
    stages = {f"{stage}_ms": spent for stage, spent in call.seconds.items()}
    return {
        **{name: value for name, value in fields.items() if value},
        "request_bytes": call.request_bytes,
        **{name: round(1000 * spent, 2) for name, spent in stages.items()},
        "milliseconds": round(1000 * seconds, 1),
    }
