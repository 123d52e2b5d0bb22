"""A disk as it may be after the power has gone: what was synced is there.

`record` runs a process under strace, which tells in their order all calls of all of its
threads, whatever library makes them. `Disk` follows those that change a folder, up to any
of them, and then forgets. It believes what POSIX promises, and nothing that one file
system or another gives on top:

- fsync and fdatasync of a file make its content durable, as far as it had been written
  when they began; those of a folder make its names durable. Nothing else does: no close,
  no rename, no sync of a file for its name or of a name for its file.
- Of all else any part may be there, in any order: a write whole, in part by sectors of
  512 bytes, or not; a truncation; a name that was made, changed or removed. What a rename
  does within one folder happens as a whole.

Sectors are not torn within, and what is durable stays as it is: damage is another test.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Union

SECTOR = 512
_CALLS = (
    "openat,?open,?creat,?dup,?dup2,dup3,fcntl,lseek,write,pwrite64,writev,pwritev,"
    "truncate,ftruncate,fallocate,fsync,fdatasync,?rename,?renameat,renameat2,"
    "?link,linkat,?unlink,unlinkat,?rmdir,?mkdir,mkdirat,?symlink,symlinkat"
)
_TEXT = r"(?:\\x[0-9a-f]{2})*"
_STRING = re.compile(rf'"({_TEXT})"')
_PLACE = re.compile(rf"(\d+|AT_FDCWD)<({_TEXT})>(\(deleted\))?")
_LINE = re.compile(r"(\d+) +(?:<\.\.\. )?(\w+)(?: resumed>|\()", re.ASCII)
_RESULT = re.compile(r"\) += (-?\d+)")
_UNFINISHED = " <unfinished ...>"

Keep = Callable[[int], bool]


class Event(NamedTuple):
    """Something that a process did, in the order in which the calls returned.

    Attributes
    ----------
    kind
        ``said`` for what it wrote on its standard output.
    path
        Of the file or folder, in the folder that was watched.
    began
        The number of events before the call was made.
    offset
        Of a write, or the length after a truncation.
    data
        What was written.
    other
        The new path of a rename or link.
    """

    kind: str
    path: str
    began: int
    offset: int = 0
    data: bytes = b""
    other: str = ""


def record(command: Sequence[str], folder: Path) -> list[Event]:
    """Run a process, and tell what it did in a folder.

    Parameters
    ----------
    command
        What to run; it must end well.
    folder
        An absolute path.
    """
    strace = ["strace", "-f", "-y", "-xx", "--seccomp-bpf", "-s", str(1 << 26)]
    with tempfile.NamedTemporaryFile("r") as log:
        options = ["-e", f"trace={_CALLS}", "-e", "signal=none", "-o", log.name]
        done = subprocess.run(
            [*strace, *options, *command], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return list(_events(log, folder))


class _Call(NamedTuple):
    name: str
    text: str  # of the whole line
    result: int
    began: int

    @property
    def strings(self) -> list[bytes]:
        return [_bytes(found) for found in _STRING.findall(self.text)]

    @property
    def places(self) -> list[tuple[str, str, bool]]:
        """Descriptors with their paths, and whether those are removed."""
        return [
            (number, _bytes(path).decode(), bool(removed))
            for number, path, removed in _PLACE.findall(self.text)
        ]

    @property
    def paths(self) -> list[str]:
        """The paths it names, each beside the folder it is relative to."""
        found, folder = [], ""
        for one in re.finditer(f"{_PLACE.pattern}|{_STRING.pattern}", self.text):
            if one[2] is not None:
                folder = _bytes(one[2]).decode()
            else:
                found.append(str(Path(folder, _bytes(one[4]).decode())))
        return found


def _events(lines: Iterable[str], folder: Path) -> Iterator[Event]:
    position: dict[int, list[int]] = {}  # shared by copies of a descriptor
    appends: set[int] = set()
    num_events = [0]
    for call in _calls(lines, num_events):
        if call.result < 0:
            continue
        for event in _read(call, position, appends):
            if event.kind == "said":
                yield event
            elif (path := _below(folder, event.path)) is not None:
                other = _below(folder, event.other) if event.other else ""
                assert other is not None, f"{event} leaves the folder"
                yield event._replace(path=path, other=other)
            else:
                continue
            num_events[0] += 1


def _calls(lines: Iterable[str], num_events: list[int]) -> Iterator[_Call]:
    """Whole calls, as they return, of lines in which threads interrupt each other."""
    begun: dict[str, tuple[str, int]] = {}
    for line in lines:
        match = _LINE.match(line)
        if not match:
            continue  # a process ends
        thread, name = match.groups()
        if line.endswith(f"{_UNFINISHED}\n"):
            begun[thread] = line[: -len(_UNFINISHED) - 1], num_events[0]
            continue
        began = num_events[0]
        if line[match.end() - 1] == ">":
            text, began = begun.pop(thread)
            line = text + line[match.end() :]
        if result := _RESULT.search(line):
            yield _Call(name, line, int(result[1]), began)


def _read(
    call: _Call, position: dict[int, list[int]], appends: set[int]
) -> Iterator[Event]:
    """What a call has done, by absolute paths."""
    match call.name:
        case "openat" | "open" | "creat":
            [path] = call.paths
            position[call.result] = [0]
            appends.discard(call.result)
            if "O_APPEND" in call.text:
                appends.add(call.result)
            if "O_CREAT" in call.text or call.name == "creat":
                yield Event("create", path, call.began)
            if "O_TRUNC" in call.text or call.name == "creat":
                yield Event("truncate", path, call.began, 0)
        case "dup" | "dup2" | "dup3" | "fcntl":
            if call.name != "fcntl" or "F_DUPFD" in call.text:
                old = int(call.places[0][0])
                position[call.result] = position.setdefault(old, [0])
        case "lseek":
            position.setdefault(int(call.places[0][0]), [0])[0] = call.result
        case "write" | "pwrite64":
            number, path, is_removed = call.places[0]
            data = call.strings[0][: call.result]
            at = position.setdefault(int(number), [0])
            offset = at[0]
            if call.name == "pwrite64":
                offset = int(call.text.rpartition(")")[0].rpartition(",")[2])
            else:
                at[0] += len(data)
            if number == "1":
                yield Event("said", "", call.began, data=data)
            elif not is_removed:
                if int(number) in appends and call.name == "write":
                    offset = -1
                yield Event("write", path, call.began, offset, data)
        case "ftruncate":
            _, path, is_removed = call.places[0]
            size = int(call.text.rpartition(")")[0].rpartition(",")[2])
            if not is_removed:
                yield Event("truncate", path, call.began, size)
        case "fsync" | "fdatasync":
            _, path, is_removed = call.places[0]
            if not is_removed:
                yield Event("sync", path, call.began)
        case "mkdir" | "mkdirat":
            yield Event("mkdir", call.paths[0], call.began)
        case "unlink" | "unlinkat" | "rmdir":
            yield Event("remove", call.paths[0], call.began)
        case "rename" | "renameat" | "renameat2" | "link" | "linkat":
            old_path, new_path = call.paths
            kind = "rename" if call.name.startswith("rename") else "link"
            yield Event(kind, old_path, call.began, other=new_path)
        case _:
            for path in [*call.paths, *(path for _, path, _ in call.places)]:
                yield Event(call.name, path, call.began)  # which no disk knows


def _below(folder: Path, path: str) -> str | None:
    if path == str(folder):
        return ""
    return path.removeprefix(f"{folder}/") if path.startswith(f"{folder}/") else None


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


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
