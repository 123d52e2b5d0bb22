"""What people teach, and what is learned from it, as text for people."""

from skylike.client.cli.text import NONE, degrees, heading, table
from skylike.client.taught import Prediction, Ratings, Suggestions

_FEW = 5  # classes that are told at least, and all that are possible


def ratings(answer: Ratings) -> list[str]:
    """The ratings, a line each."""
    rows = [("id", "score", "artefact", "who", "when", "note")]
    rows += [
        (
            one.id,
            f"{one.score:g}",
            "yes" if one.is_artefact else "",
            one.who,
            f"{one.time:%Y-%m-%d %H:%M} UTC",
            one.note,
        )
        for one in answer.ratings
    ]
    return [*heading(answer.context, None), *table(rows, right="1")]


def suggestions(answer: Suggestions) -> list[str]:
    """What to look at next."""
    rows = [("id", "interest", "+-", "ra [deg]", "dec [deg]", "")]
    rows += [
        (
            one.id,
            f"{one.interest:.2f}",
            f"{one.uncertainty:.2f}",
            degrees(one.object.ra_deg),
            degrees(one.object.dec_deg),
            "at random" if one.is_random else "",
        )
        for one in answer.items
    ]
    told = f"fit {answer.fit_version}, learned from {answer.num_rated} rated objects"
    return [*heading(answer.context, None), told, *table(rows, right="1,2,3,4")]


def prediction(answer: Prediction) -> list[str]:
    """What something is likely to be, and how well others are predicted."""
    lines = heading(answer.context, answer.reading)
    lines += _classes(answer) if answer.classes else [_number(answer)]
    if answer.is_example:
        lines.append(
            "it is an example itself, told by those of other places: how often that holds "
            "is the coverage, and no promise"
        )
    quality = answer.quality
    facts = {
        "R2": quality.r_squared,
        "median error": quality.median_absolute_error,
        "balanced accuracy": quality.balanced_accuracy,
        "log loss": quality.log_loss,
        "calibration error": quality.calibration_error,
        "coverage": quality.coverage,
    }
    told = ", ".join(
        f"{name} {value:.3g}" for name, value in facts.items() if value is not None
    )
    lines.append(
        f"learned from {answer.num_examples} objects; others are predicted with {told}"
    )
    like = ", ".join(answer.neighbor_ids) or NONE
    return [*lines, f"most like it: {like}"]


def _classes(answer: Prediction) -> list[str]:
    """The likeliest classes, and all that are possible."""
    told = [
        one
        for place, one in enumerate(answer.classes)
        if place < _FEW or one.is_possible
    ]
    lines = [
        f"  {one.probability:6.1%}  {one.name}"
        + ("  possible" if one.is_possible else "")
        for one in told
    ]
    if others := len(answer.classes) - len(told):
        left = 1 - sum(one.probability for one in told)
        lines.append(f"  {max(left, 0):6.1%}  {others} others")
    if any(one.is_possible is None for one in answer.classes):
        return [*lines, "too few places to say which are possible"]
    if answer.is_example:
        return lines
    share = _percent(answer.confidence)
    return [*lines, f"what is possible holds the truth in {share} of all cases"]


def _number(answer: Prediction) -> str:
    """A number, and between which others it is."""
    if answer.low is None or answer.high is None:
        return f"{answer.value:.6g}; too few places to say how sure"
    between = f"between {answer.low:.6g} and {answer.high:.6g}"
    if answer.is_example:
        return f"{answer.value:.6g}, {between}"
    return (
        f"{answer.value:.6g}, in {_percent(answer.confidence)} of all cases {between}"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.6g}%"
