"""`File`: what is sent under one address, with all that a browser is told of it."""

import gzip
import hashlib
import threading
from collections.abc import Mapping
from functools import cached_property

_LEVEL = 6  # beyond it a tenth of a percent takes twice as long


class File:
    """Bytes under one address.

    Parameters
    ----------
    content
        The bytes.
    media_type
        What they are.
    headers
        What else a browser is told: how long it may keep them, what they may do.

    Attributes
    ----------
    mark
        The same for the same bytes: what stands in an ETag.
    """

    def __init__(
        self, content: bytes, media_type: str, headers: Mapping[str, str]
    ) -> None:
        self.content = content
        self.mark = hashlib.sha256(content).hexdigest()[:16]
        self.headers = {
            "Content-Type": media_type,
            "Vary": "Accept-Encoding",
            "Referrer-Policy": "no-referrer",
            **headers,
        }
        self._compressing = threading.Lock()

    def packed(self) -> bytes:
        """The bytes, compressed once by whoever asks first."""
        with self._compressing:
            return self._packed

    @cached_property
    def _packed(self) -> bytes:
        return gzip.compress(self.content, _LEVEL, mtime=0)
