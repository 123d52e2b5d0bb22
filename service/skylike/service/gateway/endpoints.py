"""What can be asked over HTTP: each line is a method of the contract."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from fastapi import Request

from skylike.service.gateway import reading
from skylike.service.gateway.rpc import Rpc
from skylike.service.gateway.schema import of_field, reference
from skylike.v1 import types_pb2

Read: TypeAlias = Callable[[Request, Rpc], Awaitable[Any]]


@dataclass(frozen=True)
class Endpoint:
    """One method, at a path."""

    verb: Literal["GET", "POST"]
    path: str
    rpc: Rpc
    read: Read

    def described(self) -> dict[str, Any]:
        """What OpenAPI is told of the request."""
        message = self.rpc.descriptor.input_type
        if self.read is reading.from_address:
            return {
                "parameters": [_parameter(self.path, one) for one in message.fields]
            }
        content: dict[str, Any] = {reading.JSON: {"schema": reference(message)}}
        if self.read is not reading.from_question:
            return {"requestBody": {"required": True, "content": content}}
        cutout = types_pb2.Cutout.DESCRIPTOR
        said = [one for one in message.fields if one.name in _BESIDE_A_FILE]
        said += [cutout.fields_by_name[name] for name in reading.OF_CUTOUT]
        file = {"type": "string", "format": "binary"}
        content[reading.FORM] = {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": file,
                    **{one.name: of_field(one) for one in said},
                },
            }
        }
        content |= {media_type: {"schema": file} for media_type in reading.FITS}
        return {
            "parameters": [_parameter(self.path, one) for one in said],
            "requestBody": {"required": True, "content": content},
        }


def _question(path: str, method: str) -> Endpoint:
    rpc = Rpc(f"SearchService/{method}")
    return Endpoint("POST", path, rpc, reading.from_question)


def _get(path: str, method: str) -> Endpoint:
    rpc = Rpc(f"CatalogService/{method}")
    return Endpoint("GET", path, rpc, reading.from_address)


def _post(path: str, method: str) -> Endpoint:
    rpc = Rpc(f"CatalogService/{method}")
    return Endpoint("POST", path, rpc, reading.from_json)


_BESIDE_A_FILE = ("collection", "k", "thumbnails")

ENDPOINTS = (
    _question("/v1/embed", "Embed"),
    _question("/v1/neighbors", "Neighbors"),
    _question("/v1/cluster", "Cluster"),
    _question("/v1/anomaly", "Anomaly"),
    _question("/v1/analyze", "Analyze"),
    _get("/v1/collections", "ListCollections"),
    _get("/v1/collections/{collection}", "GetCollection"),
    _get("/v1/object", "GetObject"),
    _post("/v1/objects/list", "ListObjects"),
    _post("/v1/objects/count", "CountObjects"),
    _get("/v1/clusters", "ListClusters"),
    _get("/v1/aliases", "ListAliases"),
    _post("/v1/labels", "SetLabels"),
)


def _parameter(path: str, field: Any) -> dict[str, Any]:
    schema = of_field(field)
    said = schema.pop("description", "")
    is_in_path = f"{{{field.name}}}" in path
    return {
        "name": field.name,
        "in": "path" if is_in_path else "query",
        "required": is_in_path,
        "description": said,
        "schema": schema,
    }
