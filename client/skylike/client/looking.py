"""A look at a file, or at an object of a collection."""

from skylike.client import convert_looked, looked, queries
from skylike.client.asked import told
from skylike.client.errors import BadInput
from skylike.client.session import Session
from skylike.client.transport import Rpc
from skylike.v1 import search_pb2 as pb

_INSPECT = Rpc("/skylike.v1.SearchService/Inspect", pb.InspectResponse.FromString)

_STRETCHES: dict[str, pb.Stretch.ValueType] = {
    "asinh": pb.STRETCH_ASINH,
    "linear": pb.STRETCH_LINEAR,
    "square_root": pb.STRETCH_SQUARE_ROOT,
    "logarithm": pb.STRETCH_LOGARITHM,
    "histogram": pb.STRETCH_HISTOGRAM,
}
_LARGEST_SIDE = 1024


class Looking(Session):
    """Shows files and objects; compares nothing."""

    async def inspect(
        self,
        query: queries.Source | None = None,
        *,
        object_id: str | None = None,
        collection: str | None = None,
        stretch: looked.Stretch = "asinh",
        plane: int | None = None,
        side: int = 256,
        decorations: bool = False,
    ) -> looked.Inspection:
        """A picture of a file or an object, and what its headers say.

        Parameters
        ----------
        query, object_id
            Exactly one of them: a file, or an object by its id or place.
        collection
            Whose model would read the file, or that holds the object; may be left out
            where the service has only one.
        stretch
            From brightness to grey.
        plane
            Which plane of a third axis, from 0; None: bands in colour, else the mean.
        side
            Pixels of the picture's longer side, 1 to 1024.
        decorations
            Whether a scale bar and the directions of north and east are drawn, where the
            header tells them and there is room.
        """
        if stretch not in _STRETCHES:
            raise BadInput(
                f"stretch is {stretch!r}; it can be {', '.join(_STRETCHES)}",
                reason="bad_stretch",
            )
        if not 1 <= side <= _LARGEST_SIDE:
            raise BadInput(
                f"side is {side}; a picture has 1 to {_LARGEST_SIDE} pixels",
                reason="bad_side",
            )
        if plane is not None and not 0 <= plane < 2**32:
            raise BadInput(f"plane is {plane}; it counts from 0", reason="bad_plane")
        request = await self._about(
            pb.InspectRequest,
            query,
            object_id,
            collection,
            stretch=_STRETCHES[stretch],
            plane=plane,
            side=side,
            decorations=decorations,
        )
        answer = convert_looked.inspection(await self._call(_INSPECT, request))
        return told(answer, _INSPECT.path, request, self.address)
