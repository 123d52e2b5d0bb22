"""`Sesame`: where a name is on the sky, as CDS's name resolver answers it."""

import re
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPException
from importlib.metadata import version
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from skylike.service.errors import NotFound, Overloaded, Unreachable
from skylike.service.gateway.limited import Limited

SECONDS = 10.0
"""That a name may take."""

MOST_AT_ONCE = 4
MOST_BYTES = 2**16
"""Of an answer, which has a few hundred."""

# SIMBAD, NED, VizieR: the first that knows the name answers.
_DATABASES = "SNV"
# Something stands behind the second number, or it may be the half of one. What divides
# the two leaves one way to read them: of others an answer of digits takes minutes.
_POSITION = re.compile(
    r"^%J[ \t]+(\d+(?:\.\d*)?)(?:[ \t]+|(?=[+-]))([+-]?\d+(?:\.\d*)?)\s", re.M | re.A
)
_ANY_POSITION = re.compile(r"^%J\s", re.M)
_END = re.compile(r"^#====Done", re.M)


class _NoRedirects(HTTPRedirectHandler):
    """What was configured is asked, and nobody whom it names."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Sesame:
    """Asks one resolver. Safe from any thread.

    Parameters
    ----------
    url
        Its address without databases and name, as `astropy` has it in ``sesame_url``.

    Attributes
    ----------
    host
        Who is asked, to be told to people.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self.host = urlsplit(url).netloc
        # Threads of their own: others wait for none that a slow resolver holds.
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, "resolving")
        self._places = threading.BoundedSemaphore(MOST_AT_ONCE)

    def ask(self, name: str) -> "Future[tuple[float, float]]":
        """Begin to look a name up.

        Returns
        -------
        Future
            Right ascension, 0 to 360, and declination, degrees, ICRS; or `NotFound`
            (``unknown_name``), or `Unreachable` if no such answer was given.

        Raises
        ------
        Overloaded
            ``too_many_names`` if as many are being looked up as may be.
        """
        if not self._places.acquire(blocking=False):
            raise Overloaded(
                f"{MOST_AT_ONCE} names are being looked up already",
                reason="too_many_names",
            )
        answer = self._threads.submit(self._look_up, name)
        answer.add_done_callback(lambda _: self._places.release())
        return answer

    def _look_up(self, name: str) -> tuple[float, float]:
        return _position(name, self._fetch(name), self.host)

    def _fetch(self, name: str) -> str:
        url = f"{self._url}/{_DATABASES}?{quote(name, safe='')}"
        agent = {"User-Agent": f"skylike-service/{version('skylike')}"}
        content = b""
        try:
            with (
                Limited(SECONDS) as limited,
                build_opener(_NoRedirects, limited).open(
                    Request(url, headers=agent), timeout=SECONDS
                ) as answer,
            ):
                while part := answer.read1(MOST_BYTES):
                    content += part
                    if len(content) > MOST_BYTES:
                        raise _not_understood(self.host)
                if limited.is_over:
                    raise TimeoutError
        except HTTPError as error:
            error.close()
            raise Unreachable(
                f"the name resolver {self.host} answered with the status {error.code}",
                reason="resolver_unreachable",
            ) from error
        except (OSError, HTTPException, ValueError) as error:
            # The last of hosts and redirects that no address can have.
            raise unreachable(self.host) from error
        return content.decode("utf-8", "replace")


def unreachable(host: str) -> Unreachable:
    """That a resolver gave no answer, or not in time."""
    return Unreachable(
        f"the name resolver {host} gave no answer: search by position, or ask again "
        "later",
        reason="resolver_unreachable",
    )


def _not_understood(host: str) -> Unreachable:
    return Unreachable(
        f"the name resolver {host} answered otherwise than Sesame does",
        reason="resolver_answer",
    )


def _position(name: str, text: str, host: str) -> tuple[float, float]:
    found = _POSITION.search(text)
    if _END.search(text) and not _ANY_POSITION.search(text):
        raise NotFound(f"{host} knows no position of {name!r}", reason="unknown_name")
    ra, dec = (float(found[1]), float(found[2])) if found else (-1.0, 0.0)
    if not (0 <= ra <= 360 and -90 <= dec <= 90):
        raise _not_understood(host)
    return ra % 360, dec
