"""Collections and the objects in them: read, written, named.

Every write takes effect as a whole or not at all, and carries a request id: made for it,
or given, so that a program that starts anew can send its writes once more. A write whose
id the service knows already is not done again, which is why it may be retried.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from skylike.client import convert, queries, requests, types
from skylike.client.filters import Filter
from skylike.client.inputs import sendable, texts, to_new_object, to_values
from skylike.client.queries import Ack
from skylike.client.session import Session
from skylike.client.transport import Rpc
from skylike.v1 import catalog_pb2 as pb

_SERVICE = "/skylike.v1.CatalogService"
_ADD = Rpc(f"{_SERVICE}/AddObjects", pb.AddObjectsResponse.FromString)
_DELETE = Rpc(f"{_SERVICE}/DeleteObjects", pb.DeleteObjectsResponse.FromString)
_SET_ATTRIBUTES = Rpc(f"{_SERVICE}/SetAttributes", pb.SetAttributesResponse.FromString)
_SET_LABELS = Rpc(f"{_SERVICE}/SetLabels", pb.SetLabelsResponse.FromString)
_GET = Rpc(f"{_SERVICE}/GetObject", pb.GetObjectResponse.FromString)
_LIST = Rpc(f"{_SERVICE}/ListObjects", pb.ListObjectsResponse.FromString)
_COUNT = Rpc(f"{_SERVICE}/CountObjects", pb.CountObjectsResponse.FromString)


class Objects(Session):
    """Stores objects and tells what is stored."""

    async def add(
        self,
        objects: Sequence[queries.NewObject],
        *,
        collection: str | None = None,
        replace: bool = False,
        request_id: str | None = None,
        ack: Ack = "sync",
    ) -> types.Added:
        """Store 1 to 1000 objects: all of them, or none.

        Parameters
        ----------
        objects
            With different ids.
        collection
            May be left out where the service has only one.
        replace
            Whether objects whose ids are taken are replaced, with all of theirs.
        request_id
            Name of this write; by default one of its own.
        ack
            ``sync``: what is answered survives the loss of power; ``async``: only
            the end of the service, which is faster.
        """
        name = sendable(collection or "")
        options = requests.writing(request_id, ack)
        largest = self._target.max_message_bytes
        made = await self._way.apart(
            lambda: [to_new_object(new, largest) for new in objects]
        )
        request = pb.AddObjectsRequest(
            collection=name, objects=made, replace=replace, options=options
        )
        return convert.added(await self._call(_ADD, request))

    async def delete(
        self,
        ids: Sequence[str],
        *,
        collection: str | None = None,
        request_id: str | None = None,
        ack: Ack = "sync",
    ) -> types.Changed:
        """Take up to 10,000 objects out; ids that are not there are told."""
        options = requests.writing(request_id, ack)
        request = pb.DeleteObjectsRequest(**_named(collection, ids), options=options)
        return convert.changed(await self._call(_DELETE, request))

    async def set_attributes(
        self,
        ids: Sequence[str],
        attributes: Mapping[str, types.Attribute] | None = None,
        *,
        remove: Sequence[str] = (),
        collection: str | None = None,
        request_id: str | None = None,
        ack: Ack = "sync",
    ) -> types.Changed:
        """Set attributes of up to 10,000 objects, and take others away.

        Ids that are not there are told; where nothing changes the version stays.
        """
        request = pb.SetAttributesRequest(
            **_named(collection, ids),
            attributes=to_values(attributes or {}),
            remove=texts(remove),
            options=requests.writing(request_id, ack),
        )
        return convert.changed(await self._call(_SET_ATTRIBUTES, request))

    async def set_labels(
        self,
        ids: Sequence[str],
        add: Sequence[str] = (),
        *,
        remove: Sequence[str] = (),
        collection: str | None = None,
        request_id: str | None = None,
        ack: Ack = "sync",
    ) -> types.Changed:
        """Give labels to up to 10,000 objects, and take others away.

        Ids that are not there are told; where nothing changes the version stays.
        """
        request = pb.SetLabelsRequest(
            **_named(collection, ids),
            add=texts(add),
            remove=texts(remove),
            options=requests.writing(request_id, ack),
        )
        return convert.changed(await self._call(_SET_LABELS, request))

    async def get(
        self, id: str, *, collection: str | None = None, with_vector: bool = False
    ) -> types.Found:
        """One object, with its thumbnail."""
        request = pb.GetObjectRequest(
            collection=sendable(collection or ""),
            id=sendable(id),
            with_vector=with_vector,
        )
        return convert.found(await self._call(_GET, request))

    async def objects(
        self,
        where: Filter | None = None,
        *,
        collection: str | None = None,
        page_size: int = 1000,
        sample_size: int = 0,
        sample_seed: int = 0,
    ) -> AsyncIterator[types.Object]:
        """Objects in the order of writing, without thumbnails, as they are needed.

        What is written meanwhile comes later; an object that is replaced comes again.
        All are of the collection that an alias points to when the first are fetched.

        Parameters
        ----------
        where
            Which, by `skylike.client.filters`; None: all.
        collection
            May be left out where the service has only one.
        page_size
            How many are fetched at a time, 1 to 1000.
        sample_size
            Only so many, drawn by lot, each as likely as any other; 0: all.
        sample_seed
            Of the drawing: the same seed draws the same objects.
        """
        request = pb.ListObjectsRequest(
            **_filtered(collection, where),
            page_size=page_size,
            sample_size=requests.counted(sample_size, "sample_size"),
            sample_seed=requests.counted(sample_seed, "sample_seed", 64),
        )
        while True:
            page = await self._call(_LIST, request)
            for one in page.objects:
                yield convert.object_(one)
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    async def count(
        self, where: Filter | None = None, *, collection: str | None = None
    ) -> types.Count:
        """How many objects there are, by `skylike.client.filters`."""
        request = pb.CountObjectsRequest(**_filtered(collection, where))
        return convert.count(await self._call(_COUNT, request))


def _named(collection: str | None, ids: Sequence[str]) -> dict[str, Any]:
    return {"collection": sendable(collection or ""), "ids": texts(ids)}


def _filtered(collection: str | None, where: Filter | None) -> dict[str, Any]:
    return {
        "collection": sendable(collection or ""),
        "filter": None if where is None else requests.to_filter(where),
    }
