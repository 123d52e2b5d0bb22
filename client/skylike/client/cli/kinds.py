"""The clusters of a collection, in words."""

from skylike.client.cli.text import heading, table
from skylike.client.kinds import Clusters, Portrait


def clusters(answer: Clusters) -> list[str]:
    """The clusters of a fit."""
    lines = heading(answer.context, None)
    if not answer.fit_version:
        return [*lines, "not fitted yet"]
    stable = "" if answer.stability is None else f", stability {answer.stability:.2f}"
    lines.append(
        f"fit {answer.fit_version} by {answer.method}{stable}: {answer.num_outside} of "
        f"{answer.num_objects} objects are in no cluster"
    )
    rows = [("label", "cluster", "objects", "share", "such as")]
    rows += [
        (
            str(one.label),
            one.name,
            str(one.size),
            f"{one.size / answer.num_objects:.1%}",
            ", ".join(one.exemplar_ids[:3]),
        )
        for one in answer.clusters
    ]
    lines += table(rows, right="0,2,3")
    for one in answer.clusters:
        if one.portrait is not None:
            lines += [f"{one.name}:", *_portrait(one.portrait)]
    return lines


def _portrait(portrait: Portrait) -> list[str]:
    lines = [
        f"  {one.name}: median {one.median:.4g}, half from {one.low:.4g} to "
        f"{one.high:.4g} ({one.count})"
        for one in portrait.numbers
    ]
    for kind, shares in (("flags", portrait.flags), ("labels", portrait.labels)):
        if shares:
            told = ", ".join(f"{one.name} {one.share:.0%}" for one in shares)
            lines.append(f"  {kind}: {told}")
    return lines
