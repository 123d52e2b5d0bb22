"""VOTable: what TOPCAT and every tool of the VO reads, with coordinate and time systems.

The origin follows the IVOA's note on data origin where it has a word for a fact, and is
an INFO of its own name where not.
"""

import io
import re
from dataclasses import replace

from astropy.io.votable import tree
from astropy.io.votable.dataorigin import (
    DATAORIGIN_QUERY_INFO,
    add_data_origin_info,
)
from astropy.io.votable.table import from_table

from skylike.client.tables import quantities
from skylike.client.tables.table import Table

_VERSION = "1.4"
_MJD_ORIGIN = 2400000.5
_SKY, _TIME = "_sky", "_time"


def content(table: Table) -> bytes:
    """The table as a VOTable with its data as XML text."""
    file = from_table(quantities.columns(_with_ids(table)))
    file.version = _VERSION
    [resource] = file.resources
    [inner] = resource.tables
    resource.type = "results"
    resource.infos.clear()
    inner.infos.clear()
    resource.coordinate_systems.append(tree.CooSys(ID=_SKY, system="ICRS"))
    resource.time_systems.append(
        # Headers seldom tell the scale, and never where the light was met.
        tree.TimeSys(
            ID=_TIME,
            timeorigin=_MJD_ORIGIN,
            timescale="UNKNOWN",
            refposition="UNKNOWN",
            config={"version": _VERSION, "version_1_4_or_later": True},
        )
    )
    for field, column in zip(inner.fields, table.columns, strict=True):
        field.name = column.name
        if column.ucd.startswith("pos.eq."):
            field.ref = _SKY
        elif column.ucd.startswith("time."):
            field.ref = _TIME
    for name, fact in table.facts.items():
        if name in DATAORIGIN_QUERY_INFO:
            add_data_origin_info(file, name, fact)
        else:
            resource.infos.append(tree.Info(name=name, value=fact))
    stream = io.BytesIO()
    file.to_xml(stream)
    return stream.getvalue()


def _with_ids(table: Table) -> Table:
    """The same, each column by a name that XML takes for an ID: its own, if it can be."""
    systems = {_SKY, _TIME}
    taken = systems | {column.name for column in table.columns}
    columns = []
    for column in table.columns:
        id = re.sub(r"[^A-Za-z0-9_.]|^(?=[^A-Za-z_])", "_", column.name)
        while id in (systems if id == column.name else taken):
            id += "_"
        taken.add(id)
        columns.append(replace(column, name=id))
    return Table(tuple(columns), table.facts)
