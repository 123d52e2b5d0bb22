"""`Rounds`: every collection is looked at, again and again."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import structlog

from skylike.service.engine import CollectionInfo, Engine
from skylike.service.errors import Cancelled, SkylikeError, StorageFailed

Condition: TypeAlias = Mapping[str, SkylikeError | None]
"""Why a collection cannot be used, None if it can, by its name."""

_LOOK_SECONDS = 1.0

_log = structlog.get_logger()


class Rounds:
    """Looks at the collections of an engine. Safe from any thread.

    Attributes
    ----------
    found
        By the last look.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_stopping = False
        self.found: Condition = {}

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
            target=self._keep_looking, args=(on_look,), name="rounds", daemon=True
        )
        self._thread.start()

    def soon(self) -> None:
        """Look again now, for something has happened."""
        self._wake.set()

    def stop(self) -> None:
        """Look no more."""
        self._is_stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def states(self) -> Iterator[tuple[str, CollectionInfo | None]]:
        """Of the collections as last looked at; None for what cannot be used."""
        for name, problem in self.found.items():
            state = None
            if problem is None:
                with contextlib.suppress(SkylikeError):
                    state = self._engine.describe(name)
            yield name, state

    def _keep_looking(self, on_look: Callable[[Condition], None]) -> None:
        while True:
            self._wake.wait(_LOOK_SECONDS)
            self._wake.clear()
            if self._is_stopping:
                return
            self._look(on_look)

    def _look(self, on_look: Callable[[Condition], None]) -> None:
        before = self.found
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
        self.found = found
        on_look(found)
