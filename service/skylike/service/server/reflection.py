"""Server reflection under both of its names.

The package on PyPI answers to ``v1alpha`` only; ``v1`` is the same protocol with the
same messages, and what newer tools ask for first.
"""

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from skylike.service.server.load import Load
from skylike.service.server.stream import Streamed

_V1 = "grpc.reflection.v1.ServerReflection"


def enable(
    server: grpc.Server,
    service_names: Sequence[str],
    load: Load,
    max_idle_seconds: float,
) -> None:
    """Let clients list these services and fetch their descriptors."""
    described: Any = reflection.ReflectionServicer(
        (*service_names, reflection.SERVICE_NAME)
    )
    pool = ThreadPoolExecutor(1, "reflection")

    def method(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        def answer(some: Sequence[Any]) -> list[Any]:
            return [*described.ServerReflectionInfo(iter(some), context)]

        # One at a time, so that answers come in order.
        streamed = Streamed(requests, answer, pool, 1, 1, load, max_idle_seconds)
        return itertools.chain.from_iterable(streamed)

    handler = grpc.stream_stream_rpc_method_handler(
        method,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        tuple(
            grpc.method_handlers_generic_handler(
                name, {"ServerReflectionInfo": handler}
            )
            for name in (_V1, reflection.SERVICE_NAME)
        )
    )
