"""From messages about maps to the dataclasses of `maps`."""

import numpy as np
from numpy.typing import NDArray

from skylike.client import convert
from skylike.client.maps import Density, Map, MapPlace
from skylike.v1 import catalog_pb2, search_pb2


def map_(found: catalog_pb2.GetMapResponse) -> Map:
    """A map."""
    density = None
    if found.HasField("density"):
        message = found.density
        counts = np.frombuffer(message.counts, "<u4").astype(np.uint32)
        density = Density(
            counts.reshape(message.ny, message.nx),
            (message.x_low, message.x_high),
            (message.y_low, message.y_high),
        )
    color = _numbers(found.color)
    return Map(
        convert.context(found.context),
        found.layout,
        tuple(found.layouts),
        found.fit_version,
        tuple(found.ids),
        _numbers(found.x),
        _numbers(found.y),
        color if len(color) else None,
        tuple(found.color_names),
        found.total,
        density,
        tuple(found.explained),
    )


def _numbers(packed: bytes) -> NDArray[np.float32]:
    return np.frombuffer(packed, "<f4").astype(np.float32)


def place(found: search_pb2.LocateResponse) -> MapPlace:
    """A place on a map."""
    return MapPlace(
        convert.context(found.context),
        convert.reading(found),
        found.layout,
        found.x,
        found.y,
    )
