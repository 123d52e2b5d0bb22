"""Objects of a collection with their vectors and thumbnails: what maps are made of."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skylike.client.client import Client
from skylike.client.errors import BadInput, NotFound
from skylike.client.filters import Filter
from skylike.client.types import Context, Found, Object

_AT_ONCE = 8
_LEAST = 4  # objects of a figure of many


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Objects that stand for a collection.

    Attributes
    ----------
    context
        Which archive they are of.
    objects
        With thumbnails where there are any.
    vectors
        (n, dimension) float32, unit norm: a row for each.
    total
        How many objects they were drawn from.
    seed
        Of the drawing.
    """

    context: Context
    objects: tuple[Object, ...]
    vectors: NDArray[np.float32]
    total: int
    seed: int

    @property
    def ids(self) -> list[str]:
        """Of the objects."""
        return [one.id for one in self.objects]


def gather(
    client: Client,
    where: Filter | None = None,
    *,
    collection: str | None = None,
    num: int = 500,
    seed: int = 0,
) -> Sample:
    """Draw objects of a collection at random, each as likely as any other.

    The service draws them, however many there are; they are fetched one by one, eight at
    once: a thousand take seconds. What is taken out meanwhile is left out.

    Parameters
    ----------
    where
        Which may be drawn, by `skylike.client.filters`; None: all.
    collection
        May be left out where the service has only one.
    num
        How many at most; 4 or more.
    seed
        The same seed draws the same from the same collection.

    Raises
    ------
    BadInput
        ``too_few`` if there are fewer than four: no map of them says anything; nor
        are fewer asked for (``bad_num``).
    """
    if num < _LEAST:
        raise BadInput(f"num is {num}; it is {_LEAST} or more", reason="bad_num")
    total = client.count(where, collection=collection).num_objects
    drawn = client.objects(
        where, collection=collection, sample_size=num, sample_seed=seed
    )
    # One that is replaced meanwhile may come twice.
    ids = dict.fromkeys(one.id for one in drawn)

    def fetch(id: str) -> Found | None:
        try:
            return client.get(id, collection=collection, with_vector=True)
        except NotFound:
            return None

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        found = list(threads.map(fetch, ids))
    kept = [one for one in found if one is not None and one.vector is not None]
    if len(kept) < _LEAST:
        raise BadInput(
            f"{len(kept)} objects are too few for a figure of many; add objects, or "
            "filter less",
            reason="too_few",
        )
    return Sample(
        context=kept[0].context,
        objects=tuple(one.object for one in kept),
        vectors=np.stack([one.vector for one in kept if one.vector is not None]),
        total=max(total, len(ids)),
        seed=seed,
    )
