"""A disk as it may be after the power has gone: what was synced is there.

`Disk` follows the calls that change a folder, up to any of them, and then forgets. It
believes what POSIX promises, and nothing that one file system or another gives on top:

- fsync and fdatasync of a file make its content durable, as far as it had been written
  when they began; those of a folder make its names durable. Nothing else does: no close,
  no rename, no sync of a file for its name or of a name for its file.
- Of all else any part may be there, in any order: a write whole, in part by sectors of
  512 bytes, or not; a truncation; a name that was made, changed or removed. What a rename
  does within one folder happens as a whole.

Sectors are not torn within, and what is durable stays as it is: damage is another test.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Union

from tests.chaos.recording import Event

SECTOR = 512

Keep = Callable[[int], bool]


@dataclass(eq=False, slots=True)
class File:
    """Content as processes see it, as it is durable, and what is between the two."""

    now: bytearray = field(default_factory=bytearray)
    safe: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, int, bytes | None]] = field(default_factory=list)

    def change(self, number: int, offset: int, data: bytes | None) -> None:
        offset = len(self.now) if offset < 0 else offset
        self.pending.append((number, offset, data))
        _change(self.now, offset, data)

    def sync(self, before: int) -> None:
        for number, offset, data in self.pending:
            if number < before:
                _change(self.safe, offset, data)
        self.pending = [one for one in self.pending if one[0] >= before]

    def cut(self, keep: Keep) -> None:
        for number, offset, data in self.pending:
            if data is None:
                if keep(number):
                    _change(self.safe, offset, None)
                continue
            begin = 0
            while begin < len(data):
                end = begin + SECTOR - (offset + begin) % SECTOR
                if keep(number):
                    _change(self.safe, offset + begin, data[begin:end])
                begin = end
        self.pending = []
        self.now = bytearray(self.safe)


def _change(content: bytearray, offset: int, data: bytes | None) -> None:
    """Write, or cut to a length."""
    if data is None:
        del content[offset:]
    content.extend(bytes(max(0, offset - len(content))))
    if data is not None:
        content[offset : offset + len(data)] = data


@dataclass(eq=False, slots=True)
class Folder:
    """Names as processes see them, as they are durable, and what is between the two."""

    now: dict[str, "Node"] = field(default_factory=dict)
    safe: dict[str, "Node"] = field(default_factory=dict)
    pending: list[tuple[int, dict[str, "Node | None"]]] = field(default_factory=list)

    def change(self, number: int, names: dict[str, "Node | None"]) -> None:
        self.pending.append((number, names))
        _rename(self.now, names)

    def sync(self, before: int) -> None:
        for number, names in self.pending:
            if number < before:
                _rename(self.safe, names)
        self.pending = [one for one in self.pending if one[0] >= before]

    def cut(self, keep: Keep) -> None:
        for number, names in self.pending:
            if keep(number):
                _rename(self.safe, names)
        self.pending = []
        self.now = dict(self.safe)
        for node in self.now.values():
            node.cut(keep)


def _rename(known: dict[str, "Node"], names: dict[str, "Node | None"]) -> None:
    for name, node in names.items():
        if node is None:
            known.pop(name, None)
        else:
            known[name] = node


Node = Union[File, Folder]  # noqa: UP007 -- one of them is not known yet to `|`


class Disk:
    """A folder, as processes see it and as far as it is durable.

    It begins empty and durable.
    """

    def __init__(self) -> None:
        self._root = Folder()
        self._count = 0

    def follow(self, events: Sequence[Event]) -> None:
        """Do what a process did, from its beginning."""
        first = self._count
        for event in events:
            self._follow(event, first + event.began)
            self._count += 1

    def cut(self, keep: Keep) -> None:
        """The power goes.

        Parameters
        ----------
        keep
            Of what is not durable, by the number of the event: whether it is there all
            the same. Asked for every sector of a write.
        """
        self._root.cut(keep)

    def write_back(self) -> None:
        """Time goes by, and all that processes see becomes durable."""
        for node in (self._root, *(node for _, node in self._walk())):
            node.sync(self._count)

    @property
    def count(self) -> int:
        """How many events there have been."""
        return self._count

    def put(self, folder: Path) -> None:
        """Write what processes would see into a folder, in place of what it holds."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        known: dict[File, Path] = {}
        for path, node in self._walk():
            if isinstance(node, Folder):
                (folder / path).mkdir()
            elif node in known:
                (folder / path).hardlink_to(known[node])
            else:
                known[node] = folder / path
                (folder / path).write_bytes(node.now)

    def differences(self, folder: Path) -> list[str]:
        """Where a folder holds something else than processes should see.

        SQLite's index of its log (``-shm``) is written through memory, and made anew.
        """
        there = {
            str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
            for path in folder.rglob("*")
        }
        here = {
            path: bytes(node.now) if isinstance(node, File) else None
            for path, node in self._walk()
        }
        return sorted(
            path
            for path in there | here
            if (path not in there or path not in here or there[path] != here[path])
            and not path.endswith("-shm")
        )

    def _walk(self) -> Iterator[tuple[str, Node]]:
        folders = [("", self._root)]
        while folders:
            before, folder = folders.pop()
            for name, node in sorted(folder.now.items()):
                yield before + name, node
                if isinstance(node, Folder):
                    folders.append((f"{before}{name}/", node))

    def _follow(self, event: Event, began: int) -> None:
        number = self._count
        folder, name = self._find(event.path)
        node = folder.now.get(name) if event.path else self._root
        match event.kind:
            case "said":
                pass
            case "create":
                if node is None:
                    folder.change(number, {name: File()})
            case "mkdir":
                folder.change(number, {name: Folder()})
            case "write" if isinstance(node, File):
                node.change(number, event.offset, event.data)
            case "truncate" if isinstance(node, File):
                node.change(number, event.offset, None)
            case "sync" if node is not None:
                node.sync(began)
            case "remove":
                folder.change(number, {name: None})
            case "link" if node is not None:
                target, new = self._find(event.other)
                target.change(number, {new: node})
            case "rename" if node is not None:
                target, new = self._find(event.other)
                assert target is folder, f"{event}: from one folder to another"
                folder.change(number, {name: None, new: node})
            case _:
                raise AssertionError(f"{event._replace(data=b'')} is not known")

    def _find(self, path: str) -> tuple[Folder, str]:
        """The folder that a path lies in, and its name there."""
        *before, name = path.split("/")
        folder = self._root
        for one in before:
            inner = folder.now[one]
            assert isinstance(inner, Folder)
            folder = inner
        return folder, name
