"""What people teach, and what is learned from it, as text for people."""

from skylike.client.cli.text import NONE, degrees, heading, table
from skylike.client.taught import Prediction, Ratings, Suggestions

_FEW = 5


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
    share = f"{answer.confidence:.0%}"
    if answer.classes:
        lines += [
            f"  {one.probability:6.1%}  {one.name}"
            + ("  possible" if one.is_possible else "")
            for one in answer.classes[:_FEW]
        ]
        lines.append(f"what is possible holds the truth in {share} of all cases")
    elif answer.low is None or answer.high is None:
        lines.append(f"{answer.value:.6g}; too few objects to say how sure")
    else:
        lines.append(
            f"{answer.value:.6g}, in {share} of all cases between {answer.low:.6g} and "
            f"{answer.high:.6g}"
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
