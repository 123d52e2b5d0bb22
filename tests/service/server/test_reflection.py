"""The contract as tools see it that have no protos: grpc_cli, grpcurl, other languages."""

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from grpc_reflection.v1alpha import reflection_pb2
from tests import reflected

from skylike.service.server.serve import SERVICES

HERE = {name: descriptor_pool.Default().FindServiceByName(name) for name in SERVICES}


@pytest.fixture
def channel(served: SimpleNamespace) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(served.address) as opened:
        yield opened


@pytest.fixture(params=["v1", "v1alpha"])
def told(
    channel: grpc.Channel, request: pytest.FixtureRequest
) -> Mapping[str, ServiceDescriptor]:
    """What the server lists and describes: nothing in it comes from our stubs."""
    found = reflected.services(channel, request.param)
    return {service.full_name: service for service in found}


def _signature(method: MethodDescriptor) -> tuple[str, bool, str, bool, str]:
    return (
        method.name,
        method.client_streaming,
        method.input_type.full_name,
        method.server_streaming,
        method.output_type.full_name,
    )


def test_services_are_listed(told: Mapping[str, ServiceDescriptor]) -> None:
    """As `grpc_cli ls` does: ours, all of them, with health and reflection."""
    assert {name for name in told if name.startswith("skylike.")} == set(SERVICES)
    assert "grpc.health.v1.Health" in told
    assert any("reflection" in name for name in told)


def test_methods_are_described(told: Mapping[str, ServiceDescriptor]) -> None:
    """As `grpc_cli ls -l` does: every method, its messages, and what streams."""
    for name, ours in HERE.items():
        signatures = [_signature(method) for method in told[name].methods]
        assert signatures == [_signature(method) for method in ours.methods]
        assert signatures


def test_messages_are_described_to_the_last_field(
    told: Mapping[str, ServiceDescriptor],
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

    for name, service in HERE.items():
        for theirs, ours in zip(told[name].methods, service.methods, strict=True):
            compare(theirs.input_type, ours.input_type)
            compare(theirs.output_type, ours.output_type)
    assert "skylike.v1.Vector" in seen


def test_a_call_can_be_made_of_what_was_learned(
    told: Mapping[str, ServiceDescriptor], channel: grpc.Channel
) -> None:
    """As `grpc_cli call` does, with numbers written by hand."""
    service = told["skylike.v1.SearchService"]
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


def test_what_is_unknown_is_not_found(channel: grpc.Channel) -> None:
    ask = channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    question = reflection_pb2.ServerReflectionRequest(
        file_containing_symbol="skylike.v1.Nothing"
    )
    [answer] = ask(iter([question]))
    code = answer.error_response.error_code
    assert code == grpc.StatusCode.NOT_FOUND.value[0]
