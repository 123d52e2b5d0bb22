"""`CatalogService`: translates, and leaves the work to the engine."""

from typing import Any

import grpc

from skylike.service.engine import NOWHERE, Changed, Engine
from skylike.service.server import kinds, maps, pages, ranked, translate
from skylike.service.server.options import filter_from, value_from, writing_from
from skylike.v1 import catalog_pb2, catalog_pb2_grpc


class CatalogServicer(catalog_pb2_grpc.CatalogServiceServicer):
    """Stores objects and tells what is stored."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def AddObjects(  # noqa: N802
        self, request: catalog_pb2.AddObjectsRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.AddObjectsResponse:
        """Adds objects: all durably, or none."""
        answer = self._engine.add(
            request.collection,
            [translate.new_object_from(new) for new in request.objects],
            replace=request.replace,
            how=writing_from(request),
        )
        return catalog_pb2.AddObjectsResponse(
            context=translate.context_to(answer.context),
            objects=[translate.object_to(one) for one in answer.objects],
            was_done=answer.was_done,
        )

    def DeleteObjects(  # noqa: N802
        self, request: catalog_pb2.DeleteObjectsRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.DeleteObjectsResponse:
        """Takes objects out."""
        answer = self._engine.delete(
            request.collection, list(request.ids), writing_from(request)
        )
        return catalog_pb2.DeleteObjectsResponse(**_changed(answer))

    def SetAttributes(  # noqa: N802
        self, request: catalog_pb2.SetAttributesRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.SetAttributesResponse:
        """Sets attributes, and takes others away."""
        values = {
            name: value_from(name, value) for name, value in request.attributes.items()
        }
        answer = self._engine.set_attributes(
            request.collection,
            list(request.ids),
            {**dict.fromkeys(request.remove), **values},
            writing_from(request),
        )
        return catalog_pb2.SetAttributesResponse(**_changed(answer))

    def SetLabels(  # noqa: N802
        self, request: catalog_pb2.SetLabelsRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.SetLabelsResponse:
        """Gives labels, and takes others away."""
        answer = self._engine.label(
            request.collection,
            list(request.ids),
            list(request.add),
            list(request.remove),
            writing_from(request),
        )
        return catalog_pb2.SetLabelsResponse(**_changed(answer))

    def GetObject(  # noqa: N802
        self, request: catalog_pb2.GetObjectRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.GetObjectResponse:
        """One object by its id."""
        answer = self._engine.get(
            request.collection, request.id, with_vector=request.with_vector
        )
        return catalog_pb2.GetObjectResponse(
            context=translate.context_to(answer.context),
            object=translate.object_to(answer.object),
            vector=(
                None
                if answer.vector is None
                else translate.vector_to(answer.vector, answer.context.model_id)
            ),
        )

    def ListCollections(  # noqa: N802
        self, request: catalog_pb2.ListCollectionsRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.ListCollectionsResponse:
        """The collections, by name."""
        collections = self._engine.collections()
        page, next_page_token = pages.cut(
            [info.context.collection for info in collections],
            request.page_size,
            request.page_token,
        )
        return catalog_pb2.ListCollectionsResponse(
            collections=[translate.collection_to(info) for info in collections[page]],
            next_page_token=next_page_token,
        )

    def ListObjects(  # noqa: N802
        self, request: catalog_pb2.ListObjectsRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.ListObjectsResponse:
        """Objects in the order of writing, page by page.

        All of the collection that the first page was of: rows of another one, where an
        alias points meanwhile, would be neither list.
        """
        where = filter_from(request.filter) if request.HasField("filter") else None
        digest, collection, row = pages.digest_of(request), request.collection, 0
        if request.page_token:
            collection, row = pages.row_in(request.page_token, digest)
        answer = self._engine.scroll(
            collection,
            where,
            after_row=row,
            limit=pages.size_of(request.page_size),
            sample_size=request.sample_size,
            sample_seed=request.sample_seed,
        )
        return catalog_pb2.ListObjectsResponse(
            context=translate.context_to(answer.context),
            objects=[translate.object_to(one) for one in answer.objects],
            next_page_token=pages.token_in(
                answer.context.collection, answer.last_row, digest
            ),
        )

    def CountObjects(  # noqa: N802
        self, request: catalog_pb2.CountObjectsRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.CountObjectsResponse:
        """How many objects there are."""
        where = filter_from(request.filter) if request.HasField("filter") else None
        answer = self._engine.count(request.collection, where)
        return catalog_pb2.CountObjectsResponse(
            context=translate.context_to(answer.context), num_objects=answer.num_objects
        )

    def GetCollection(  # noqa: N802
        self, request: catalog_pb2.GetCollectionRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.GetCollectionResponse:
        """One collection."""
        found = self._engine.describe(request.collection)
        return catalog_pb2.GetCollectionResponse(
            collection=translate.collection_to(found)
        )

    def CreateCollection(  # noqa: N802
        self,
        request: catalog_pb2.CreateCollectionRequest,
        context: grpc.ServicerContext,
    ) -> catalog_pb2.CreateCollectionResponse:
        """Makes an empty collection."""
        made = self._engine.create(request.collection, request.model_of)
        return catalog_pb2.CreateCollectionResponse(
            collection=translate.collection_to(made)
        )

    def DeleteCollection(  # noqa: N802
        self,
        request: catalog_pb2.DeleteCollectionRequest,
        context: grpc.ServicerContext,
    ) -> catalog_pb2.DeleteCollectionResponse:
        """Removes a collection."""
        self._engine.library.delete(request.collection)
        return catalog_pb2.DeleteCollectionResponse()

    def ListClusters(  # noqa: N802
        self, request: catalog_pb2.ListClustersRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.ListClustersResponse:
        """The clusters of a collection."""
        return kinds.clusters_to(
            self._engine.clusters(
                request.collection, request.fit_version, portraits=request.portraits
            )
        )

    def RenameCluster(  # noqa: N802
        self, request: catalog_pb2.RenameClusterRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.RenameClusterResponse:
        """Gives a cluster a name."""
        answer = self._engine.rename_cluster(
            request.collection, request.label, request.name, writing_from(request)
        )
        return catalog_pb2.RenameClusterResponse(
            context=translate.context_to(answer.context), was_done=answer.was_done
        )

    def ListClusterMembers(  # noqa: N802
        self,
        request: catalog_pb2.ListClusterMembersRequest,
        context: grpc.ServicerContext,
    ) -> catalog_pb2.ListClusterMembersResponse:
        """The objects of a cluster, page by page."""
        wanted = ranked.wanted_from(request)
        label = NOWHERE if request.in_no_cluster else request.label
        answer = self._engine.members(request.collection, label, wanted)
        return ranked.members_to(answer, request)

    def ListAnomalies(  # noqa: N802
        self, request: catalog_pb2.ListAnomaliesRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.ListAnomaliesResponse:
        """The objects by how odd they are, or by what was taught, page by page."""
        wanted = ranked.wanted_from(request)
        answer = self._engine.anomalies(
            request.collection,
            wanted,
            ranked.order_from(request),
            controlled=request.controlled,
        )
        return ranked.anomalies_to(answer, request)

    def GetMap(  # noqa: N802
        self, request: catalog_pb2.GetMapRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.GetMapResponse:
        """Where the objects of a collection lie on a map."""
        return maps.map_to(
            self._engine.map(
                request.collection,
                request.layout,
                request.limit,
                request.color,
                filter_from(request.filter) if request.HasField("filter") else None,
            )
        )

    def ListAliases(  # noqa: N802
        self, request: catalog_pb2.ListAliasesRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.ListAliasesResponse:
        """The aliases."""
        found = sorted(self._engine.library.aliases().items())
        return catalog_pb2.ListAliasesResponse(
            aliases=[catalog_pb2.Alias(alias=a, collection=c) for a, c in found]
        )

    def SetAlias(  # noqa: N802
        self, request: catalog_pb2.SetAliasRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.SetAliasResponse:
        """Makes an alias, or lets it point elsewhere."""
        self._engine.library.point_alias(request.alias, request.collection)
        made = catalog_pb2.Alias(alias=request.alias, collection=request.collection)
        return catalog_pb2.SetAliasResponse(alias=made)

    def RollBackAlias(  # noqa: N802
        self, request: catalog_pb2.RollBackAliasRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.RollBackAliasResponse:
        """Lets an alias point to where it did before."""
        collection = self._engine.library.rollback_alias(
            request.alias, request.from_collection
        )
        made = catalog_pb2.Alias(alias=request.alias, collection=collection)
        return catalog_pb2.RollBackAliasResponse(alias=made)

    def DeleteAlias(  # noqa: N802
        self, request: catalog_pb2.DeleteAliasRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.DeleteAliasResponse:
        """Forgets an alias."""
        self._engine.library.drop_alias(request.alias)
        return catalog_pb2.DeleteAliasResponse()


def _changed(answer: Changed) -> dict[str, Any]:
    """What every answer to a change says."""
    return {
        "context": translate.context_to(answer.context),
        "num_objects": answer.num_objects,
        "was_done": answer.was_done,
        "unknown_ids": answer.unknown_ids,
    }
