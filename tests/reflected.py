"""A running service's contract as it tells it itself, without any stubs of ours."""

from graphlib import TopologicalSorter

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection_pb2


def services(channel: grpc.Channel, version: str = "v1") -> list[ServiceDescriptor]:
    """Every service that is listed and can be described, in the order of the list."""
    method = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )

    def ask(**question: str) -> reflection_pb2.ServerReflectionResponse:
        [answer] = method(iter([reflection_pb2.ServerReflectionRequest(**question)]))
        return answer

    names = [s.name for s in ask(list_services="").list_services_response.service]
    files: dict[str, FileDescriptorProto] = {}
    for name in names:
        described = ask(file_containing_symbol=name).file_descriptor_response
        for data in described.file_descriptor_proto:
            file = FileDescriptorProto.FromString(data)
            files[file.name] = file
    pool = DescriptorPool()
    imports = {name: set(file.dependency) for name, file in files.items()}
    for name in TopologicalSorter(imports).static_order():
        pool.Add(files[name])
    return [pool.FindServiceByName(name) for name in names]
