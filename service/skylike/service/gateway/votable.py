"""Objects as a VOTable 1.1, piece by piece.

1.1 is the newest that Simple Cone Search 1.03 allows, and the last that knows the UCDs
which it demands.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

_BEGIN = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<VOTABLE version="1.1" xmlns="http://www.ivoa.net/xml/VOTable/v1.1">\n'
)
# What XML cannot say in any way.
_UNSPEAKABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Column:
    """A column of a table of objects."""

    name: str
    datatype: str
    ucd: str
    description: str
    text: Callable[[Any], str]
    unit: str = ""

    def declared(self) -> str:
        """The column's FIELD."""
        attributes = {
            "name": self.name,
            "datatype": self.datatype,
            "ucd": self.ucd,
            **({"arraysize": "*"} if "char" in self.datatype.lower() else {}),
            **({"unit": self.unit} if self.unit else {}),
            **({"ref": "icrs"} if self.ucd.startswith("POS_EQ") else {}),
        }
        said = f"<DESCRIPTION>{_content(self.description)}</DESCRIPTION>"
        return f"<FIELD{_attributes(attributes)}>{said}</FIELD>\n"


def begun(columns: Iterable[Column], told: Mapping[str, str]) -> str:
    """A table up to its first row.

    Parameters
    ----------
    columns
        Of the table.
    told
        Names and values to tell of it.
    """
    infos = (_info({"name": name, "value": value}) for name, value in told.items())
    return "".join(
        (
            _BEGIN,
            '<RESOURCE type="results">\n',
            *infos,
            '<COOSYS ID="icrs" system="ICRS"/>\n<TABLE name="objects">\n',
            *(column.declared() for column in columns),
            "<DATA><TABLEDATA>\n",
        )
    )


def rows(columns: Iterable[Column], objects: Iterable[Any]) -> str:
    """Objects as rows."""
    columns = tuple(columns)
    return "".join(
        f"<TR>{''.join(f'<TD>{_content(one.text(row))}</TD>' for one in columns)}</TR>\n"
        for row in objects
    )


END = "</TABLEDATA></DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n"
"""What follows the last row."""


def failed(why: str) -> str:
    """A table's place, with why there is none: as Simple Cone Search has it, and as DALI."""
    return "".join(
        (
            _BEGIN,
            _info({"ID": "Error", "name": "Error", "value": why}),
            '<RESOURCE type="results">\n',
            _info({"name": "QUERY_STATUS", "value": "ERROR"}, why),
            "</RESOURCE>\n</VOTABLE>\n",
        )
    )


def _optional(field: str) -> Callable[[Any], str]:
    def text(row: Any) -> str:
        return repr(getattr(row, field)) if row.HasField(field) else ""

    return text


def _attributes_of(row: Any) -> str:
    values = {
        name: getattr(value, value.WhichOneof("kind"))
        for name, value in row.attributes.items()
    }
    return json.dumps(values, ensure_ascii=False, sort_keys=True)


LEAST = (
    Column(
        "object_id", "char", "ID_MAIN", "Name of the object", lambda row: str(row.id)
    ),
    Column(
        "ra",
        "double",
        "POS_EQ_RA_MAIN",
        "Right ascension, ICRS",
        lambda row: repr(row.position.ra_deg),
        "deg",
    ),
    Column(
        "dec",
        "double",
        "POS_EQ_DEC_MAIN",
        "Declination, ICRS",
        lambda row: repr(row.position.dec_deg),
        "deg",
    ),
)
"""What says which object it is, and where."""

USUAL = (
    *LEAST,
    Column(
        "epoch_mjd",
        "double",
        "time.epoch",
        "When it was observed, Modified Julian Date",
        _optional("epoch_mjd"),
        "d",
    ),
    Column(
        "valid_fraction",
        "double",
        "arith.ratio",
        "Share of its pixels that hold data",
        lambda row: repr(row.valid_fraction),
    ),
    Column(
        "flags",
        "char",
        "meta.code.qual",
        "What is poor about it",
        lambda row: " ".join(row.flags),
    ),
    Column(
        "labels",
        "unicodeChar",
        "meta.note",
        "What people call it, as JSON",
        lambda row: json.dumps([*row.labels], ensure_ascii=False),
    ),
)
"""What most want to know besides."""

ALL = (
    *USUAL,
    Column(
        "source_uri",
        "unicodeChar",
        "meta.ref.url",
        "Where its pixels came from",
        lambda row: str(row.source.uri),
    ),
    Column(
        "source_hdu",
        "unicodeChar",
        "meta.id.part",
        "The HDU that was read",
        lambda row: str(row.source.hdu),
    ),
    Column(
        "attributes",
        "unicodeChar",
        "meta.record",
        "Attributes, as JSON",
        _attributes_of,
    ),
)
"""All that is known."""


def _info(attributes: Mapping[str, str], content: str = "") -> str:
    return f"<INFO{_attributes(attributes)}>{_content(content)}</INFO>\n"


def _attributes(attributes: Mapping[str, str]) -> str:
    return "".join(
        f" {name}={quoteattr(_speakable(value))}" for name, value in attributes.items()
    )


def _content(text: str) -> str:
    return escape(_speakable(text), {"\r": "&#13;"})


def _speakable(text: str) -> str:
    return _UNSPEAKABLE.sub("\ufffd", text)
