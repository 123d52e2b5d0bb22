"""Where a table comes from, as facts by name: who answered what, when, from what.

Names that the IVOA's note on data origin has (``request``, ``request_date``, ...) are
taken from there.
"""

import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

_PROTOCOL = "skylike.v1"


def origin(context: Any, cluster: Any = None, anomaly: Any = None) -> dict[str, str]:
    """The facts of an answer's context, and of the fits that answered."""
    facts = {
        "collection": context.collection,
        "collection_version": str(context.collection_version),
        "model_id": context.model_id,
    }
    if context.service_version:
        facts["server_software"] = f"skylike-service {context.service_version}"
    if cluster is not None:
        facts["cluster_fit_version"] = str(cluster.fit_version)
    if anomaly is not None:
        facts["anomaly_fit_version"] = str(anomaly.fit_version)
    if context.asked is not None:
        how = dict(context.asked.request)
        facts["query"] = json.dumps(how.pop("query", {}))
        facts["request"] = f"{context.asked.method} {json.dumps(how)}"
        facts["request_date"] = context.asked.time
        facts["server"] = context.asked.server
        facts["service_protocol"] = _PROTOCOL
        facts["client_software"] = f"skylike {version('skylike')}"
    return facts


def together(origins: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The facts of several answers: where they differ, all that there are.

    Of times the first and the last; queries stand in a column of their own.
    """
    found: dict[str, dict[str, None]] = {}
    for facts in origins:
        for name, fact in facts.items():
            found.setdefault(name, {})[fact] = None
    found.pop("query", None)
    told = {name: ", ".join(facts) for name, facts in found.items()}
    if times := sorted(found.get("request_date", ())):
        told["request_date"] = "/".join(dict.fromkeys([times[0], times[-1]]))
    return told
