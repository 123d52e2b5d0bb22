"""What libraries warn of, caught and counted instead of printed."""

import contextlib
import threading
import warnings
from collections.abc import Iterator

from skylike.service.fits.header import printable

# Recording warnings changes the state of the whole process; threads take turns.
_RECORDING = threading.Lock()


@contextlib.contextmanager
def recorded() -> Iterator[list[str]]:
    """Collect the warnings of a block: after it the list holds each text once."""
    texts: list[str] = []
    with _RECORDING, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield texts
    texts += dict.fromkeys(printable(str(warning.message)) for warning in caught)
