"""`Aliases`: names that point to collections, and where they pointed before."""

import re
from pathlib import Path

from skylike.service import durable
from skylike.service.errors import BadRequest, DamagedData, UnknownCollection

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_REMEMBERED = 10  # targets of an alias


class Aliases:
    """The aliases of a data directory, in one file that is replaced as a whole.

    They are read from any thread while one changes them.

    Parameters
    ----------
    path
        The file; there is none before the first alias.

    Raises
    ------
    DamagedData
        If it is not as it was written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._targets: dict[str, list[str]] = {}
        if path.exists():
            try:
                self._targets = durable.read_sealed(path)
            except DamagedData as error:
                raise DamagedData(
                    f"{error} Restore it from a backup; or delete it, and let the "
                    "aliases point anew."
                ) from error

    def all(self) -> dict[str, str]:
        """Every alias and the collection it points to, by name."""
        return {name: targets[0] for name, targets in sorted(self._targets.items())}

    def target(self, name: str) -> str | None:
        """The collection an alias points to; None if there is no such alias."""
        targets = self._targets.get(name)
        return None if targets is None else targets[0]

    def of(self, collection: str) -> list[str]:
        """The aliases that point to a collection."""
        return [name for name, target in self.all().items() if target == collection]

    def point(self, name: str, collection: str) -> None:
        """Make an alias point to a collection, at once and durably."""
        before = [one for one in self._targets.get(name, []) if one != collection]
        self._save({**self._targets, name: [collection, *before][:_REMEMBERED]})

    def rollback(self, name: str, leaving: str = "") -> str:
        """Make an alias point to where it did before; the collection.

        Parameters
        ----------
        name
            Of the alias.
        leaving
            Where it points to now; empty for wherever that is.

        Raises
        ------
        UnknownCollection
            If there is no such alias.
        BadRequest
            ``alias_moved`` if it does not point there; ``no_earlier_target`` if it has
            pointed to nothing else.
        """
        targets = self._known(name)
        if leaving and targets[0] != leaving:
            raise BadRequest(
                f"The alias {name!r} points to {targets[0]!r}, not to {leaving!r}: it may "
                "have been rolled back before.",
                reason="alias_moved",
            )
        if len(targets) < 2:
            raise BadRequest(
                f"The alias {name!r} has pointed to {targets[0]!r} only.",
                reason="no_earlier_target",
            )
        self._save({**self._targets, name: targets[1:]})
        return targets[1]

    def drop(self, name: str) -> None:
        """Forget an alias; its collection stays.

        Raises
        ------
        UnknownCollection
            If there is no such alias.
        """
        self._known(name)
        self._save({key: one for key, one in self._targets.items() if key != name})

    def forget(self, collection: str) -> None:
        """No alias can go back to a collection any more."""
        kept = {
            name: [one for one in targets if one != collection]
            for name, targets in self._targets.items()
        }
        if kept != self._targets:
            self._save(kept)

    def _known(self, name: str) -> list[str]:
        if name not in self._targets:
            known = ", ".join(self.all()) or "none"
            raise UnknownCollection(f"There is no alias {name!r}; there are: {known}.")
        return self._targets[name]

    def _save(self, targets: dict[str, list[str]]) -> None:
        durable.write_sealed(self._path, targets)
        self._targets = targets


def is_name(name: str) -> bool:
    """Whether a collection or an alias may be called so."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> None:
    """Raise `BadRequest` (``bad_name``) unless it `is_name`."""
    if not is_name(name):
        raise BadRequest(
            f"{name!r} cannot name a collection: use 1 to 63 of a-z, 0-9, _ and -, "
            "beginning with a letter or digit.",
            reason="bad_name",
        )
