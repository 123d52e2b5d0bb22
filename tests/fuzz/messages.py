"""Random messages of any type, made from its descriptor: sound, hostile, or no message."""

import random
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from tests.fuzz.damage import damaged

_WIDTHS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_FLOATS = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, 90.0, 360.0, 1e-320, 1e30, 1e300, -1e308),
    *(float("nan"), float("inf"), float("-inf")),
)
_TEXTS = (
    *(
        "",
        " ",
        "\0",
        "a\0b",
        "../../etc/passwd",
        "/",
        ".",
        "sky/../sky",
        "'; DROP",
        "%s",
    ),
    *("\u202eevil", "\ud7ff\U0010ffff", "<script>", "\x1b[31m", "\r\nx: y", "é" * 300),
    *("x" * 512, "x" * 513, "x" * 100_000, "NaN", "-1", "[1:2", "a=b;c=d", "{}", "\\"),
)
_DEEPEST = 4


@dataclass(frozen=True, slots=True)
class Sense:
    """What has a meaning to the service that is asked.

    Attributes
    ----------
    texts
        Values for fields of text, by the name of the field, or of message and field.
    numbers
        The same for numbers.
    cutouts
        FITS files that can be read.
    damageable
        FITS files to be damaged.
    dimension
        Length of vectors.
    """

    texts: Mapping[str, Sequence[str]]
    numbers: Mapping[str, Sequence[float]]
    cutouts: Sequence[bytes]
    damageable: Sequence[bytes]
    dimension: int


class Messages:
    """Draws messages; the same chance draws the same ones."""

    def __init__(self, chance: random.Random, sense: Sense) -> None:
        self._chance, self._sense = chance, sense
        self._tameness = 1.0

    def draw(self, kind: Descriptor, most_bytes: int) -> bytes:
        """What to send where a message of this kind is expected."""
        chance = self._chance
        self._tameness = chance.choice((1.0, 1.0, 0.95, 0.7, 0.0))
        match chance.random():
            case x if x < 0.03:
                return b""
            case x if x < 0.08:
                return chance.randbytes(chance.choice((1, 7, 60, 3000)))
            case x if x < 0.12:
                return self._nested(kind)
            case x if x < 0.13:
                return _field(19_999, bytes(most_bytes + 1))
        sound: bytes = self._message(kind, 0).SerializeToString()
        match chance.random():
            case x if x < 0.06:
                return self._flipped(sound)
            case x if x < 0.08:
                return sound[: chance.randrange(len(sound) + 1)]
            case x if x < 0.10:
                return sound + _field(19_999, chance.randbytes(99))
        return sound

    def _message(self, kind: Descriptor, depth: int) -> Any:
        made: Any = message_factory.GetMessageClass(kind)()
        for field in self._chosen(kind):
            inner = field.message_type
            if inner is not None and depth > _DEEPEST:
                continue
            if field.is_repeated:
                self._fill(made, field, depth)
            elif inner is not None:
                getattr(made, field.name).CopyFrom(self._message(inner, depth + 1))
            else:
                setattr(made, field.name, self._value(field))
        return made

    def _chosen(self, kind: Descriptor) -> list[FieldDescriptor]:
        """One of each oneof, and of the others most."""
        chance = self._chance
        chosen = [f for f in kind.fields if f.containing_oneof is None]
        chosen = [f for f in chosen if self._is_tame() or chance.random() < 0.5]
        if self._is_tame() and chance.random() < 0.5:  # most say nothing of how
            chosen = [f for f in chosen if f.name not in ("options", "filter")]
        for oneof in kind.oneofs:
            if chance.random() < (0.9 if len(oneof.fields) > 1 else 0.4):
                chosen.append(chance.choice(oneof.fields))
        if kind.full_name == "skylike.v1.Vector" and self._is_tame():
            chosen = [kind.fields_by_name[chance.choice(("packed", "values"))]]
        return chosen

    def _fill(self, made: Any, field: FieldDescriptor, depth: int) -> None:
        """A repeated field, or a map."""
        chance, into = self._chance, getattr(made, field.name)
        if field.full_name == "skylike.v1.Vector.values" and self._is_tame():
            into.extend(chance.gauss(0, 1) for _ in range(self._sense.dimension))
            return
        inner = field.message_type
        counts: Sequence[int] = (0, 1, 1, 2, 3) if inner else (0, 1, 2, 4, 4, 9, 3000)
        if inner is not None and not self._is_tame():
            counts = (0, 30, 1500)
        count = chance.choice(counts) if depth < 2 else 1
        if inner is None:
            into.extend(self._value(field) for _ in range(count))
            return
        entries = [self._message(inner, depth + 1) for _ in range(count)]
        if not inner.GetOptions().map_entry:
            into.extend(entries)
            return
        for entry in entries:
            if inner.fields_by_name["value"].message_type is None:
                into[entry.key] = entry.value
            else:
                into[entry.key].CopyFrom(entry.value)

    def _value(self, field: FieldDescriptor) -> Any:
        chance = self._chance
        match field.cpp_type:
            case FieldDescriptor.CPPTYPE_BOOL:
                return chance.random() < 0.5
            case FieldDescriptor.CPPTYPE_ENUM:
                kind: Any = field.enum_type
                numbers = [value.number for value in kind.values]
                return chance.choice(
                    numbers if self._is_tame() else (-1, 99, 2**31 - 1)
                )
            case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
                return self._number(field.name)
            case FieldDescriptor.CPPTYPE_STRING if field.type == field.TYPE_BYTES:
                return self._bytes(field.name)
            case FieldDescriptor.CPPTYPE_STRING:
                return self._text(field)
            case width:
                return self._whole(field.name, *_WIDTHS[width])

    def _number(self, name: str) -> float:
        if self._is_tame():
            return self._chance.choice(self._sense.numbers.get(name, (0.0, 0.5, 1.0)))
        return self._chance.choice((*_FLOATS, self._chance.uniform(-1e5, 1e5)))

    def _whole(self, name: str, least: int, most: int) -> int:
        chance = self._chance
        if self._is_tame():
            return int(chance.choice(self._sense.numbers.get(name, (0, 1, 2, 10, 60))))
        drawn = (least, most, least + 1, most - 1, 0, 1, chance.randint(least, most))
        return chance.choice(drawn)

    def _text(self, field: FieldDescriptor) -> str:
        chance, texts = self._chance, self._sense.texts
        if self._is_tame():
            fresh = f"new-{chance.getrandbits(48):x}"
            within = ".".join(field.full_name.split(".")[-2:])
            return chance.choice(texts.get(within) or texts.get(field.name) or (fresh,))
        letters = "".join(chr(chance.randrange(0xD800)) for _ in range(9))
        return chance.choice((*_TEXTS, letters))

    def _bytes(self, name: str) -> bytes:
        chance = self._chance
        if name == "fits":
            if self._is_tame():
                return chance.choice(self._sense.cutouts)
            seed, number = chance.getrandbits(32), chance.getrandbits(32)
            return damaged(self._sense.damageable, seed, number)
        if self._is_tame():
            numbers = [chance.gauss(0, 1) for _ in range(self._sense.dimension)]
            return struct.pack(f"<{len(numbers)}f", *numbers)
        return chance.choice(
            (
                b"",
                b"12345",
                bytes(4 * self._sense.dimension),
                struct.pack("<f", float("nan")) * self._sense.dimension,
                struct.pack("<f", 3e38) * self._sense.dimension,
                struct.pack("<f", 1e-45) * self._sense.dimension,
                chance.randbytes(4 * self._sense.dimension),
                bytes(400_000),
            )
        )

    def _flipped(self, data: bytes) -> bytes:
        if not data:
            return data
        changed = bytearray(data)
        for _ in range(self._chance.choice((1, 3, 20))):
            changed[self._chance.randrange(len(changed))] ^= (
                1 << self._chance.randrange(8)
            )
        return bytes(changed)

    def _nested(self, kind: Descriptor) -> bytes:
        """A message within itself, as deep as no one should; else groups in groups."""
        depth = self._chance.choice((5, 20, 90, 99, 200, 5000))
        route = _loop(kind)
        if route is None:
            return (
                b"\x0b" * depth + b"\x0c" * depth
            )  # a group is a field of unknown kind
        before, around = route
        data = b""
        for _ in range(depth):
            for number in reversed(around):
                data = _field(number, data)
        for number in reversed(before):
            data = _field(number, data)
        return data

    def _is_tame(self) -> bool:
        return self._chance.random() < self._tameness


def _loop(kind: Descriptor) -> tuple[list[int], list[int]] | None:
    """Numbers of the fields that lead to a message within itself, and once around."""
    trail: list[Descriptor] = []
    numbers: list[int] = []

    def walk(at: Descriptor) -> tuple[list[int], list[int]] | None:
        if at in trail:
            start = trail.index(at)
            return numbers[:start], numbers[start:]
        trail.append(at)
        for field in at.fields:
            if field.message_type is not None:
                numbers.append(field.number)
                if (found := walk(field.message_type)) is not None:
                    return found
                numbers.pop()
        trail.pop()
        return None

    return walk(kind)


def _field(number: int, data: bytes) -> bytes:
    """A field of bytes, as it travels."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])
