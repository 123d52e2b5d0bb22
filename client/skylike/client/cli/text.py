"""Answers as text for people.

Ids and header text come from strangers: whatever does not print is spelled out, so
that it cannot move the cursor, change colours or forge lines.
"""

from collections.abc import Sequence

from skylike.client.ranked import Anomalies, ClusterMembers
from skylike.client.tables.text import printable
from skylike.client.types import (
    Added,
    Alias,
    Analysis,
    Anomaly,
    AnomalyResult,
    Changed,
    Cluster,
    ClusterResult,
    CollectionInfo,
    Context,
    Count,
    Embedding,
    Found,
    Hit,
    Job,
    JobReject,
    JobState,
    Neighbors,
    Object,
    Reading,
)

NONE = "-"
_FEW = 10


def analysis(answer: Analysis) -> list[str]:
    """All three answers."""
    lines = heading(answer.context, answer.reading) + hits(answer.hits)
    if answer.cluster is not None:
        lines.append(_cluster(answer.cluster))
    if answer.anomaly is not None:
        lines.append(_anomaly(answer.anomaly))
    if answer.cluster is None or answer.anomaly is None:
        lines.append("not fitted yet: no cluster or anomaly")
    return lines


def brief(name: str, answer: Analysis) -> str:
    """All three answers on one line."""
    facts = [f"{hit.id} {hit.score:.4f}" for hit in answer.hits[:1]]
    if answer.cluster is not None:
        facts.append(f"{answer.cluster.name} {answer.cluster.probability:.3f}")
    if answer.anomaly is not None:
        facts.append(f"odder than {answer.anomaly.percentile:.1f} %")
        if answer.anomaly.discovered:
            facts.append("a discovery")
    return f"{name}: {'; '.join(facts)}"


def neighbors(answer: Neighbors) -> list[str]:
    """The neighbours."""
    return heading(answer.context, answer.reading) + hits(answer.hits)


def cluster(answer: ClusterResult) -> list[str]:
    """The cluster, and every cluster with a share worth naming."""
    lines = [*heading(answer.context, answer.reading), _cluster(answer.cluster)]
    return lines + [
        f"  {share.probability:6.1%}  {share.name}"
        for share in answer.cluster.shares
        if share.probability >= 0.001
    ]


def anomaly(answer: AnomalyResult) -> list[str]:
    """How odd, and what explains it."""
    lines = [*heading(answer.context, answer.reading), _anomaly(answer.anomaly)]
    if answer.anomaly.controlled_percentile is not None:
        lines.append(
            f"  higher than {answer.anomaly.controlled_percentile:.1f} % of what was "
            "observed alike"
        )
    lines += [
        f"  {part.name.replace('_', ' ')} {part.score:.4g}, higher than "
        f"{part.percentile:.1f} %"
        for part in answer.anomaly.parts
    ]
    if (near := answer.nearest_cluster) is not None:
        lines.append(
            f"nearest cluster: {near.name}, probability {near.probability:.3f}, "
            f"similarity {near.similarity:.3f}"
        )
    lines += [
        f"stands out: {one.name} {one.value:.6g}; "
        f"neighbours {_spread(one.neighbors_median, one.neighbors_z)}, "
        f"archive {_spread(one.archive_median, one.archive_z)}"
        for one in answer.outstanding
    ]
    if answer.flags:
        lines.append(f"flags: {', '.join(answer.flags)}")
    return lines + hits(answer.anomaly.neighbors)


def _spread(median: float | None, z: float | None) -> str:
    return NONE if median is None or z is None else f"{median:.6g} ({z:+.1f} sigma)"


def found(answer: Found) -> list[str]:
    """One object."""
    one = answer.object
    facts: list[tuple[str, object]] = [
        ("id", one.id),
        ("ra, dec [deg]", f"{degrees(one.ra_deg)} {degrees(one.dec_deg)}"),
        ("epoch [MJD]", NONE if one.epoch_mjd is None else one.epoch_mjd),
        ("file", f"{one.uri}[{one.hdu}]" if one.uri else NONE),
        ("flags", ", ".join(one.flags) or NONE),
        ("labels", ", ".join(one.labels) or NONE),
        ("valid", f"{one.valid_fraction:.1%}"),
        *sorted(one.attributes.items()),
    ]
    return heading(answer.context, None) + [
        f"  {name:16} {value}" for name, value in facts
    ]


def embedding(answer: Embedding) -> list[str]:
    """Its length and first numbers."""
    first = " ".join(f"{number:.4f}" for number in answer.vector[:6])
    return [
        *heading(answer.context, answer.reading),
        f"embedding of {len(answer.vector)} numbers: {first} ...",
    ]


def objects(found: Sequence[Object]) -> list[str]:
    """Objects as a table."""
    rows = [("id", "ra [deg]", "dec [deg]", "flags", "labels")]
    rows += [
        (
            one.id,
            degrees(one.ra_deg),
            degrees(one.dec_deg),
            ", ".join(one.flags) or NONE,
            ", ".join(one.labels) or NONE,
        )
        for one in found
    ]
    return table(rows, right="1,2")


def added(answer: Added) -> list[str]:
    """What was stored."""
    flags = [
        f" ({', '.join(one.flags)})" if one.flags else "" for one in answer.objects
    ]
    return [
        f"added {one.id}{poor}" for one, poor in zip(answer.objects, flags, strict=True)
    ]


def changed(answer: Changed) -> list[str]:
    """How many a write found, and some of the ids that it did not."""
    lines = [f"{answer.num_objects} objects"]
    if unknown := answer.unknown_ids:
        more = f" and {len(unknown) - _FEW} more" if len(unknown) > _FEW else ""
        lines.append(f"not there: {', '.join(unknown[:_FEW])}{more}")
    return lines


def count(answer: Count) -> list[str]:
    """How many there are."""
    return [str(answer.num_objects)]


def collection(info: CollectionInfo) -> list[str]:
    """One collection."""
    return collections([info])


def collections(infos: Sequence[CollectionInfo]) -> list[str]:
    """The collections of a service."""
    rows = [("collection", "objects", "version", "dimension", "model")]
    rows += [
        (
            info.name,
            str(info.num_objects),
            str(info.version),
            str(info.dimension),
            f"damaged: {info.damage}" if info.damage else info.model_id[:12],
        )
        for info in infos
    ]
    return table(rows, right="1,2,3")


def alias(one: Alias) -> list[str]:
    """Where a name points to."""
    return [f"{one.alias} -> {one.collection}"]


def aliases(several: Sequence[Alias]) -> list[str]:
    """Names and their collections."""
    rows = [("alias", "collection"), *((one.alias, one.collection) for one in several)]
    return table(rows, right="")


def anomalies(answer: Anomalies) -> list[str]:
    """Objects by how odd they are, or how interesting."""
    last = "interest" if answer.ratings_version else ""
    rows = [("rank", "id", "score", "odder than", "ra [deg]", "dec [deg]", last)]
    rows += [
        (
            str(one.rank),
            one.id,
            f"{one.score:.4f}",
            f"{one.percentile:.2f} %",
            degrees(one.object.ra_deg),
            degrees(one.object.dec_deg),
            "" if one.interest is None else f"{one.interest:.2f}",
        )
        for one in answer.items
    ]
    return [*_fitted(answer), *table(rows, right="0,2,3,4,5,6")]


def members(answer: ClusterMembers) -> list[str]:
    """The members of a cluster."""
    rows = [("rank", "id", "probability", "similarity", "ra [deg]", "dec [deg]")]
    rows += [
        (
            str(one.rank),
            one.id,
            f"{one.probability:.4f}",
            f"{one.similarity:.4f}",
            degrees(one.object.ra_deg),
            degrees(one.object.dec_deg),
        )
        for one in answer.items
    ]
    return [*_fitted(answer), *table(rows, right="0,2,3,4,5")]


def _fitted(answer: Anomalies | ClusterMembers) -> list[str]:
    late = answer.num_unranked
    told = f"fit {answer.fit_version}" + (
        f"; {late} objects came since" if late else ""
    )
    return [*heading(answer.context, None), told]


_TOLD = ("indexed", "known", "rejected")


def job(one: Job) -> list[str]:
    """How far a job is, on one line."""
    of = f" of {one.collection}" if one.collection else ""
    line = f"{one.kind}{of} {one.id}: {one.state}"
    if one.ended is not None:
        line += f" {one.ended:%Y-%m-%d %H:%M:%S} UTC, after {one.seconds:.0f} s"
    if one.state is JobState.RUNNING and one.stage:
        line += f", {one.stage} {one.done}" + (f" of {one.total}" if one.total else "")
        if one.seconds_left is not None:
            line += f", {one.seconds_left:.0f} s left"
    if one.message:
        line += f": {one.message} [{one.reason}]"
    told = [f"{one.result[name]} {name}" for name in _TOLD if one.result.get(name)]
    if told:
        line += f" ({', '.join(told)})"
    if one.num_rejects:
        line += f"; `skylike jobs rejects {one.id}` tells what was left out, and why"
    return [line]


def jobs(several: Sequence[Job]) -> list[str]:
    """Jobs, a line each."""
    return [line for one in several for line in job(one)] or ["no jobs"]


def rejects(several: Sequence[JobReject]) -> list[str]:
    """What a job left out, a line each."""
    return [f"{one.message} [{one.reason}]" for one in several] or ["nothing left out"]


def hits(found: Sequence[Hit]) -> list[str]:
    """Neighbours as a table; angles in degrees, except for the separation."""
    rows = [("rank", "id", "score", "ra [deg]", "dec [deg]", "separation")]
    rows += [
        (
            str(hit.rank),
            hit.id,
            f"{hit.score:.4f}",
            degrees(hit.object.ra_deg),
            degrees(hit.object.dec_deg),
            _angle(hit.separation_deg),
        )
        for hit in found
    ]
    return table(rows, right="0,2,3,4,5")


def table(rows: Sequence[tuple[str, ...]], right: str) -> list[str]:
    """Columns as wide as they need to be; `right` names those set to the right."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    to_right = {int(number) for number in right.split(",") if number}
    return [
        "  ".join(
            cell.rjust(width) if number in to_right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def heading(context: Context, reading: Reading | None) -> list[str]:
    """Which archive answered, and how a cutout was read."""
    lines = [
        f"collection {context.collection}, version {context.collection_version}, "
        f"model {context.model_id[:12]}"
    ]
    if reading is not None:
        shape = " x ".join(map(str, reading.shape))
        flags = ", ".join(reading.flags) or "none"
        lines.append(f"read HDU {reading.hdu}: {reading.axes} {shape}, flags: {flags}")
        lines += [f"warning: {warning}" for warning in reading.warnings]
    return lines


def _cluster(answer: Cluster) -> str:
    like = ", ".join(answer.exemplar_ids[:3])
    if answer.in_no_cluster:
        return (
            f"cluster: none, probability {answer.no_cluster_probability:.3f}; nearest to "
            f"{answer.name}, such as {like}"
        )
    return (
        f"cluster: {answer.name}, probability {answer.probability:.3f}, "
        f"{answer.size} objects, such as {like}"
    )


def _anomaly(answer: Anomaly) -> str:
    line = (
        f"anomaly: score {answer.score:.4f}, higher than {answer.percentile:.1f} % of "
        "the archive"
    )
    if answer.p_value is None:
        return f"{line}, not calibrated"
    return f"{line}, p = {answer.p_value:.4f} ({answer.num_calibration} calibration objects)"


def degrees(angle: float | None) -> str:
    """An angle in degrees, if it is known."""
    return NONE if angle is None else f"{angle:.5f}"


def _angle(separation_deg: float | None) -> str:
    """An angle in the unit that suits it."""
    if separation_deg is None:
        return NONE
    if separation_deg >= 1:
        return f"{separation_deg:.2f} deg"
    if separation_deg >= 1 / 60:
        return f"{60 * separation_deg:.2f} arcmin"
    return f"{3600 * separation_deg:.2f} arcsec"
