"""Collections, the names that point to them, and their clusters."""

from skylike.client import convert, kinds, requests, types
from skylike.client.inputs import sendable
from skylike.client.queries import Ack
from skylike.client.session import Session
from skylike.client.transport import Rpc
from skylike.v1 import catalog_pb2 as pb

_SERVICE = "/skylike.v1.CatalogService"
_LIST = Rpc(f"{_SERVICE}/ListCollections", pb.ListCollectionsResponse.FromString)
_GET = Rpc(f"{_SERVICE}/GetCollection", pb.GetCollectionResponse.FromString)
_CREATE = Rpc(f"{_SERVICE}/CreateCollection", pb.CreateCollectionResponse.FromString)
_DELETE = Rpc(f"{_SERVICE}/DeleteCollection", pb.DeleteCollectionResponse.FromString)
_CLUSTERS = Rpc(f"{_SERVICE}/ListClusters", pb.ListClustersResponse.FromString)
_RENAME = Rpc(f"{_SERVICE}/RenameCluster", pb.RenameClusterResponse.FromString)
_ALIASES = Rpc(f"{_SERVICE}/ListAliases", pb.ListAliasesResponse.FromString)
_SET_ALIAS = Rpc(f"{_SERVICE}/SetAlias", pb.SetAliasResponse.FromString)
_ROLL_BACK = Rpc(f"{_SERVICE}/RollBackAlias", pb.RollBackAliasResponse.FromString)
_DELETE_ALIAS = Rpc(f"{_SERVICE}/DeleteAlias", pb.DeleteAliasResponse.FromString)


class Collections(Session):
    """Makes, names and removes collections, and names their clusters.

    Writes are retried only unbegun, but for names of clusters, which have request ids.
    """

    async def collections(self) -> list[types.CollectionInfo]:
        """Every collection of the service, by name."""
        found: list[types.CollectionInfo] = []
        request = pb.ListCollectionsRequest()
        while True:
            page = await self._call(_LIST, request)
            found += [convert.collection(message) for message in page.collections]
            request.page_token = page.next_page_token
            if not request.page_token:
                return found

    async def collection(self, name: str | None = None) -> types.CollectionInfo:
        """One collection, by its name or an alias; None: the only one there is."""
        request = pb.GetCollectionRequest(collection=sendable(name or ""))
        return convert.collection((await self._call(_GET, request)).collection)

    async def create_collection(
        self, name: str, *, model_of: str | None = None
    ) -> types.CollectionInfo:
        """Make an empty collection for the model of another one.

        Parameters
        ----------
        name
            1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit.
        model_of
            The other collection; may be left out where there is only one.
        """
        request = pb.CreateCollectionRequest(
            collection=sendable(name), model_of=sendable(model_of or "")
        )
        answer = await self._call(_CREATE, request, is_safe=False)
        return convert.collection(answer.collection)

    async def delete_collection(self, name: str) -> None:
        """Remove a collection, which no alias points to, and all that is in it."""
        request = pb.DeleteCollectionRequest(collection=sendable(name))
        await self._call(_DELETE, request, is_safe=False)

    async def clusters(
        self,
        collection: str | None = None,
        *,
        fit_version: int | None = None,
        portraits: bool = False,
    ) -> kinds.Clusters:
        """The clusters of a collection, by falling size.

        Parameters
        ----------
        collection
            May be left out where the service has only one.
        fit_version
            Of which fit, one of the last five; by default the newest.
        portraits
            Whether to tell what the members of each look like and have in common.
        """
        request = pb.ListClustersRequest(
            collection=sendable(collection or ""),
            fit_version=fit_version or 0,
            portraits=portraits,
        )
        return convert.clusters(await self._call(_CLUSTERS, request))

    async def rename_cluster(
        self,
        label: int,
        name: str,
        *,
        collection: str | None = None,
        request_id: str | None = None,
        ack: Ack = "sync",
    ) -> kinds.Renamed:
        """Give a cluster of the newest fit a name, which it keeps in later ones.

        Parameters
        ----------
        label
            Its number, as `clusters` tells it.
        name
            1 to 200 printable characters, that of no other cluster.
        collection, request_id, ack
            As in `add`.
        """
        request = pb.RenameClusterRequest(
            collection=sendable(collection or ""),
            label=requests.label(label),
            name=sendable(name),
            options=requests.writing(request_id, ack),
        )
        return convert.renamed(await self._call(_RENAME, request))

    async def aliases(self) -> list[types.Alias]:
        """Every alias, by name."""
        answer = await self._call(_ALIASES, pb.ListAliasesRequest())
        return [_alias(one) for one in answer.aliases]

    async def set_alias(self, alias: str, collection: str) -> types.Alias:
        """Make an alias, or let it point elsewhere, at once for all who ask."""
        request = pb.SetAliasRequest(
            alias=sendable(alias), collection=sendable(collection)
        )
        answer = await self._call(_SET_ALIAS, request, is_safe=False)
        return _alias(answer.alias)

    async def roll_back_alias(
        self, alias: str, *, leaving: str | None = None
    ) -> types.Alias:
        """Let an alias point to where it did before.

        Parameters
        ----------
        alias
            The name.
        leaving
            The collection that it points to now; it is refused where that is another,
            as after somebody has rolled it back already. None: whichever it is.
        """
        request = pb.RollBackAliasRequest(
            alias=sendable(alias), from_collection=sendable(leaving or "")
        )
        answer = await self._call(_ROLL_BACK, request, is_safe=False)
        return _alias(answer.alias)

    async def delete_alias(self, alias: str) -> None:
        """Forget an alias; its collection stays."""
        request = pb.DeleteAliasRequest(alias=sendable(alias))
        await self._call(_DELETE_ALIAS, request, is_safe=False)


def _alias(message: pb.Alias) -> types.Alias:
    return types.Alias(message.alias, message.collection)
