"""Which files of this machine callers may name."""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from skylike.service.errors import PermissionDenied

_ENTERED = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Of a folder that is only passed nothing is read, where the system knows that.
_PASSED = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC


def allowed(path: str, roots: Sequence[Path]) -> Path:
    """Where a path that a caller names lies, if it lies under one of the roots.

    Open what is returned, not what was named: links are followed here, once. The
    answer is the same whether there is such a file or not.

    Parameters
    ----------
    path
        Absolute; links, ``..`` and what is not there are followed as far as they go.
    roots
        Folders; links to them are followed too.

    Raises
    ------
    PermissionDenied
        ``outside_roots`` if it lies elsewhere, is relative, an address of another
        kind, or no path.
    """
    return Path(*_found(path, roots))


def below_root(path: str, roots: Sequence[Path]) -> str:
    """Where such a path lies, as callers are told who need not know of the rest.

    Raises
    ------
    PermissionDenied
        As `allowed`.
    """
    return str(_found(path, roots)[1])


def is_named_below(path: str, roots: Sequence[Path]) -> bool:
    """Whether a path lies below a root if no link on its way is followed."""
    named = Path(os.path.normpath(path))
    return any(named.is_relative_to(os.path.realpath(root)) for root in roots)


def without_roots(text: str, roots: Sequence[Path]) -> str:
    """A text where all that lies below a root is named from there on."""
    # The longest first: one root may lie below another.
    for root in sorted(map(os.path.realpath, roots), key=len, reverse=True):
        if root != os.sep:
            text = text.replace(f"{root}{os.sep}", "")
    return text


@contextmanager
def folder_of(path: str, roots: Sequence[Path] | None) -> Iterator[tuple[int, str]]:
    """The folder of a file that is to be made, opened, and its name there.

    Make it by this descriptor: no link that somebody sets meanwhile leads elsewhere.

    Parameters
    ----------
    path, roots
        As for `allowed`; without roots, of the operator, who may name any.

    Raises
    ------
    PermissionDenied
        As `allowed`, or if the path has been turned while it was followed.
    OSError
        If there is no such folder, or it cannot be read.
    """
    root, place = Path(path).parent, Path(Path(path).name)
    if roots is not None:
        root, place = _found(path, roots)
    if not place.name:
        raise _refusal(path)
    descriptor = os.open(root, _PASSED)
    try:
        for part in (*place.parent.parts, os.curdir):
            passed = descriptor
            kind = _ENTERED if part == os.curdir else _PASSED
            try:
                descriptor = os.open(part, kind | os.O_NOFOLLOW, dir_fd=passed)
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENOTDIR):
                    raise _refusal(path) from error
                raise
            os.close(passed)
        yield descriptor, place.name
    finally:
        os.close(descriptor)


def _found(path: str, roots: Sequence[Path]) -> tuple[Path, Path]:
    """A root, and a place below it, both without links."""
    try:
        if "\0" not in path and os.path.isabs(path):
            place = Path(os.path.realpath(path))
            for root in map(os.path.realpath, roots):
                if place.is_relative_to(root):
                    return Path(root), place.relative_to(root)
    except (ValueError, OSError):  # not to be encoded, or turned while it was followed
        pass
    raise _refusal(path)


def _refusal(path: str) -> PermissionDenied:
    return PermissionDenied(
        f"{path!r} is no absolute path under a folder that this service may read from; "
        "its setting roots names these",
        reason="outside_roots",
    )
