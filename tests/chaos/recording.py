"""What a process does to a folder, call by call, as strace tells it.

strace sees all threads, and what the C library or any other makes of a call: SQLite's and
FAISS's writes as well as Python's. What is written through mapped memory it does not see;
`Disk.differences` would show it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

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


def can_record() -> bool:
    """Whether there is an strace, and may trace."""
    if shutil.which("strace") is None:
        return False
    command = ["strace", "-o", os.devnull, sys.executable, "--version"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


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
