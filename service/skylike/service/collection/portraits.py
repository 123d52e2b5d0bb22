"""`Portraits`: what the members of each cluster look like, and what is known of them."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from skylike.service import caller, thumbnail
from skylike.service.catalog import Catalog
from skylike.service.collection.view import View
from skylike.service.columns import Columns, Share, Spread, Summary, summaries
from skylike.service.ranks import Ranks

PORTRAITS = "portraits"
"""What they are called among what is kept of a fit."""

_IN_A_MEAN = 100  # thumbnails: more of them change nothing that can be seen


class Portrait(NamedTuple):
    """A cluster as its fit saw it.

    Attributes
    ----------
    summary
        Of all members.
    picture
        PNG, the mean of the most typical members' thumbnails; empty where they have none.
    """

    summary: Summary
    picture: bytes


class Portraits(tuple[Portrait, ...]):
    """Those of all clusters, in the order of the fit."""

    __slots__ = ()

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything, for storage."""
        pictures = [np.frombuffer(one.picture, np.uint8) for one in self]
        return {
            "summaries": np.array(json.dumps([one.summary for one in self])),
            "pictures": np.concatenate([np.empty(0, np.uint8), *pictures]),
            "lengths": np.array([len(one) for one in pictures], np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The portraits of `to_arrays`."""
        ends = np.cumsum(arrays["lengths"])[:-1]
        told = json.loads(arrays["summaries"].item())
        return cls(
            Portrait(
                Summary(
                    tuple(Spread(*one) for one in numbers),
                    tuple(Share(*one) for one in flags),
                    tuple(Share(*one) for one in labels),
                ),
                picture.tobytes(),
            )
            for (numbers, flags, labels), picture in zip(
                told, np.split(arrays["pictures"], ends), strict=True
            )
        )


def portrayed(view: View, catalog: Catalog, ranks: Ranks) -> Portraits:
    """Portray the clusters of a fit of a view."""
    columns = _columns(view, ranks.rows)
    order = np.searchsorted(ranks.rows, columns.rows)
    place = {int(label): i for i, label in enumerate(ranks.labels)}
    kinds, inverse = np.unique(ranks.membership.labels, return_inverse=True)
    places = np.array([place.get(int(label), -1) for label in kinds], np.int64)
    found = summaries(columns, places[inverse][order], len(ranks.labels))
    return Portraits(
        Portrait(summary, _picture(catalog, ranks, int(label)))
        for label, summary in zip(ranks.labels, found, strict=True)
    )


def _columns(view: View, rows: NDArray[np.int64]) -> Columns:
    """What is known of some rows that are there, in any order."""
    told = np.isin(view.revised.rows, rows)
    unchanged = np.setdiff1d(rows, view.revised.rows, assume_unique=True)
    parts = [view.revised.taken(np.flatnonzero(told))]
    for part in view.parts:
        places, _ = part.block.places(unchanged)
        parts.append(part.block.columns.taken(places))
    return Columns.joined(parts)


def _picture(catalog: Catalog, ranks: Ranks, label: int) -> bytes:
    caller.check()
    typical = ranks.rows[ranks.by_typicality(label)[:_IN_A_MEAN]]
    objects = catalog.objects(typical.tolist(), thumbnails=True)
    return thumbnail.mean(one.thumbnail for one in objects.values())
