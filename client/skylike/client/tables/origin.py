"""Where a table comes from, as facts by name: who answered what, when, from what.

Names that the IVOA's note on data origin has (``server_software``, ``request``, ...) are
taken from there.
"""

from collections.abc import Iterable, Mapping
from typing import Any


def origin(context: Any, cluster: Any = None, anomaly: Any = None) -> dict[str, str]:
    """The facts of an answer's context, and of the fits that answered."""
    facts = {
        "collection": context.collection,
        "collection_version": str(context.collection_version),
        "model_id": context.model_id,
    }
    if cluster is not None:
        facts["cluster_fit_version"] = str(cluster.fit_version)
    if anomaly is not None:
        facts["anomaly_fit_version"] = str(anomaly.fit_version)
    return facts


def together(origins: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The facts of several answers; where they differ, all that there are."""
    found: dict[str, dict[str, None]] = {}
    for facts in origins:
        for name, fact in facts.items():
            found.setdefault(name, {})[fact] = None
    return {name: ", ".join(facts) for name, facts in found.items()}
