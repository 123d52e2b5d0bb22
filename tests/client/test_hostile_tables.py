"""Text of strangers in every form of a table: it stays a text, and harms no reader."""

import csv
import io
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from astropy.io.votable import parse, validate
from astropy.table import QTable
from hypothesis import example, given, settings
from pyarrow import parquet

from skylike.client import Context, Neighbors, tabulate
from skylike.client.tables import delimited
from skylike.client.tables.text import printable, spelled, unspelled

from .tabled import analysis, near, thing

# Everything that readers of some form take for more than a text.
_NASTY = st.sampled_from(
    [
        *("=1+1", "@SUM(A1)", "+1", "-1", "\t=1", "\r\n=1", ";=1", '",=1', "\uff1d1"),
        *("</TD><INFO name='x'/>", "]]>", "<!ENTITY a 'b'>", "&#0;", "&amp;"),
        *("}\ncircle(1,2,3)", "}; $tcl [exec ls]", "# text={x}", "{", '"', "'"),
        *("\x00", "\x1b[2J", "\u202e", "\ud800", "\ufffe", "\x85", "\u2028", "\xa0"),
        *(
            "--",
            "nan",
            "",
            " ",
            "#",
            "---",
            "- {a: b}",
            "!!python/object",
            "\\",
            "\U0001f600",
        ),
    ]
)
TEXTS = st.one_of(
    st.text(st.characters(), max_size=20),
    st.lists(_NASTY, max_size=4).map("".join),
)
_EXAMPLES = settings(max_examples=60, deadline=None)


def _hostile(text: str) -> Neighbors:
    """The text wherever a stranger can put one, beside what is harmless."""
    found = near(
        thing(
            1,
            id=text or "x",
            uri=text,
            hdu=text,
            flags=(text,),
            attributes={text or "x": text, "plain": 1},
        ),
        thing(3),
    )
    return replace(found, context=Context(text or "x", 7, text))


def _written(answer: Any, ending: str, then: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"hostile.{ending}")
        answer.write(path)
        return then(path)


@_EXAMPLES
@given(TEXTS)
def test_forms_with_types_keep_it_as_it_is_shown(text: str) -> None:
    """Other people's readers find the text, spelled out where it does not print."""
    answer = _hostile(text)
    shown = printable(text or "x")
    assert shown.isprintable()
    assert answer.to_table()["object_id"][0] == shown
    assert answer.to_pandas()["object_id"][0] == shown
    stored = _written(answer, "parquet", parquet.read_table)
    assert stored["object_id"].to_pylist() == [shown, "object-3"]
    again = _written(
        answer, "parquet", lambda path: QTable.read(path, format="parquet")
    )
    assert list(again["object_id"]) == [shown, "object-3"]
    assert again.meta["collection"] == shown
    names = answer.to_table().colnames
    assert stored.column_names == names

    def ecsv(path: Path) -> Any:
        return QTable.read(path, format="ascii.ecsv")

    table = _written(answer, "ecsv", ecsv)
    assert table.colnames == names
    if shown.strip():  # a text that is all spaces is read as none, others are stripped
        assert table["object_id"][0] == shown.strip()
    assert list(table["rank"]) == [1, 2]
    assert table.meta["collection"] == shown


@_EXAMPLES
@given(TEXTS)
@example("</TD></TR>")
@example("\U0001f600" * 5)
def test_a_votable_stays_valid(text: str) -> None:
    """No text ends an element or makes one; the origin's neither."""

    def check(path: Path) -> Any:
        report = io.StringIO()
        assert validate(path, output=report), report.getvalue()
        return parse(path, verify="exception")

    _written(_hostile(text), "vot", check)
    made = _written(tabulate({text: analysis(*_objects(text))}), "vot", check)
    [resource] = made.resources
    [table] = resource.tables
    found = np.ma.filled(table.array["object_id"], "")
    # Of spaces around a text the reader makes none.
    assert list(found) == [printable(text or "x").strip(), "object-3"]


def _objects(text: str) -> list[Any]:
    return [hit.object for hit in _hostile(text).hits]


@_EXAMPLES
@given(TEXTS)
def test_no_cell_of_csv_is_a_formula(text: str) -> None:
    """However a spreadsheet splits the lines; numbers stay numbers."""
    content = _written(_hostile(text), "csv", lambda path: path.read_bytes().decode())
    rows = list(csv.reader(io.StringIO(content)))
    assert [len(row) for row in rows] == [len(rows[0])] * 3
    assert [row[0] for row in rows] == ["rank", "1", "2"]
    cells = [cell for row in rows for cell in row]
    for separator in ";\t|":
        cells += [
            part for line in content.split("\n") for part in line.split(separator)
        ]
    for cell in cells:
        assert not _FORMULA.match(cell) or _NUMBER.fullmatch(cell), cell


@_EXAMPLES
@given(TEXTS)
@example("'-''=,'+")
@example("\\x1b\x1b")
def test_what_was_made_harmless_can_be_undone(text: str) -> None:
    written = delimited._harmless(spelled(text))
    assert unspelled(delimited.original(written)) == text


_FORMULA = re.compile(r"""["\s]*[=+\-@\uff1d\uff0b\uff0d\uff20]""")
_NUMBER = re.compile(r"-\d+\.\d+")


@_EXAMPLES
@given(TEXTS)
def test_regions_hold_nothing_but_marks(text: str) -> None:
    """Each line is a comment of ours or a mark; labels cannot end their braces."""
    answer = tabulate({text: analysis(*_objects(text))})
    content = _written(answer, "reg", lambda path: path.read_text(encoding="ascii"))
    number = r"-?\d+\.\d+"
    label = r"text=\{[A-Za-z0-9 ._+:/@=,()<>-]*\}"
    mark = (
        rf"(point\({number},{number}\) # point=cross|"
        rf"circle\({number},{number},{number}\"\) #) {label}"
    )
    comment = r"# (Region file format: DS9 version 4\.1|[a-z_]+: [\w ,]+)"
    for line in content.splitlines():
        assert re.fullmatch(rf"{mark}|{comment}|global color=green|icrs", line), line


@pytest.mark.parametrize("text", ["galaxy NGC 1300", "ö ü 星系", "a-b", "50% = half"])
def test_what_is_harmless_is_left_alone(text: str) -> None:
    """In every form but regions, which speak ASCII only."""
    answer = near(thing(1, id=text))
    assert answer.to_table()["object_id"][0] == text
    content = _written(answer, "csv", lambda path: path.read_text(encoding="utf-8"))
    assert f",{text}," in content


def test_an_endless_text_does_not_fill_memory() -> None:
    """Where all texts of a column are as wide as the widest."""
    answer = near(thing(1, attributes={"note": "x" * 10**7}), *[thing(3)] * 999)
    table = answer.to_table()
    assert table["note"].nbytes < 2e7
    assert table["note"][0].endswith("xxx...")


def test_names_that_xml_takes_for_one_stay_apart(tmp_path: Path) -> None:
    """IDs are unique in a VOTable, those of the coordinate systems included."""
    names = ["a b", "a-b", "a_b", "_sky", "_time", "2mass", "Ω"]
    path = tmp_path / "names.vot"
    near(thing(1, attributes=dict.fromkeys(names, 1.5))).write(path)
    assert validate(path, output=io.StringIO())
    ids = re.findall(r'\bID="([^"]*)"', path.read_text(encoding="utf-8"))
    assert len(set(ids)) == len(ids)
    [table] = parse(path).resources[0].tables
    assert set(names) < {field.name for field in table.fields}
