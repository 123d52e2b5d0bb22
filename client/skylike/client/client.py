"""The client: one method per question."""

import json
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar

import grpc

from skylike.client import convert, errors, inputs, types
from skylike.client.credentials import Tls, credentials
from skylike.v1 import catalog_pb2, catalog_pb2_grpc, search_pb2, search_pb2_grpc

DEFAULT_ADDRESS = "127.0.0.1:50051"
MAX_MESSAGE_BYTES = 64 * 2**20

# Only calls that may safely be made twice are retried: not AddObjects.
_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [
                {"service": "skylike.v1.SearchService"},
                {"service": "skylike.v1.CatalogService", "method": "GetObject"},
                {"service": "skylike.v1.CatalogService", "method": "ListCollections"},
            ],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
}
# `HealthCheckRequest()` and `HealthCheckResponse(status=SERVING)` on the wire: the
# package that knows these messages would be a dependency for these three bytes.
_HEALTH = "/grpc.health.v1.Health/Check"
_WHOLE_SERVER, _SERVING = b"", b"\x08\x01"
_POLL_SECONDS = 0.05
_FOREVER_SECONDS = 1e9
# HOST:PORT with a port that exists, or what gRPC knows besides: unix:, dns:, ...
_ADDRESS = re.compile(
    r"[^/]+:0*(\d{1,4}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])"
    r"|[a-z0-9]+:/?.*/.*"
)

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class Client:
    """A connection to a skylike service. Safe to use from several threads.

    A query is a path (``file.fits[SCI]`` selects an HDU), the bytes of a FITS file,
    a vector or an `Embedding` made by the collection's model, or the id of an object
    of the collection. The collection may be left out where the service has only one.

    Every method raises `errors.SkylikeClientError` or one of its children.

    Parameters
    ----------
    address
        HOST:PORT of the service.
    timeout
        Seconds after which a call fails with `errors.DeadlineExceeded`; `math.inf`
        waits for ever.
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
        if not timeout > 0:
            raise errors.BadInput(
                f"the timeout is {timeout} s; it has to be above 0",
                reason="bad_timeout",
            )
        if not _ADDRESS.fullmatch(address):
            raise errors.BadInput(
                f"{address!r} is no address; give HOST:PORT", reason="bad_address"
            )
        self.address = address
        self._timeout = timeout
        self._max_bytes = max_message_bytes
        self._credentials = credentials(address, tls, api_key)
        options = (
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.max_send_message_length", max_message_bytes),
            ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 5000),
        )
        self._channel = (
            grpc.insecure_channel(address, options)
            if self._credentials.channel is None
            else grpc.secure_channel(address, self._credentials.channel, options)
        )
        self._search = search_pb2_grpc.SearchServiceStub(self._channel)
        self._catalog = catalog_pb2_grpc.CatalogServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; running calls are cancelled."""
        self._channel.close()

    def embed(
        self,
        query: types.Source | None = None,
        *,
        object_id: str | None = None,
        collection: str | None = None,
    ) -> types.Embedding:
        """The embedding of a query, by the collection's model."""
        made = self._request(search_pb2.EmbedRequest, query, object_id, collection)
        return convert.embedding(self._call(self._search.Embed, made))

    def neighbors(
        self,
        query: types.Source | None = None,
        *,
        object_id: str | None = None,
        collection: str | None = None,
        k: int = 10,
        thumbnails: bool = False,
    ) -> types.Neighbors:
        """The `k` objects of the collection most like the query, 1 to 1000."""
        made = self._request(search_pb2.NeighborsRequest, query, object_id, collection)
        made.k, made.thumbnails = _checked(k), thumbnails
        return convert.neighbors(self._call(self._search.Neighbors, made))

    def cluster(
        self,
        query: types.Source | None = None,
        *,
        object_id: str | None = None,
        collection: str | None = None,
    ) -> types.ClusterResult:
        """The kind of object the query is."""
        made = self._request(search_pb2.ClusterRequest, query, object_id, collection)
        return convert.cluster(self._call(self._search.Cluster, made))

    def anomaly(
        self,
        query: types.Source | None = None,
        *,
        object_id: str | None = None,
        collection: str | None = None,
    ) -> types.AnomalyResult:
        """How odd the query is."""
        made = self._request(search_pb2.AnomalyRequest, query, object_id, collection)
        return convert.anomaly(self._call(self._search.Anomaly, made))

    def analyze(
        self,
        query: types.Source | None = None,
        *,
        object_id: str | None = None,
        collection: str | None = None,
        k: int = 10,
        thumbnails: bool = False,
    ) -> types.Analysis:
        """Neighbours, cluster and anomaly from one embedding."""
        made = self._request(search_pb2.AnalyzeRequest, query, object_id, collection)
        made.k, made.thumbnails = _checked(k), thumbnails
        return convert.analysis(self._call(self._search.Analyze, made))

    def add(
        self, objects: Sequence[types.NewObject], *, collection: str | None = None
    ) -> types.Added:
        """Store objects: all of them durably, or none. Never retried by itself."""
        request = catalog_pb2.AddObjectsRequest(
            collection=inputs.sendable(collection or ""),
            objects=[inputs.to_new_object(new, self._max_bytes) for new in objects],
        )
        return convert.added(self._call(self._catalog.AddObjects, request))

    def get(
        self, id: str, *, collection: str | None = None, with_vector: bool = False
    ) -> types.Found:
        """One object, with its thumbnail."""
        request = catalog_pb2.GetObjectRequest(
            collection=inputs.sendable(collection or ""),
            id=inputs.sendable(id),
            with_vector=with_vector,
        )
        return convert.found(self._call(self._catalog.GetObject, request))

    def collections(self) -> list[types.CollectionInfo]:
        """Every collection of the service, by name."""
        found: list[types.CollectionInfo] = []
        page_token = ""
        while True:
            page = self._call(
                self._catalog.ListCollections,
                catalog_pb2.ListCollectionsRequest(page_token=page_token),
            )
            found += [convert.collection(message) for message in page.collections]
            page_token = page.next_page_token
            if not page_token:
                return found

    def wait_ready(self, timeout: float | None = None) -> None:
        """Wait until the service answers queries.

        Parameters
        ----------
        timeout
            Seconds; the client's own by default.

        Raises
        ------
        errors.DeadlineExceeded
            If it does not within the time.
        """
        limit = self._timeout if timeout is None else timeout
        deadline = time.monotonic() + limit
        check = self._channel.unary_unary(
            _HEALTH, request_serializer=bytes, response_deserializer=bytes
        )
        while (left := deadline - time.monotonic()) > 0:
            try:
                status = check(
                    _WHOLE_SERVER, timeout=_deadline(left), wait_for_ready=True
                )
                if status == _SERVING:
                    return
            except grpc.RpcError as error:
                failure = errors.from_rpc_error(error, self.address)
                if not isinstance(
                    failure, errors.Unavailable | errors.DeadlineExceeded
                ):
                    raise failure from error
            time.sleep(_POLL_SECONDS)
        raise errors.DeadlineExceeded(
            f"the service at {self.address} is not ready after {limit:g} s",
            reason="deadline_exceeded",
        )

    def _request(
        self,
        kind: Callable[..., _Request],
        query: types.Source | None,
        object_id: str | None,
        collection: str | None,
    ) -> _Request:
        """What every question begins with: about what, and to which collection."""
        return kind(
            collection=inputs.sendable(collection or ""),
            query=inputs.to_query(query, object_id, self._max_bytes),
        )

    def _call(self, method: Callable[..., _Response], request: Any) -> _Response:
        if request.ByteSize() > self._max_bytes:
            raise errors.BadInput(
                f"the request has {request.ByteSize()} bytes; the service takes at most "
                f"{self._max_bytes}: send less at a time",
                reason="upload_limit",
            )
        try:
            return method(
                request,
                timeout=_deadline(self._timeout),
                metadata=self._credentials.metadata,
            )
        except grpc.RpcError as error:
            raise errors.from_rpc_error(error, self.address) from error
        except ValueError as error:  # gRPC's word for a closed connection
            raise errors.Unavailable("the client is closed", reason="closed") from error


def _deadline(seconds: float) -> float | None:
    """As gRPC takes it: None for ever, since very large numbers overflow there."""
    return seconds if seconds < _FOREVER_SECONDS else None


def _checked(k: int) -> int:
    """Refuse what the message cannot hold, or takes for its default."""
    if not 1 <= k < 2**32:
        raise errors.BadInput(f"k is {k}; ask for 1 to 1000 hits", reason="bad_k")
    return k
