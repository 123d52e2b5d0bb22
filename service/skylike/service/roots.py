"""Which files of this machine callers may name."""

import os
from collections.abc import Sequence
from pathlib import Path

from skylike.service.errors import PermissionDenied


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
    try:
        if "\0" not in path and os.path.isabs(path):
            place = Path(os.path.realpath(path))
            if any(place.is_relative_to(os.path.realpath(root)) for root in roots):
                return place
    except ValueError:  # not to be encoded
        pass
    raise PermissionDenied(
        f"{path!r} is no absolute path under a folder that this service may read from; "
        "its setting roots names these",
        reason="outside_roots",
    )
