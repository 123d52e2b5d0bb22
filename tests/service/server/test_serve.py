"""`serve` in the main thread, from the first collection to the last."""

import os
import signal
from contextlib import AbstractContextManager
from pathlib import Path

from skylike.service.collection import Collection
from skylike.service.config import Settings
from skylike.service.engine import Engine
from skylike.service.library import Library
from skylike.service.server.serve import serve


class Interrupted(Library):
    """A library whose process is asked to end when its first collection is opened."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.opened: list[str] = []

    def using(
        self, name: str, *, writes: bool = False
    ) -> AbstractContextManager[Collection]:
        if not self.opened:
            os.kill(os.getpid(), signal.SIGTERM)
        self.opened.append(name)
        return super().using(name, writes=writes)


def test_a_stop_while_collections_are_opened_opens_no_more(
    data: Path, tmp_path: Path
) -> None:
    """And nobody is told that it answers."""
    with Library(data) as library:
        library.create("another", library.model_path("sky"))
    told: list[object] = []
    ready_file = tmp_path / "ready.json"
    settings = Settings(data=data, address="127.0.0.1:0", grace_seconds=1)
    with Interrupted(data) as library:
        serve(Engine(library), settings, ready_file=ready_file, on_ready=told.append)
        assert set(library.opened) == {"another"}
    assert told == []
    assert not ready_file.exists()
