"""Cluster sheets: of each kind its mean, its exemplars, its share and what is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skylike.client.client import Client
from skylike.client.errors import NotFound, NotReady
from skylike.client.figures.paper import (
    COLUMN_MM,
    MM,
    MM_OF_LETTER,
    NORMAL,
    SMALL,
    Axes,
    Paper,
    decoded,
    look,
    picture,
    short,
)
from skylike.client.figures.words import of_model
from skylike.client.kinds import ClusterInfo, Clusters, MemberShare, NumberSpread
from skylike.client.tables.origin import origin
from skylike.client.tables.text import printable

_GAP_MM, _HEAD_MM, _LINE_MM = 1.2, 5.0, 2.7
_TEXT_MM, _WIDE_TEXT_MM = 34.0, 48.0
_LEAST_SIDE_MM, _MOST_SIDE_MM = 11.0, 20.0
_NUM_EXEMPLARS = 5
_MOST_FACTS = 2
_EXCESS = 0.1  # of a share over that among all others
_OF_OBSERVING = ("epoch_mjd", "valid_fraction")  # not of what is seen


@look
def clusters(
    client: Client,
    *,
    collection: str | None = None,
    num: int = 12,
    width_mm: float = COLUMN_MM,
) -> Paper:
    """Draw the largest clusters of the newest fit, one in a row.

    Parameters
    ----------
    collection
        May be left out where the service has only one.
    num
        How many at most.
    width_mm
        As it is printed: the wider, the more exemplars.

    Raises
    ------
    NotReady
        ``not_fitted`` before the first fit.
    """
    found = client.clusters(collection, portraits=True)
    if not found.fit_version:
        raise NotReady(
            f"collection {found.context.collection} has no clusters: fit it first, by "
            "skylike jobs start fit",
            reason="not_fitted",
        )
    shown = found.clusters[:num]
    pictures_mm = width_mm - (_WIDE_TEXT_MM if width_mm > 120 else _TEXT_MM) - 3
    side = pictures_mm / (1 + _NUM_EXEMPLARS) - _GAP_MM
    side = min(max(side, _LEAST_SIDE_MM), _MOST_SIDE_MM)
    num_exemplars = max(1, int(pictures_mm // (side + _GAP_MM)) - 1)
    exemplars = {
        id: _thumbnail(client, id, collection)
        for one in shown
        for id in one.exemplar_ids[:num_exemplars]
    }
    height = _HEAD_MM + len(shown) * (side + _GAP_MM) + 0.5
    paper = Paper(
        width_mm,
        height,
        kind="clusters",
        caption=printable(_caption(found, len(shown))),
        numbers=_numbers(found, shown, num_exemplars),
    )
    most = max((len(one.exemplar_ids[:num_exemplars]) for one in shown), default=0)
    text_left = 0.5 + side + 2.5 + most * (side + _GAP_MM)
    head = paper.place(0, 0, width_mm, _HEAD_MM)
    head.set_axis_off()
    for left, title in ((0.5, "mean"), (3 + side, "exemplars"), (text_left, "cluster")):
        head.text(left / width_mm, 0.35, title, fontsize=NORMAL)
    for row, one in enumerate(shown):
        top = _HEAD_MM + row * (side + _GAP_MM)
        mean = one.portrait.mean_thumbnail if one.portrait else b""
        picture(paper.place(0.5, top, side, side), decoded(mean))
        for column, id in enumerate(one.exemplar_ids[:num_exemplars]):
            left = 3 + side + column * (side + _GAP_MM)
            picture(paper.place(left, top, side, side), exemplars[id])
        _words(
            paper.place(text_left, top, width_mm - text_left - 0.5, side),
            one,
            found.clusters,
        )
    return paper


def _thumbnail(client: Client, id: str, collection: str | None) -> NDArray[np.float32]:
    try:
        return decoded(client.get(id, collection=collection).object.thumbnail_png)
    except NotFound:  # taken out since the fit
        return decoded(b"")


def _caption(found: Clusters, num_shown: int) -> str:
    which = (
        f"The {num_shown} clusters"
        if num_shown == len(found.clusters)
        else f"The {num_shown} largest of {len(found.clusters)} clusters"
    )
    stable = "" if found.stability is None else f", stability {found.stability:.2f}"
    return (
        f"{which} of the collection {found.context.collection} (fit {found.fit_version}: "
        f"{found.method}, seed {found.seed}{stable}). Mean of the 100 most typical members, "
        "the members nearest to the centre, name, share of all objects (mean probability), "
        "members, and what sets it apart: labels or flags more frequent than elsewhere, or "
        "medians of attributes and the range of the middle half. "
        f"{found.num_outside} of {found.num_objects} objects are in no cluster. "
        f"{of_model(found.context)}"
    )


def _numbers(
    found: Clusters, shown: tuple[ClusterInfo, ...], num_exemplars: int
) -> Mapping[str, Any]:
    return {
        **origin(found.context, cluster=found),
        "method": found.method,
        "seed": found.seed,
        "stability": found.stability,
        "num_clusters": len(found.clusters),
        "num_objects": found.num_objects,
        "num_outside": found.num_outside,
        "clusters": [
            {
                "label": one.label,
                "name": one.name,
                "share": one.weight,
                "size": one.size,
                "exemplars": list(one.exemplar_ids[:num_exemplars]),
                "facts": [
                    f"{fact.name} {fact.value}{fact.range}"
                    for fact in facts(one, found.clusters)
                ],
            }
            for one in shown
        ],
    }


@dataclass(frozen=True, slots=True)
class Fact:
    """What members have in common: the name of an attribute or label, what of it."""

    name: str
    value: str
    range: str = ""

    def fitted(self, most: int) -> str:
        """In so many letters: without the range, or with a shorter name, if it must be."""
        whole = f"{self.name} {self.value}{self.range}"
        if len(whole) <= most:
            return whole
        return f"{short(self.name, max(4, most - len(self.value) - 1))} {self.value}"


def facts(one: ClusterInfo, among: Sequence[ClusterInfo]) -> list[Fact]:
    """What sets a cluster apart: labels; numbers, the most unusual first; flags.

    A label or flag does where a share of the members has it that is larger by a tenth or more
    than among those of the other clusters. A number that at least half of the members have
    does by how far its median lies from the median of all clusters' medians, in units of
    the range of its own middle half.
    """
    if one.portrait is None:
        return []
    medians: dict[str, list[float]] = {}
    for other in among:
        for each in other.portrait.numbers if other.portrait else ():
            medians.setdefault(each.name, []).append(each.median)

    def unusual(each: NumberSpread) -> float:
        offset = abs(each.median - float(np.median(medians[each.name])))
        return offset / (each.high - each.low)

    numbers = [
        each
        for each in one.portrait.numbers
        if each.low < each.high
        and each.name not in _OF_OBSERVING
        and 2 * each.count >= one.size
        and unusual(each) > 0
    ]
    others = [
        (other.size, other.portrait)
        for other in among
        if other.portrait and other.label != one.label
    ]
    labels = [(size, portrait.labels) for size, portrait in others]
    flags = [(size, portrait.flags) for size, portrait in others]
    told = _frequent(one.portrait.labels, labels)
    told += [
        Fact(each.name, f"{each.median:.3g}", f" ({each.low:.3g} to {each.high:.3g})")
        for each in sorted(numbers, key=unusual, reverse=True)
    ]
    told += _frequent(one.portrait.flags, flags)
    return told[:_MOST_FACTS]


def _frequent(
    mine: Sequence[MemberShare], others: Sequence[tuple[int, Sequence[MemberShare]]]
) -> list[Fact]:
    """What more members have than of other clusters: sizes and shares of these are given."""
    total = sum(size for size, _ in others)
    if not total:
        return []
    have: dict[str, float] = {}
    for size, shares in others:
        for each in shares:
            have[each.name] = have.get(each.name, 0) + size * each.share
    excess = {each.name: each.share - have.get(each.name, 0) / total for each in mine}
    return [
        Fact(each.name, f"{each.share:.0%}")
        for each in sorted(mine, key=lambda each: -excess[each.name])
        if excess[each.name] >= _EXCESS
    ]


def _words(axes: Axes, one: ClusterInfo, among: Sequence[ClusterInfo]) -> None:
    box = axes.get_window_extent()
    width, height = (float(n) / axes.figure.dpi / MM for n in (box.width, box.height))
    most = int(width / MM_OF_LETTER)
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    name = short(one.name, int(most / 1.25))  # larger letters
    axes.text(0, 0, name, va="top", weight="bold")
    lines = [f"{one.weight:.1%}, {one.size} members"]
    lines += [fact.fitted(most) for fact in facts(one, among)]
    for number, line in enumerate(lines):
        axes.text(0, 3.1 + number * _LINE_MM, line, va="top", fontsize=SMALL)
