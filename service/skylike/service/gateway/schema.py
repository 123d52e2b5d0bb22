"""JSON Schemas of the contract's messages, for the OpenAPI page."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from skylike.service.gateway.comments import comments

_Schema = dict[str, Any]

_WIDE = {"type": "string", "pattern": "^-?[0-9]+$"}
# What Protobuf writes in JSON otherwise than other messages.
_OWN_FORMS: dict[str, _Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"}
}
_SCALARS: dict[int, _Schema] = {
    FieldDescriptor.TYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number"},
    FieldDescriptor.TYPE_INT32: {"type": "integer", "minimum": -(2**31)},
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "minimum": 0},
    FieldDescriptor.TYPE_INT64: _WIDE,
    FieldDescriptor.TYPE_UINT64: _WIDE,
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
}


def reference(message: Descriptor) -> _Schema:
    """Where the schema of a message stands."""
    return {"$ref": f"#/components/schemas/{message.name}"}


def schemas(messages: Iterable[Descriptor]) -> dict[str, _Schema]:
    """The schemas of messages, and of all that is in them, by name."""
    found: dict[str, _Schema] = {}
    waiting = list(messages)
    while waiting:
        message = waiting.pop()
        if message.name in found:
            continue
        found[message.name] = {
            "type": "object",
            "description": comments().get(message.full_name, ""),
            "properties": {field.name: of_field(field) for field in message.fields},
            "additionalProperties": False,
        }
        for field in message.fields:
            inner = _value_of(field) if _is_map(field) else field
            kind = inner.message_type
            if kind is not None and kind.full_name not in _OWN_FORMS:
                waiting.append(kind)
    return dict(sorted(found.items()))


def of_field(field: FieldDescriptor) -> _Schema:
    """The schema of a field's value."""
    told = comments().get(field.full_name)
    schema = _of_value(field)
    if field.is_repeated and not _is_map(field):
        schema = {"type": "array", "items": schema}
    return {**schema, "description": told} if told else schema


def _of_value(field: FieldDescriptor) -> _Schema:
    if _is_map(field):
        return {"type": "object", "additionalProperties": _of_value(_value_of(field))}
    if field.message_type is not None:
        own = _OWN_FORMS.get(field.message_type.full_name)
        return reference(field.message_type) if own is None else dict(own)
    if field.enum_type is not None:
        return {"type": "string", "enum": [one.name for one in field.enum_type.values]}
    return dict(_SCALARS[field.type])


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _value_of(map_field: FieldDescriptor) -> FieldDescriptor:
    entry = map_field.message_type
    assert entry is not None
    return entry.fields_by_name["value"]
