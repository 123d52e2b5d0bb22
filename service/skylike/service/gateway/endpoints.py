"""What can be asked over HTTP: each line is a method of the contract."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from fastapi import Request

from skylike.service.gateway import reading
from skylike.service.gateway.rpc import Rpc
from skylike.service.gateway.schema import of_field, reference

Read: TypeAlias = Callable[[Request, Rpc], Awaitable[Any]]


@dataclass(frozen=True)
class Endpoint:
    """One method, at a path."""

    verb: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    rpc: Rpc
    read: Read

    def described(self) -> dict[str, Any]:
        """What OpenAPI is told of the request."""
        message = self.rpc.descriptor.input_type
        if self.read is reading.from_address:
            return {"parameters": [parameter(self.path, one) for one in message.fields]}
        content: dict[str, Any] = {reading.JSON: {"schema": reference(message)}}
        beside = []
        if self.read is reading.from_file:
            beside = [
                part.DESCRIPTOR.fields_by_name[name]
                for part, names in reading.beside_file(self.rpc.new_request())
                for name in names
            ]
            file = {"type": "string", "format": "binary"}
            content[reading.FORM] = {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": file,
                        **{one.name: of_field(one) for one in beside},
                    },
                }
            }
            content |= {media_type: {"schema": file} for media_type in reading.FITS}
        return {
            "parameters": [
                *(parameter(self.path, one) for one in beside),
                *([_IDEMPOTENCY_KEY] if reading.can_be_named(message) else []),
            ],
            "requestBody": {"required": True, "content": content},
        }


def parameter(path: str, field: Any) -> dict[str, Any]:
    """What OpenAPI is told of a field that stands in the address."""
    schema = of_field(field)
    said = schema.pop("description", "")
    is_in_path = f"{{{field.name}}}" in path
    is_text = "type" in schema and schema["type"] not in ("array", "object")
    value = (
        {"schema": schema}
        if is_text
        else {"content": {reading.JSON: {"schema": schema}}}
    )
    return {
        "name": field.name,
        "in": "path" if is_in_path else "query",
        "required": is_in_path,
        "description": said,
        **value,
    }


def _ask(path: str, method: str) -> Endpoint:
    return Endpoint("POST", path, Rpc(f"SearchService/{method}"), reading.from_file)


def _catalog(verb: Any, path: str, method: str, read: Read) -> Endpoint:
    return Endpoint(verb, path, Rpc(f"CatalogService/{method}"), read)


def _teaching(verb: Any, path: str, method: str, read: Read) -> Endpoint:
    return Endpoint(verb, path, Rpc(f"TeachingService/{method}"), read)


def _job(verb: Any, path: str, method: str, read: Read) -> Endpoint:
    return Endpoint(verb, path, Rpc(f"JobService/{method}"), read)


_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The caller's name for this request, as `request_id`.",
    "schema": {"type": "string"},
}

_address, _json, _file = reading.from_address, reading.from_json, reading.from_file

ENDPOINTS = (
    _ask("/v1/embed", "Embed"),
    _ask("/v1/neighbors", "Neighbors"),
    _ask("/v1/cluster", "Cluster"),
    _ask("/v1/anomaly", "Anomaly"),
    _ask("/v1/analyze", "Analyze"),
    _ask("/v1/predict", "Predict"),
    _ask("/v1/locate", "Locate"),
    _ask("/v1/nearest/list", "ListNearest"),
    _ask("/v1/inspect", "Inspect"),
    Endpoint("POST", "/v1/discover", Rpc("SearchService/Discover"), _json),
    _catalog("GET", "/v1/object", "GetObject", _address),
    _catalog("POST", "/v1/objects", "AddObjects", _file),
    _catalog("POST", "/v1/objects/list", "ListObjects", _json),
    _catalog("POST", "/v1/objects/count", "CountObjects", _json),
    _catalog("POST", "/v1/objects/delete", "DeleteObjects", _json),
    _catalog("POST", "/v1/attributes", "SetAttributes", _json),
    _catalog("POST", "/v1/labels", "SetLabels", _json),
    _catalog("GET", "/v1/collections", "ListCollections", _address),
    _catalog("POST", "/v1/collections", "CreateCollection", _json),
    _catalog("GET", "/v1/collections/{collection}", "GetCollection", _address),
    _catalog("DELETE", "/v1/collections/{collection}", "DeleteCollection", _address),
    _catalog("GET", "/v1/map", "GetMap", _address),
    _catalog("GET", "/v1/clusters", "ListClusters", _address),
    _catalog("PUT", "/v1/clusters/name", "RenameCluster", _json),
    _catalog("POST", "/v1/clusters/members", "ListClusterMembers", _json),
    _catalog("POST", "/v1/anomalies/list", "ListAnomalies", _json),
    _teaching("POST", "/v1/ratings", "RateObjects", _json),
    _teaching("GET", "/v1/ratings", "ListRatings", _address),
    _teaching("POST", "/v1/suggestions/list", "ListSuggestions", _json),
    _catalog("GET", "/v1/aliases", "ListAliases", _address),
    _catalog("PUT", "/v1/aliases/{alias}", "SetAlias", _address),
    _catalog("POST", "/v1/aliases/{alias}/rollback", "RollBackAlias", _address),
    _catalog("DELETE", "/v1/aliases/{alias}", "DeleteAlias", _address),
    _job("GET", "/v1/jobs", "ListJobs", _address),
    _job("POST", "/v1/jobs", "StartJob", _json),
    _job("GET", "/v1/jobs/{job_id}", "GetJob", _address),
    _job("GET", "/v1/jobs/{job_id}/rejects", "ListJobRejects", _address),
    _job("POST", "/v1/jobs/{job_id}/cancel", "CancelJob", _address),
)
