"""`Client` and `AsyncClient`: one method per question.

The questions are written once, as coroutines: `AsyncClient` is all of them, and each
method of `Client` runs one to its end.
"""

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, get_args

from skylike.client.collections import Collections
from skylike.client.credentials import Tls
from skylike.client.jobs import JobCalls
from skylike.client.looking import Looking
from skylike.client.mapping import Mapping
from skylike.client.objects import Objects
from skylike.client.ranking import Ranking
from skylike.client.search import Search
from skylike.client.session import DEFAULT_ADDRESS, MAX_MESSAGE_BYTES
from skylike.client.stream import Stream
from skylike.client.teaching import Teaching
from skylike.client.transport import Blocking, drive, iterate

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Method = TypeVar("_Method", bound=Callable[..., Any])


class AsyncClient(
    Search,
    Stream,
    Looking,
    Objects,
    Ranking,
    Mapping,
    Teaching,
    Collections,
    JobCalls,
):
    """A connection to a skylike service, for asyncio.

    As `Client`, with coroutines and asynchronous iterators; files are read by threads.
    """


class _Calls(AsyncClient):
    """The same for threads that wait."""

    _transport = Blocking


def _blocking(
    call: Callable[Concatenate[AsyncClient, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate["Client", _P], _T]:
    def method(self: "Client", /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return drive(call(self._calls, *args, **kwargs))

    return _dressed(method, call, inspect.signature(call).return_annotation)


def _iterating(
    call: Callable[Concatenate[AsyncClient, _P], AsyncIterator[_T]],
) -> Callable[Concatenate["Client", _P], Iterator[_T]]:
    def method(self: "Client", /, *args: _P.args, **kwargs: _P.kwargs) -> Iterator[_T]:
        return iterate(call(self._calls, *args, **kwargs))

    [item] = get_args(inspect.signature(call).return_annotation)
    return _dressed(method, call, Iterator[item])  # type: ignore[valid-type]


def _dressed(method: _Method, call: Callable[..., Any], gives: Any) -> _Method:
    """Give a method the name, text and signature of a call, for help and editors."""
    functools.update_wrapper(method, call)
    signature = inspect.signature(call).replace(return_annotation=gives)
    method.__signature__ = signature  # type: ignore[attr-defined]
    method.__annotations__ = {**call.__annotations__, "return": gives}
    method.__qualname__ = f"Client.{call.__name__}"
    return method


class Client:
    """A connection to a skylike service. Safe to use from several threads.

    A query is a file (``file.fits[SCI]`` selects an HDU), by name or opened for bytes, the
    bytes of one, an image as array, HDU, HDUList, CCDData or Cutout2D, a `Cutout` that says more of one of these;
    a vector or an `Embedding` made by the collection's model; the id of an object of the
    collection, `Examples` of such objects, a SkyCoord or a `Place` near one. The
    collection may be left out where the service has only one.

    Every method raises `errors.SkylikeClientError` or one of its children. A call is
    retried until its deadline while the service is too busy to begin it, and, if it may
    be made twice, while a service that has answered this client before cannot be reached.
    Where none has answered yet, that is told after about a second; `wait_ready` waits for
    one that is being started. `within` gives calls a timeout of their own: ``client.within(5).count()``.

    A client may be used after a fork and pickled into another process: each has a
    connection of its own. A pickle holds no API key: the other process takes it from
    its environment.

    Parameters
    ----------
    address
        HOST:PORT of the service.
    timeout
        Seconds after which a call fails with `errors.DeadlineExceeded`, all attempts
        together; `math.inf` waits for ever.
    max_message_bytes
        Largest message either way; the service's own limit is the same by default.
    tls
        Files for TLS; None for a connection without.
    api_key
        Key of the service; by default the environment's ``SKYLIKE_API_KEY``, or what
        the file named by ``SKYLIKE_API_KEY_FILE`` holds. It travels to other machines
        with TLS only.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        timeout: float = 30.0,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        tls: Tls | None = None,
        api_key: str | None = None,
    ) -> None:
        self._calls = _Calls(
            address,
            timeout=timeout,
            max_message_bytes=max_message_bytes,
            tls=tls,
            api_key=api_key,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return self._calls._target.remake(self)

    def __repr__(self) -> str:
        return f"Client({self._calls._target.told})"

    @property
    def address(self) -> str:
        """HOST:PORT of the service."""
        return self._calls.address

    def within(self, seconds: float) -> Self:
        """The same client over the same connection, with another timeout in seconds."""
        other = object.__new__(type(self))
        other._calls = self._calls.within(seconds)
        return other

    close = _blocking(AsyncClient.close)
    wait_ready = _blocking(AsyncClient.wait_ready)

    embed = _blocking(AsyncClient.embed)
    neighbors = _blocking(AsyncClient.neighbors)
    cluster = _blocking(AsyncClient.cluster)
    anomaly = _blocking(AsyncClient.anomaly)
    analyze = _blocking(AsyncClient.analyze)
    analyze_many = _iterating(AsyncClient.analyze_many)
    inspect = _blocking(AsyncClient.inspect)

    add = _blocking(AsyncClient.add)
    delete = _blocking(AsyncClient.delete)
    set_attributes = _blocking(AsyncClient.set_attributes)
    set_labels = _blocking(AsyncClient.set_labels)
    get = _blocking(AsyncClient.get)
    objects = _iterating(AsyncClient.objects)
    count = _blocking(AsyncClient.count)

    anomalies = _blocking(AsyncClient.anomalies)
    anomaly_pages = _iterating(AsyncClient.anomaly_pages)
    members = _blocking(AsyncClient.members)
    member_pages = _iterating(AsyncClient.member_pages)

    map = _blocking(AsyncClient.map)
    locate = _blocking(AsyncClient.locate)

    rate = _blocking(AsyncClient.rate)
    ratings = _blocking(AsyncClient.ratings)
    suggestions = _blocking(AsyncClient.suggestions)
    predict = _blocking(AsyncClient.predict)
    nearest = _blocking(AsyncClient.nearest)
    nearest_pages = _iterating(AsyncClient.nearest_pages)

    collections = _blocking(AsyncClient.collections)
    collection = _blocking(AsyncClient.collection)
    create_collection = _blocking(AsyncClient.create_collection)
    delete_collection = _blocking(AsyncClient.delete_collection)
    clusters = _blocking(AsyncClient.clusters)
    rename_cluster = _blocking(AsyncClient.rename_cluster)
    aliases = _blocking(AsyncClient.aliases)
    set_alias = _blocking(AsyncClient.set_alias)
    roll_back_alias = _blocking(AsyncClient.roll_back_alias)
    delete_alias = _blocking(AsyncClient.delete_alias)

    start_job = _blocking(AsyncClient.start_job)
    job = _blocking(AsyncClient.job)
    jobs = _blocking(AsyncClient.jobs)
    watch_job = _iterating(AsyncClient.watch_job)
    job_rejects = _iterating(AsyncClient.job_rejects)
    cancel_job = _blocking(AsyncClient.cancel_job)
