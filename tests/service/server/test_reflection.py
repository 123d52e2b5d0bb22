"""The contract as tools see it that have no protos: grpc_cli, grpcurl, other languages."""

from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2

from skylike.service.server.serve import SERVICES
from skylike.v1 import catalog_pb2, job_pb2, search_pb2

Ask = Callable[..., Any]
HERE = {
    service.full_name: service
    for file in (search_pb2.DESCRIPTOR, catalog_pb2.DESCRIPTOR, job_pb2.DESCRIPTOR)
    for service in file.services_by_name.values()
}


@pytest.fixture
def channel(served: SimpleNamespace) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(served.address) as opened:
        yield opened


@pytest.fixture(params=["v1", "v1alpha"])
def ask(channel: grpc.Channel, request: pytest.FixtureRequest) -> Ask:
    """One question to the reflection of a version."""
    method = channel.stream_stream(
        f"/grpc.reflection.{request.param}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )

    def one(**question: str) -> Any:
        [answer] = method(iter([reflection_pb2.ServerReflectionRequest(**question)]))
        return answer

    return one


@pytest.fixture
def pool(ask: Ask) -> descriptor_pool.DescriptorPool:
    """What can be learned of our services: nothing in it comes from our stubs."""
    files: dict[str, FileDescriptorProto] = {}
    for service in SERVICES:
        answer = ask(file_containing_symbol=service).file_descriptor_response
        for data in answer.file_descriptor_proto:
            file = FileDescriptorProto.FromString(data)
            files[file.name] = file
    learned = descriptor_pool.DescriptorPool()
    order = TopologicalSorter({name: set(f.dependency) for name, f in files.items()})
    for name in order.static_order():
        learned.Add(files[name])
    return learned


def _signature(method: MethodDescriptor) -> tuple[str, bool, str, bool, str]:
    return (
        method.name,
        method.client_streaming,
        method.input_type.full_name,
        method.server_streaming,
        method.output_type.full_name,
    )


def test_services_are_listed(ask: Ask) -> None:
    """As `grpc_cli ls` does: ours, all of them, with health and reflection."""
    listed = {s.name for s in ask(list_services="").list_services_response.service}
    assert set(HERE) == set(SERVICES)
    assert set(SERVICES) < listed
    assert "grpc.health.v1.Health" in listed
    assert any("reflection" in name for name in listed)


def test_methods_are_described(pool: descriptor_pool.DescriptorPool) -> None:
    """As `grpc_cli ls -l` does: every method, its messages, and what streams."""
    for name in SERVICES:
        told = [_signature(method) for method in pool.FindServiceByName(name).methods]
        assert told == [_signature(method) for method in HERE[name].methods]
        assert told


def test_messages_are_described_to_the_last_field(
    pool: descriptor_pool.DescriptorPool,
) -> None:
    """As `grpc_cli type` does: every message that a method reaches."""
    seen: set[str] = set()

    def compare(theirs: Any, ours: Any) -> None:
        if theirs.full_name in seen:
            return
        seen.add(theirs.full_name)
        fields = [(f.name, f.number, f.type) for f in theirs.fields]
        assert fields == [(f.name, f.number, f.type) for f in ours.fields]
        for field in theirs.fields:
            if field.message_type is not None:
                compare(
                    field.message_type, ours.fields_by_name[field.name].message_type
                )

    for name in SERVICES:
        service = pool.FindServiceByName(name)
        for theirs, ours in zip(service.methods, HERE[name].methods, strict=True):
            compare(theirs.input_type, ours.input_type)
            compare(theirs.output_type, ours.output_type)
    assert "skylike.v1.Vector" in seen


def test_a_call_can_be_made_of_what_was_learned(
    pool: descriptor_pool.DescriptorPool, channel: grpc.Channel
) -> None:
    """As `grpc_cli call` does, with numbers written by hand."""
    service = pool.FindServiceByName("skylike.v1.SearchService")
    method = service.methods_by_name["Neighbors"]
    make = message_factory.GetMessageClass
    call = channel.unary_unary(
        f"/{service.full_name}/{method.name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=make(method.output_type).FromString,
    )
    request: Any = make(method.input_type)(collection="sky", k=2)
    request.query.vector.values.extend(np.eye(24)[0])
    answer = call(request)
    assert [hit.rank for hit in answer.hits] == [1, 2]


def test_what_is_unknown_is_not_found(ask: Ask) -> None:
    answer = ask(file_containing_symbol="skylike.v1.Nothing").error_response
    assert answer.error_code == grpc.StatusCode.NOT_FOUND.value[0]
