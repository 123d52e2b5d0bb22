"""One process at a time works on a data directory."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from skylike.service.errors import InUse


def lock(directory: Path) -> TextIO:
    """The open lock file; closing it, or the end of the process, unlocks.

    Raises
    ------
    InUse
        If a process, this one included, has it already.
    """
    file = (directory / "lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        return file
    except BlockingIOError:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise InUse(
            f"{directory} is in use by process {owner}. Stop that process, ask it "
            "instead, or use another directory."
        ) from None
    except OSError:
        with suppress(OSError):  # what could not be written is tried again
            file.close()
        raise
