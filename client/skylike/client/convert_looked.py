"""Messages about looks at files to results."""

from skylike.client import looked
from skylike.client.convert import context, given, reading
from skylike.v1 import search_pb2


def inspection(message: search_pb2.InspectResponse) -> looked.Inspection:
    """The answer of Inspect."""
    bar = message.scale_bar
    return looked.Inspection(
        context=context(message.context),
        hdus=tuple(
            looked.Hdu(one.index, one.name, one.kind, tuple(one.shape), one.is_chosen)
            for one in message.hdus
        ),
        reading=reading(message),
        facts=tuple(
            looked.Fact(one.keyword, one.value, one.comment) for one in message.facts
        ),
        picture_png=message.picture_png,
        planes=message.planes,
        low=given(message, "low"),
        high=given(message, "high"),
        scale_bar=looked.ScaleBar(bar.length_arcsec, bar.length_pixels)
        if message.HasField("scale_bar")
        else None,
        north_deg=given(message, "north_deg"),
        east_deg=given(message, "east_deg"),
        warnings=tuple(message.warnings),
    )
