"""Server reflection under both of its names.

The package on PyPI answers to ``v1alpha`` only; ``v1`` is the same protocol with the
same messages, and what newer tools ask for first.
"""

from collections.abc import Sequence

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

_V1 = "grpc.reflection.v1.ServerReflection"


def enable(server: grpc.Server, service_names: Sequence[str]) -> None:
    """Let clients list these services and fetch their descriptors."""
    names = (*service_names, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    handler = grpc.stream_stream_rpc_method_handler(
        reflection.ReflectionServicer(names).ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=(reflection_pb2.ServerReflectionResponse.SerializeToString),
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(_V1, {"ServerReflectionInfo": handler}),)
    )
