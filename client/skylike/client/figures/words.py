"""Phrases that captions share, and the facts behind them."""

import os
import re
from os import PathLike
from pathlib import Path
from typing import Any

from skylike.client.figures.sample import Sample
from skylike.client.tables.origin import origin
from skylike.client.types import Context

_ENDING = re.compile(r"\.(fits?|fts)(\.(gz|bz2|fz|Z))?$", re.IGNORECASE)


def of_sample(sample: Sample) -> str:
    """Which objects: how many of how many, of what, drawn how."""
    number = len(sample.objects)
    where = f"the collection {sample.context.collection}"
    if number == sample.total:
        return f"all {number} objects of {where}"
    return (
        f"{number} of {sample.total} objects of {where} (at random, seed {sample.seed})"
    )


def origin_of(sample: Sample) -> dict[str, Any]:
    """Where a sample comes from, as facts."""
    return {
        **origin(sample.context),
        "num_objects": len(sample.objects),
        "total": sample.total,
        "sample_seed": sample.seed,
    }


def of_model(context: Context) -> str:
    """By which model, as a sentence."""
    return f"Model {context.model_id[:12]}."


def called(query: Any, otherwise: str) -> str:
    """What to call a query: a file by its name, without its folders."""
    if isinstance(query, str | PathLike):
        return Path(os.fsdecode(query)).name
    return getattr(query, "id", "") or getattr(query, "name", "") or otherwise


def bare(name: str) -> str:
    """A name for where there is little room: without the ending that all files have."""
    return _ENDING.sub("", name) or name
