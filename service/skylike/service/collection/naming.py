"""What fits hand on to each other: how clusters are found, and what people call them."""

import re

from skylike.service.clusters import ClusterFit, Method, Settings
from skylike.service.errors import BadRequest, NotFound, NotReady

_MOST = 200  # characters


def settings_of(
    last: ClusterFit | None, method: Method | None, number: int | None, seed: int
) -> Settings:
    """How to find clusters: what is not said is as in the last fit."""
    known = last.settings if last else Settings()
    method = method or known.method
    if number is None:
        number = known.number if method == known.method else 0
    return Settings(method, number, seed)


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
