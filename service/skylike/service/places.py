"""`Places`: the folders of collections, each whole under its name or hidden."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skylike.service import durable
from skylike.service.aliases import is_name
from skylike.service.errors import UnknownCollection


class Places:
    """A folder with a folder for each collection; what a crash left unfinished is gone.

    Parameters
    ----------
    directory
        Made if it does not exist.

    Attributes
    ----------
    known
        The names of all collections when it was opened, and what has become of them
        since: read without the disk, which may take long.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        durable.make_folder(directory)
        self.known: frozenset[str] = frozenset()

    def recover(self) -> None:
        """Remove what a crash left unfinished, and look at what is there."""
        for path in self.directory.glob(".*"):
            shutil.rmtree(path, ignore_errors=True)
        # Who was killed may have renamed something and not come to the sync.
        durable.sync(self.directory)
        self.known = frozenset(self.names())

    def names(self) -> list[str]:
        """The names of all collections, ascending."""
        found = (path.name for path in self.directory.iterdir() if path.is_dir())
        return sorted(name for name in found if is_name(name))

    def has(self, name: str) -> bool:
        """Whether there is a collection of a name."""
        return is_name(name) and (self.directory / name).is_dir()

    def of(self, name: str) -> Path:
        """The folder of a collection.

        Raises
        ------
        UnknownCollection
            If there is none of that name.
        """
        if not self.has(name):
            known = ", ".join(self.names()) or "none"
            raise UnknownCollection(
                f"There is no collection {name!r}; there are: {known}."
            )
        return self.directory / name

    @contextmanager
    def aside(self, kind: str) -> Iterator[Path]:
        """A hidden folder to make a collection in; what is left there is removed."""
        unfinished = self._hidden(kind)
        unfinished.mkdir()
        try:
            yield unfinished
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def publish(self, unfinished: Path, name: str) -> None:
        """Give what was made aside a name that is free: not durably yet."""
        unfinished.rename(self.directory / name)
        self.known |= {name}

    def hide(self, name: str) -> Path:
        """Take the name from a collection, durably; where it is to be removed."""
        gone = self._hidden("gone")
        (self.directory / name).rename(gone)
        self.known -= {name}
        self.sync()
        return gone

    def sync(self) -> None:
        """Make the names survive a loss of power."""
        durable.sync(self.directory)

    def _hidden(self, kind: str) -> Path:
        return self.directory / f".{kind}-{os.urandom(4).hex()}"
