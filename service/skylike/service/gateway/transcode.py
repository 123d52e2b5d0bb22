"""Between JSON and the messages of the contract, as Protobuf defines it.

Fields are called as in the contract; numbers of 64 bits are texts, bytes are base64.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from skylike.service.errors import BadRequest

_TRUTHS = {"true", "false"}
_FRACTIONS = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)


def read_json(text: bytes, request: Message) -> None:
    """Fill a request with what a JSON text says.

    Raises
    ------
    BadRequest
        ``bad_json`` if it is no JSON, or not of this message.
    """
    try:
        if not text.lstrip().startswith(b"{"):  # an empty list would be taken for one
            raise ValueError("it begins with no {")
        json_format.Parse(text, request)
    except (json_format.Error, ValueError, RecursionError) as error:
        raise _bad(request, error) from error


def read_texts(texts: Mapping[str, str], request: Message) -> None:
    """Fill fields of a request with texts, as parts of an address have them.

    Fields of more than one value, such as a filter, are JSON.

    Raises
    ------
    BadRequest
        ``bad_json`` if there is no such field, or a text is no value of it.
    """
    fields = request.DESCRIPTOR.fields_by_name
    for name, text in texts.items():
        if name not in fields:
            raise BadRequest(
                f"nothing here is called {name[:100]!r}; there are: {', '.join(fields)}",
                reason="bad_json",
            )
        try:
            json_format.ParseDict({name: _value(fields[name], text)}, request)
        except (json_format.Error, ValueError, RecursionError) as error:
            is_json = fields[name].is_repeated or fields[name].message_type
            why = f" ({str(error)[:300]})" if is_json else ""
            raise BadRequest(
                f"{name} is {text[:100]!r}: it has to be {_wanted(fields[name])}{why}",
                reason="bad_json",
            ) from error


def to_json(reply: Message) -> str:
    """A reply as JSON; fields that are empty are there too, unless they are optional."""
    if "vector" in reply.DESCRIPTOR.fields_by_name and reply.HasField("vector"):
        _unpack(getattr(reply, "vector"))  # noqa: B009  # a field of some messages
    return json_format.MessageToJson(
        reply,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
        indent=None,
        ensure_ascii=False,
    )


def _unpack(vector: Any) -> None:
    """Numbers are what people want to see in JSON."""
    vector.values.extend(np.frombuffer(vector.packed, "<f4").tolist())
    vector.packed = b""


def _wanted(field: Any) -> str:
    """What a text says that is a value of a field."""
    message, kind = field.message_type, field.cpp_type
    if message is not None and message.GetOptions().map_entry:
        value = message.fields_by_name["value"].message_type
        inner = f'{{"{value.fields[0].name}": ...}}' if value is not None else "..."
        return f'an object in JSON such as {{"NAME": {inner}}}'
    if field.is_repeated:
        return 'a list in JSON such as ["a", "b"]'
    if message is not None:
        known = ", ".join(message.fields_by_name)
        return f"an object in JSON, which may have {known}"
    if field.enum_type is not None:
        return " or ".join(field.enum_type.values_by_name)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return "true or false"
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return "Unicode text"
    return "a number" if kind in _FRACTIONS else "a whole number, not too large"


def _value(field: Any, text: str) -> Any:
    if field.is_repeated or field.message_type is not None:
        return json.loads(text)
    is_truth = field.type == FieldDescriptor.TYPE_BOOL and text in _TRUTHS
    return text == "true" if is_truth else text


def _bad(request: Message, error: Exception) -> BadRequest:
    name = request.DESCRIPTOR.name
    why = str(error) or type(error).__name__
    return BadRequest(f"this is no {name} in JSON: {why[:500]}", reason="bad_json")
