"""Parquet for embedding-atlas: places on the map, and the nearest of each object.

``embedding-atlas FILE --x x --y y --neighbors neighbors`` shows it as it is, and computes
nothing: no text or image column tempts it to. Ids of neighbours are rows of the file.

References
----------
https://apple.github.io/embedding-atlas: the options of its command line.
"""

import os
from pathlib import Path

from skylike.client.client import Client
from skylike.client.errors import SkylikeClientError
from skylike.client.filters import Filter
from skylike.client.handover.everything import Everything, of_ids
from skylike.client.queries import ObjectId
from skylike.client.tables.writing import door, put

_MOST = 50_000


def embedding_atlas(
    client: Client,
    path: str | os.PathLike[str],
    where: Filter | None = None,
    *,
    collection: str | None = None,
    layout: str = "",
    neighbors: int = 15,
    limit: int = _MOST,
) -> int:
    """Write a Parquet file that embedding-atlas shows.

    Columns are those of `everything`, ``x`` and ``y`` of the layout, and ``neighbors``: a
    structure of ``ids``, which are rows of the file, and ``distances`` (1 - cosine).

    Parameters
    ----------
    client
        Whom to ask.
    path
        The file; one that is there is replaced.
    where
        Which objects, by `skylike.client.filters`; None: all that can be searched.
    collection
        May be left out where the service has only one.
    layout
        Of the map, as in `Client.map`.
    neighbors
        How many of the nearest objects are looked for; those that are not in the file are
        left out.
    limit
        At most so many objects; of more a uniform sample.

    Returns
    -------
    int
        How many objects there are in the file.

    Raises
    ------
    MissingPackage
        If pyarrow is not installed.
    """
    writer = door("atlas")
    shown = client.map(where, collection=collection, layout=layout, limit=limit)
    name = shown.context.collection  # an alias may point elsewhere meanwhile
    places = {
        id: place
        for id, place in zip(
            shown.ids, zip(shown.x.tolist(), shown.y.tolist(), strict=True), strict=True
        )
    }
    items = of_ids(client, shown.ids, name)
    rows = {one.object.id: row for row, one in enumerate(items)}
    near: list[tuple[list[int], list[float]]] = [([], []) for _ in items]
    questions = ((row, ObjectId(id)) for id, row in rows.items())
    for row, answer in client.analyze_many(questions, collection=name, k=neighbors):
        if isinstance(answer, SkylikeClientError):
            continue
        hits = [hit for hit in answer.hits if hit.id in rows]
        near[row] = [rows[hit.id] for hit in hits], [1 - hit.score for hit in hits]
    table = Everything(shown.context, items)._table()
    xy = [places[one.object.id] for one in items]
    put(Path(path), writer.content(table, xy, near))
    return len(items)
