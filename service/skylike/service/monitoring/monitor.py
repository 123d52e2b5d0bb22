"""`Monitor`: a call, from its beginning to its end."""

import contextlib
import time
from collections.abc import Iterator
from wsgiref.simple_server import WSGIServer

import structlog

from skylike.service import calls
from skylike.service.calls import Call
from skylike.service.config import join_address, split_address
from skylike.service.engine import Engine
from skylike.service.errors import (
    BadSettings,
    DamagedData,
    SkylikeError,
    StorageFailed,
)
from skylike.service.monitoring.afterwards import Afterwards
from skylike.service.monitoring.metrics import Metrics
from skylike.service.monitoring.rounds import Rounds

_log = structlog.get_logger()


class Monitor:
    """What happens in a server of an engine. Safe from any thread.

    Attributes
    ----------
    rounds
        What looks at the collections; it is begun and ended by who makes this.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._afterwards = Afterwards()
        self.rounds = Rounds(engine)
        self._metrics = Metrics(self.rounds.states)
        self._exposition: WSGIServer | None = None

    @contextlib.contextmanager
    def call(
        self,
        method: str,
        request_id: str,
        *,
        well: str,
        is_logged: bool = True,
    ) -> Iterator[Call]:
        """While a call is answered: counted, measured, and logged after its end.

        Who calls gives each call a context of its own: nothing is unbound at the end.

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
        """
        start = time.perf_counter()
        call = calls.begin(well)
        self._metrics.begun(method)
        structlog.contextvars.bind_contextvars(request_id=request_id, method=method)
        try:
            yield call
        finally:
            seconds = time.perf_counter() - start
            told = structlog.contextvars.get_contextvars()  # who calls, too

            def end() -> None:
                self._metrics.ended(method, call, seconds)
                if is_logged:
                    _log.info("answered", **told, **_told(call, seconds))

            self._afterwards(end)

    @contextlib.contextmanager
    def items(self) -> Iterator[None]:
        """While some questions of a stream are answered together, in whatever thread."""
        call = calls.begin("OK")
        try:
            yield
        finally:
            self._metrics.items_ended(call)

    def item(self, collection: str, code: str, error: Exception | None = None) -> None:
        """Count one question of a stream by how it ended.

        It tells itself what it asked, since what is known of the work may be of others.
        """
        self._metrics.item_ended(code, _reason(error))
        if error is not None:
            self._doubt(collection, error)

    def refused(self, method: str, error: SkylikeError, code: str) -> None:
        """Count a call that was refused before it was read."""
        self._metrics.refused(method, code, error.reason)

    def failed(self, error: Exception, code: str) -> None:
        """Tell how the call that this context is part of has failed."""
        call = calls.current()
        if call is not None:
            call.code, call.reason = code, _reason(error)
            self._doubt(call.collection or None, error)

    def _doubt(self, collection: str | None, error: Exception) -> None:
        if collection is not None and isinstance(error, DamagedData):
            self._engine.condition.doubt(collection, error)
        if isinstance(error, DamagedData | StorageFailed):
            self.rounds.soon()

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
        """Serve no metrics any more, and tell the rest."""
        self._afterwards.close()
        if self._exposition is not None:
            self._exposition.shutdown()
            self._exposition.server_close()

    def flush(self) -> None:
        """Tell now of the calls that have ended."""
        self._afterwards.now()

    def metrics(self) -> bytes:
        """Everything counted and measured, in Prometheus' text format."""
        self.flush()
        return self._metrics.text()


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
