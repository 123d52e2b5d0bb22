"""What fits hand on to each other: how clusters are found, and what people call them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from skylike.service.clusters import NOWHERE, ClusterFit, Kinds, Method, Settings
from skylike.service.clusters.matching import matched
from skylike.service.errors import BadRequest, NotFound, NotReady

_MOST = 200  # characters


def settings_of(
    last: ClusterFit | None,
    method: Method | None,
    number: int | None,
    seed: int | None,
) -> Settings:
    """How to find clusters: what is not said is as in the last fit."""
    known = last.settings if last else Settings()
    method = method or known.method
    if number is None:
        number = known.number if method == known.method else 0
    return Settings(method, number, known.seed if seed is None else seed)


def renamed(
    fit: ClusterFit | None, collection: str, label: int, name: str
) -> ClusterFit:
    """A fit with another name for a cluster; raises as `Collection.rename_cluster`."""
    if fit is None:
        raise NotReady(
            f"collection {collection!r} has no clusters to be named: fit it first",
            reason="not_fitted",
        )
    known = fit.name_of
    if label not in known:
        raise NotFound(
            f"fit {fit.version} of {collection!r} has no cluster {label}; it has "
            f"{', '.join(map(str, sorted(known)))}",
            reason="unknown_cluster",
        )
    if not (
        name and len(name) <= _MOST and name.isprintable() and name == name.strip()
    ):
        raise BadRequest(
            f"{name!r} cannot be the name of a cluster: that is 1 to {_MOST} printable "
            "characters, without blanks around them",
            reason="bad_cluster_name",
        )
    if re.fullmatch(r"cluster \d+", name) and name != f"cluster {label}":
        raise BadRequest(
            f"{name!r} is what a cluster of that label is called until it has a name: "
            "give another one",
            reason="bad_cluster_name",
        )
    taken = next(
        (one for one, it in known.items() if it == name and one != label), None
    )
    if taken is not None:
        raise BadRequest(
            f"cluster {taken} of {collection!r} is called {name!r} already",
            reason="bad_cluster_name",
        )
    return fit.named({label: name})


def renamed_meanwhile(fit: ClusterFit, names: Mapping[int, str]) -> ClusterFit:
    """A fit with the names that its clusters have got while it was made.

    What it calls another one gives way: no two have one name.

    Parameters
    ----------
    fit
        What was made.
    names
        Of the labels of the fit before it, as they are now.
    """
    known = fit.name_of
    given = {label: name for label, name in names.items() if label in known}
    others = {
        label: f"cluster {label}"
        for label, name in known.items()
        if label not in names and name in given.values()
    }
    return fit.named(given | others)


class Heritage(NamedTuple):
    """The clusters of another collection that has the same objects.

    Attributes
    ----------
    fit
        Its newest fit.
    labels
        Of each of its objects, by id.
    """

    fit: ClusterFit
    labels: Mapping[str, int]

    def given_to(self, kinds: Kinds, ids: Sequence[str]) -> Kinds:
        """Clusters that live on, by their members, with the labels and names from here.

        The others get labels that none had here.
        """
        fit, membership = kinds
        before = np.array([self.labels.get(id, NOWHERE) for id in ids], np.int64)
        order = np.argsort(fit.labels)
        places = order[
            np.searchsorted(fit.labels, membership.labels, sorter=order) % len(order)
        ]
        places = np.where(membership.labels == NOWHERE, NOWHERE, places)
        lived = matched(before, places, self.fit.labels, len(fit.labels))
        labels, next_label = [], self.fit.next_label
        for place in range(len(fit.labels)):
            labels.append(lived.get(place, next_label))
            next_label += place not in lived
        new = np.array(labels, np.int32)
        names = tuple(self.fit.name_of.get(one, f"cluster {one}") for one in labels)
        told = replace(fit, labels=new, names=names, next_label=next_label)
        of_objects = np.where(places == NOWHERE, NOWHERE, new[places]).astype(np.int32)
        return Kinds(told, membership._replace(labels=of_objects))
