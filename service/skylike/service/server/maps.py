"""Maps, between the engine's types and the protos."""

import numpy as np
from numpy.typing import NDArray

from skylike.service.engine import Drawn, Located
from skylike.service.server import translate
from skylike.v1 import catalog_pb2, search_pb2


def map_to(answer: Drawn) -> catalog_pb2.GetMapResponse:
    """Where objects lie."""
    drawn = answer.map
    made = catalog_pb2.GetMapResponse(
        context=translate.context_to(answer.context),
        layout=drawn.layout,
        layouts=drawn.layouts,
        ids=drawn.ids,
        x=_packed(drawn.places[:, 0]),
        y=_packed(drawn.places[:, 1]),
        total=drawn.total,
        is_sample=len(drawn.ids) < drawn.total,
        explained=[] if drawn.shares is None else drawn.shares.tolist(),
        fit_version=drawn.fit_version,
    )
    if drawn.colors is not None:
        made.color = _packed(drawn.colors.values)
        made.color_names.extend(drawn.colors.categories)
    if drawn.density is not None:
        counts, (x_low, x_high), (y_low, y_high) = drawn.density
        made.density.CopyFrom(
            catalog_pb2.MapDensity(
                counts=counts.astype("<u4").tobytes(),
                nx=counts.shape[1],
                ny=counts.shape[0],
                x_low=x_low,
                x_high=x_high,
                y_low=y_low,
                y_high=y_high,
            )
        )
    return made


def located_to(answer: Located) -> search_pb2.LocateResponse:
    """Where a query lies."""
    return search_pb2.LocateResponse(
        context=translate.context_to(answer.context),
        reading=translate.reading_to(answer.reading),
        layout=answer.layout,
        x=answer.x,
        y=answer.y,
    )


def _packed(numbers: NDArray[np.float32]) -> bytes:
    return numbers.astype("<f4").tobytes()
