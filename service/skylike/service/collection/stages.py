"""`Stages`: what a fit has found so far, so that one that was interrupted goes on.

::

    fitting/<key>/<stage>    sha256 of all that follows and of the stage's name, and an npz

The key is a digest of all that the fit depends on; files of any other are of no use. None
of them is needed: what cannot be read, or kept, is found anew.
"""

import hashlib
import io
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from skylike.service import durable
from skylike.service.errors import NoSpace, StorageFailed

_FORMAT = 2  # raised with whatever changes what fits find, or how it is kept here
_DIGEST = 32  # bytes

_log = structlog.get_logger()


class Stages:
    """The stages of one fit of a collection.

    Parameters
    ----------
    directory
        Of the collection. Stages of other fits are removed.
    arrays
        All that the fit depends on.
    """

    def __init__(self, directory: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._all = directory / "fitting"
        key = hashlib.sha256(f"{_FORMAT} {version('skylike')}".encode())
        for name, array in sorted(arrays.items()):
            key.update(f" {name} {array.dtype} {array.shape} ".encode())
            key.update(np.ascontiguousarray(array).view(np.uint8).data)
        self._mine = self._all / key.hexdigest()[:32]
        for path in self._all.glob("*"):
            if path != self._mine:
                shutil.rmtree(path, ignore_errors=True)

    def kept(self, stage: str) -> dict[str, NDArray[Any]] | None:
        """The arrays of a stage, None if they are not kept or not as they were."""
        try:
            content = (self._mine / stage).read_bytes()
        except OSError:
            return None
        digest, packed = content[:_DIGEST], content[_DIGEST:]
        if digest != _digest(stage, packed):
            _log.warning("stage_damaged", path=str(self._mine / stage))
            return None
        _log.info("stage_taken_over", stage=stage)
        with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
            return dict(arrays)

    def keep(self, stage: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep the arrays of a stage, if the disk takes them."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        packed = buffer.getvalue()
        try:
            with durable.storing(self._mine):
                durable.make_folder(self._mine)
                durable.replace(self._mine / stage, _digest(stage, packed) + packed)
        except (NoSpace, StorageFailed) as error:
            _log.warning("stage_not_kept", stage=stage, why=str(error))

    def clear(self) -> None:
        """Remove all: the fit is stored."""
        shutil.rmtree(self._all, ignore_errors=True)


def _digest(stage: str, packed: bytes) -> bytes:
    return hashlib.sha256(stage.encode() + b"\0" + packed).digest()
