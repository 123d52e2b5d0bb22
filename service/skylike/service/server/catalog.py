"""`CatalogService`: translates, and leaves the work to the engine."""

import grpc

from skylike.service.engine import Engine
from skylike.service.server import pages, translate
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
        )
        return catalog_pb2.AddObjectsResponse(
            context=translate.context_to(answer.context),
            objects=[translate.object_to(one) for one in answer.objects],
        )

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
