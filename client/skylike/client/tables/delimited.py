"""CSV for programs and for spreadsheets, which take some texts for formulas."""

import csv
import io
import re

from skylike.client.tables.table import Cell, Table

# At the start of a cell, or behind what some spreadsheet may take for a separator;
# the wide forms are taken for the narrow ones in parts of the world.
_FORMULA = re.compile(r"""(^|[,;|"'])(\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])""")
_HARMLESS = re.compile(_FORMULA.pattern.replace("(?=", "'(?="))


def content(table: Table) -> bytes:
    """The table as CSV with a header, UTF-8; what is absent is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_harmless(column.name) for column in table.columns)
    for row in table.rows():
        writer.writerow(_written(cell) for cell in row)
    return text.getvalue().encode()


def _written(cell: Cell) -> Cell:
    match cell:
        case bool():
            return "true" if cell else "false"
        case str():
            return _harmless(cell)
    return cell


def _harmless(text: str) -> str:
    """An apostrophe stands before whatever could begin a formula."""
    return _FORMULA.sub(r"\1\2'", text)


def original(text: str) -> str:
    """A cell as it was before it was made harmless."""
    return _HARMLESS.sub(r"\1\2", text)
