"""Looks at files, between the engine's types and the protos."""

from skylike.service import engine
from skylike.service.engine import Stretch
from skylike.service.errors import BadRequest
from skylike.service.server.translate import context_to, reading_to
from skylike.v1 import search_pb2

_STRETCHES: dict[int, Stretch] = {
    search_pb2.STRETCH_UNSPECIFIED: Stretch.ASINH,
    search_pb2.STRETCH_ASINH: Stretch.ASINH,
    search_pb2.STRETCH_LINEAR: Stretch.LINEAR,
    search_pb2.STRETCH_SQUARE_ROOT: Stretch.SQUARE_ROOT,
    search_pb2.STRETCH_LOGARITHM: Stretch.LOGARITHM,
    search_pb2.STRETCH_HISTOGRAM: Stretch.HISTOGRAM,
}
_SIDE = 256


def view_from(request: search_pb2.InspectRequest) -> engine.View:
    """How to look."""
    if request.stretch not in _STRETCHES:
        raise BadRequest(
            f"the stretch {request.stretch} is not known to this service",
            reason="bad_stretch",
        )
    return engine.View(
        _STRETCHES[request.stretch],
        request.plane if request.HasField("plane") else None,
        request.side or _SIDE,
        request.decorations,
    )


def looked_to(answer: engine.Looked) -> search_pb2.InspectResponse:
    """What is seen."""
    told = search_pb2.InspectResponse(
        context=context_to(answer.context),
        hdus=[
            search_pb2.HduInfo(
                index=hdu.number,
                name=hdu.name,
                kind=hdu.kind,
                shape=hdu.shape,
                is_chosen=hdu.number in answer.chosen,
            )
            for hdu in answer.hdus
        ],
        reading=reading_to(answer.reading),
        facts=[search_pb2.Fact(**one._asdict()) for one in answer.facts],
        picture_png=answer.png,
        planes=answer.planes,
        warnings=answer.warnings,
    )
    picture = answer.picture
    if picture is None:
        return told
    compass = picture.compass
    known = {
        "low": picture.low,
        "high": picture.high,
        "north_deg": compass.north_deg,
        "east_deg": compass.east_deg,
    }
    for name, value in known.items():
        if value is not None:
            setattr(told, name, value)
    if compass.bar is not None:
        told.scale_bar.length_arcsec = compass.bar.arcsec
        told.scale_bar.length_pixels = compass.bar.pixels
    return told
