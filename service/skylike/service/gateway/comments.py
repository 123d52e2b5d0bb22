"""What the contract says of its messages, fields and methods, in words."""

import functools
import re
from collections.abc import Mapping
from importlib import resources

_DECLARED = re.compile(r"(?:message|enum|service|rpc|oneof) (\w+)|.*?(\w+) = \d+;")


@functools.cache
def comments() -> Mapping[str, str]:
    """Comments by full name, such as ``skylike.v1.Hit.score``.

    They are in the sources only, which lie beside the stubs. Declared is one thing a
    line, below its comment, as buf's rules have it.
    """
    found: dict[str, str] = {}
    for file in resources.files("skylike.v1").iterdir():
        if file.name.endswith(".proto"):
            found |= _of(file.read_text(encoding="utf-8"))
    return found


def _of(source: str) -> dict[str, str]:
    found: dict[str, str] = {}
    scope: list[str] = []
    said: list[str] = []
    for line in (line.strip() for line in source.splitlines()):
        declared = _DECLARED.match(line)
        if line.startswith("//"):
            said.append(line[2:].strip())
            continue
        if declared:
            name = declared[1] or declared[2]
            found[".".join(["skylike.v1", *filter(None, scope), name])] = " ".join(said)
        if line.endswith("{"):
            # The fields of a oneof belong to its message.
            is_part = line.startswith("oneof")
            scope.append("" if is_part or not declared else declared[1])
        elif line == "}":
            scope.pop()
        said = []
    return found
