"""Between JSON and the messages of the contract, as Protobuf defines it.

Fields are called as in the contract; numbers of 64 bits are texts, bytes are base64.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from skylike.service.errors import BadRequest

_TRUTHS = {"true", "false"}


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

    Raises
    ------
    BadRequest
        ``bad_json`` if there is no such field, or a text is no value of it.
    """
    fields = request.DESCRIPTOR.fields_by_name
    values: dict[str, Any] = {}
    for name, text in texts.items():
        field = fields.get(name)
        is_truth = field is not None and field.type == FieldDescriptor.TYPE_BOOL
        values[name] = text == "true" if is_truth and text in _TRUTHS else text
    try:
        json_format.ParseDict(values, request)
    except (json_format.Error, ValueError) as error:
        raise _bad(request, error) from error


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


def _bad(request: Message, error: Exception) -> BadRequest:
    name = request.DESCRIPTOR.name
    why = str(error) or type(error).__name__
    return BadRequest(f"this is no {name} in JSON: {why[:500]}", reason="bad_json")
