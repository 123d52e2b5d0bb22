"""Questions about the map of a collection."""

from skylike.client import convert_maps, queries, requests
from skylike.client.asked import told
from skylike.client.filters import Filter
from skylike.client.inputs import sendable
from skylike.client.maps import Map, MapPlace
from skylike.client.session import Session
from skylike.client.transport import Rpc
from skylike.v1 import catalog_pb2, search_pb2

_MAP = Rpc("/skylike.v1.CatalogService/GetMap", catalog_pb2.GetMapResponse.FromString)
_LOCATE = Rpc("/skylike.v1.SearchService/Locate", search_pb2.LocateResponse.FromString)


class Mapping(Session):
    """Asks for maps, and for places on them."""

    async def map(
        self,
        where: Filter | None = None,
        *,
        collection: str | None = None,
        layout: str = "",
        color: str = "",
        limit: int = 50_000,
    ) -> Map:
        """Where the objects of a collection lie on a map.

        Parameters
        ----------
        where
            Which, by `skylike.client.filters`; None: all that can be searched.
        collection
            May be left out where the service has only one.
        layout
            ``pca``, which every fit makes, or ``tsne``; empty: the best there is.
        color
            ``cluster``, ``anomaly`` (percentile), the name of an attribute, ``ra``,
            ``dec``, ``epoch_mjd`` or ``valid_fraction``; empty: none.
        limit
            At most so many, 1 to 1,000,000; of more a uniform sample, which stays what
            it is from call to call.
        """
        request = catalog_pb2.GetMapRequest(
            collection=sendable(collection or ""),
            layout=sendable(layout),
            color=sendable(color),
            limit=requests.limit(limit),
            filter=None if where is None else requests.to_filter(where),
        )
        answer = convert_maps.map_(await self._call(_MAP, request))
        return told(answer, _MAP.path, request, self.address)

    async def locate(
        self,
        query: queries.Source | None = None,
        *,
        object_id: str | None = None,
        collection: str | None = None,
        layout: str = "",
    ) -> MapPlace:
        """Where a query lies on a map of the collection.

        Parameters
        ----------
        query, object_id
            Exactly one of them: see the class.
        collection, layout
            As in `map`.
        """
        request = await self._about(
            search_pb2.LocateRequest,
            query,
            object_id,
            collection,
            layout=sendable(layout),
        )
        place = convert_maps.place(await self._call(_LOCATE, request))
        return told(place, _LOCATE.path, request, self.address)
