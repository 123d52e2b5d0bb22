"""`Plain`: dataclasses that give themselves as JSON can hold them."""

import base64
import dataclasses
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np


class Plain:
    """Gives dataclasses their `to_dict`."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them.

        Bytes become base64, arrays lists, and numbers that are not finite None.
        """
        assert dataclasses.is_dataclass(self)
        return {
            one.name: _plain(getattr(self, one.name))
            for one in dataclasses.fields(self)
        }


def _plain(value: Any) -> Any:
    match value:
        case Plain():
            return value.to_dict()
        case tuple():
            return [_plain(one) for one in value]
        case Mapping():
            return {name: _plain(one) for name, one in value.items()}
        case datetime():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case np.ndarray():
            return value.tolist()
        case float():
            return value if math.isfinite(value) else None
    return value
