"""What filters ask of objects, column by column, and the filters themselves.

Everything here is derived from the catalog: columns lie beside the vectors, so that
a filter reads neither SQLite nor objects.
"""

from skylike.service.columns.columns import FACTS, Columns, has_attribute, has_label
from skylike.service.columns.evaluate import evaluate
from skylike.service.columns.filters import (
    MAX_DEPTH,
    All,
    AnyOf,
    Between,
    Cone,
    Equals,
    Filter,
    Flagged,
    Labelled,
    Not,
    Observed,
    OneOf,
    WithIds,
    check,
    names,
)
from skylike.service.columns.summary import Share, Spread, Summary, summaries

__all__ = [
    "FACTS",
    "MAX_DEPTH",
    "All",
    "AnyOf",
    "Between",
    "Columns",
    "Cone",
    "Equals",
    "Filter",
    "Flagged",
    "Labelled",
    "Not",
    "Observed",
    "OneOf",
    "Share",
    "Spread",
    "Summary",
    "WithIds",
    "check",
    "evaluate",
    "has_attribute",
    "has_label",
    "names",
    "summaries",
]
