"""Answers as tables, data frames and files: every form holds the same."""

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy import units
from astropy.io.votable import parse, validate
from astropy.io.votable.ucd import check_ucd
from astropy.table import QTable
from astropy.table import Table as AstropyTable
from pyarrow import parquet

from skylike.client import Client, Object, errors, tabulate
from skylike.client.filters import Between
from skylike.client.tables import columns
from skylike.client.tables.writing import FORMATS

from .tabled import CONTEXT, analysis, near, thing

ANSWER = near(thing(0), thing(1), thing(2))


def test_a_qtable_has_units_masks_and_origin() -> None:
    """Angles convert, what is absent is masked, columns say what they are."""
    table = ANSWER.to_table()
    assert isinstance(table, QTable)
    angles = table["ra"].filled(0 * units.deg).to_value(units.rad)
    np.testing.assert_allclose(angles, np.radians([150.25, 151.25, 0]))
    apart = table["separation_deg"].filled(0 * units.deg)
    assert list(apart.to_value(units.arcsec)) == [0, 3.6, 7.2]
    assert list(table["ra"].mask) == [False, False, True]
    assert list(table["uri"].mask) == [True, False, True]
    assert list(table["object_id"]) == ["object-0", "object-1", "object-2"]
    assert table["section"][1] == "[11:74,21:84]"
    assert table["flags"][1] == "EDGE, LOW_SN"
    assert table["mag"].dtype == np.float64
    assert table["ra"].info.description == "Right ascension"
    assert table["ra"].info.meta["ucd"] == "pos.eq.ra;meta.main"
    assert table.meta["collection"] == "sky"
    assert table.meta["model_id"] == CONTEXT.model_id


def test_a_data_frame_has_types_and_origin() -> None:
    """What is absent is NA, whole numbers stay whole."""
    frame = ANSWER.to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame["rank"]) == [1, 2, 3]
    assert frame["rank"].dtype == "Int64"
    assert list(frame["ra"].isna()) == [False, False, True]
    assert frame["uri"].isna()[0]
    assert frame.attrs["collection"] == "sky"
    assert frame.attrs["units"]["ra"] == "deg"


def _read(path: Path) -> dict[str, list[Any]]:
    """A written table by columns, None where absent, by other people's readers."""
    match path.suffix:
        case ".parquet":
            columns = parquet.read_table(path).to_pydict()
            return {
                name: [None if value == "" else value for value in values]
                for name, values in columns.items()
            }
        case ".csv":
            with path.open(encoding="utf-8", newline="") as stream:
                rows = list(csv.DictReader(stream))
            return {name: [row[name] for row in rows] for name in rows[0]}
    table = QTable.read(
        path, format={".ecsv": "ascii.ecsv", ".vot": "votable"}[path.suffix]
    )
    found = {}
    for name in table.colnames:
        values = table[name]
        if isinstance(values, units.Quantity):
            values = values.value
        mask = np.ma.getmaskarray(values) | getattr(values, "mask", False)
        found[name] = [
            None if gone or value == "" else value
            for value, gone in zip(np.asarray(values).tolist(), mask, strict=True)
        ]
    return found


def _expected() -> dict[str, list[Any]]:
    return {one.name: list(one.values) for one in ANSWER._table().columns}


@pytest.mark.parametrize("ending", ["ecsv", "vot", "parquet"])
def test_what_is_written_is_read_back(tmp_path: Path, ending: str) -> None:
    """By name, kind and value, absent ones too; so are units."""
    path = tmp_path / f"kin.{ending}"
    ANSWER.write(path)
    assert _read(path) == _expected()
    assert os.listdir(tmp_path) == [path.name]


def test_csv_is_read_back_as_text(tmp_path: Path) -> None:
    """Numbers with all their digits, nothing where a value is absent."""
    path = tmp_path / "kin.csv"
    ANSWER.write(path)
    as_text = {
        name: ["" if value is None else str(value) for value in values]
        for name, values in _expected().items()
    }
    assert _read(path) == as_text
    frame = pd.read_csv(path)
    np.testing.assert_array_equal(frame["score"], _expected()["score"])


def test_a_votable_is_valid_and_says_what_it_holds(tmp_path: Path) -> None:
    """By astropy's validator; with coordinate and time systems, UCDs and origin."""
    path = tmp_path / "kin.vot"
    tabulate({"new.fits": analysis(thing(0), thing(1))}).write(path)
    report = io.StringIO()
    assert validate(path, output=report), report.getvalue()
    [resource] = parse(path, verify="exception").resources
    [system] = resource.coordinate_systems
    assert system.system == "ICRS"
    [times] = resource.time_systems
    assert times.timeorigin == 2400000.5
    fields = {field.name: field for field in resource.tables[0].fields}
    for name in ("ra", "dec", "query_ra", "query_dec"):
        assert fields[name].ref == system.ID
        assert fields[name].unit == units.deg
    assert fields["epoch_mjd"].ref == times.ID
    assert fields["object_id"].ucd == "meta.id;meta.main"
    told = {info.name: info.value for info in resource.infos}
    assert told["collection_version"] == "7"
    assert told["cluster_fit_version"] == "5"
    assert told["anomaly_fit_version"] == "6"


def test_parquet_tells_origin_and_meaning_in_its_schema(tmp_path: Path) -> None:
    path = tmp_path / "kin.parquet"
    ANSWER.write(path)
    schema = parquet.read_schema(path)
    assert json.loads(schema.metadata[b"skylike"])["collection"] == "sky"
    assert schema.field("ra").metadata[b"unit"] == b"deg"
    assert schema.field("ra").metadata[b"ucd"] == b"pos.eq.ra;meta.main"


def test_astropy_reads_the_meaning_of_parquet_back(tmp_path: Path) -> None:
    """Units, descriptions, UCDs and origin; absent texts are empty, not None."""
    path = tmp_path / "kin.parquet"
    ANSWER.write(path)
    table = AstropyTable.read(path, format="parquet")
    expected = ANSWER.to_table()
    assert table.colnames == expected.colnames
    assert dict(table.meta) == dict(expected.meta)
    for name in table.colnames:
        assert table[name].unit == expected[name].info.unit
        assert table[name].description == expected[name].info.description
        assert (table[name].meta or {}) == (expected[name].info.meta or {})
        if expected[name].dtype.kind == "U":
            assert list(table[name]) == list(np.ma.filled(expected[name], ""))
    read = QTable.read(path, format="parquet")
    assert read["ra"].unit == units.deg
    near().write(path)
    assert len(AstropyTable.read(path, format="parquet")) == 0


def test_regions_mark_objects_and_what_was_asked_about(tmp_path: Path) -> None:
    """A circle where the extent is known, else a cross; a query once."""
    path = tmp_path / "kin.reg"
    tabulate({"new.fits": analysis(thing(0), thing(1), thing(2))}).write(path)
    lines = path.read_text(encoding="ascii").splitlines()
    assert lines[0] == "# Region file format: DS9 version 4.1"
    assert lines[lines.index("icrs") + 1 :] == [
        'circle(10.50000000,20.50000000,15.000") # text={new.fits}',
        "point(150.25000000,-2.50000000) # point=cross text={1 object-0}",
        'circle(151.25000000,-2.50000000,16.000") # text={2 object-1}',
    ]
    with pytest.raises(errors.BadInput, match="none of the 1 rows") as caught:
        near(thing(2)).write(path)
    assert caught.value.reason == "no_position"
    assert path.read_text(encoding="ascii").splitlines() == lines


def test_analyses_stand_together() -> None:
    """A row for each hit beside what was asked; what has no hits or fits has a row."""
    answers = {"a.fits": analysis(thing(0), thing(1)), "b.fits": analysis(fitted=False)}
    table = tabulate(answers).to_table()
    assert list(table["query"]) == ["a.fits", "a.fits", "b.fits"]
    assert list(table["rank"].filled(0)) == [1, 2, 0]
    assert list(table["cluster_name"].filled("")) == ["rings", "rings", ""]
    assert list(table["anomaly_percentile"].filled(-1)) == [98, 98, -1]
    assert table["query_radius_deg"][0].to_value(units.arcsec) == 15
    assert len(tabulate(list(answers.values())).to_table()) == 3
    failed = errors.BadInput("no FITS", reason="not_fits")
    both = tabulate([*answers.items(), ("c.fits", failed)]).to_table()
    assert list(both["error"].filled("")) == ["", "", "", "not_fits"]
    assert len(tabulate({"c.fits": failed}).to_table()) == 1
    with pytest.raises(TypeError, match="one kind"):
        tabulate([answers["a.fits"], thing(1)])
    with pytest.raises(TypeError, match="str"):
        tabulate(["a.fits"])


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_found_is_a_table_too(tmp_path: Path, name: str) -> None:
    """With all its columns; but regions and embeddings of nothing are an error."""
    assert len(near().to_table()) == len(near().to_pandas()) == 0
    assert len(tabulate([]).to_table()) == 0
    assert tabulate([], Object).to_table().colnames[0] == "object_id"
    path = tmp_path / "nothing"
    if name in ("ds9", "npy"):
        with pytest.raises(errors.BadInput, match=r"0 rows|no embedding"):
            near().write(path, name)
        return
    near().write(path, name)
    assert b"object_id" in path.read_bytes()


def test_attributes_are_columns_of_their_own() -> None:
    """Whole where all are whole, text where kinds are mixed, never over our own."""
    table = near(
        thing(0, attributes={"n": 1, "x": 1, "y": True, "z": "a", "RA": 1.5}),
        thing(1, attributes={"n": 2**62, "x": 0.5, "y": False, "z": 2}),
        thing(3, attributes={}),
    ).to_table()
    assert list(table["n"].filled(0)) == [1, 2**62, 0]
    assert list(table["x"].filled(-1)) == [1.0, 0.5, -1]
    assert list(table["y"][:2]) == [True, False]
    assert list(table["z"].filled("-")) == ["a", "2", "-"]
    assert table["attribute_RA"][0] == 1.5
    assert table["ra"].unit == units.deg


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """A failure leaves what was there, and nothing beside it."""
    path = tmp_path / "kin.csv"
    ANSWER.write(path)
    before = path.read_bytes()
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100));"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "from skylike.client import *; from pathlib import Path\n"
        "c = Context('s', 1, '')\n"
        "o = Object('x' * 999, 1.0, 2.0, None, '', '', (), {}, (), 1.0, b'')\n"
        "try: Neighbors(c, None, (Hit(1, 1.0, None, o),)).write(sys.argv[1])\n"
        "except SkylikeClientError as error: print(error.reason, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith(f"io_error {path} cannot be written: "), done
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize(
    ("name", "format", "reason", "named"),
    [
        ("kin.doc", None, "bad_format", ".ecsv"),
        ("kin", None, "bad_format", ".ecsv"),
        ("kin.csv", "excel", "bad_format", "votable"),
        ("no/where.csv", None, "io_error", "No such file"),
        (".", "csv", "io_error", "not a file"),
        ("a" * 300 + ".csv", None, "io_error", "too long"),
        ("a\0b.csv", None, "io_error", "not a file"),
    ],
)
def test_what_cannot_be_written_is_refused(
    tmp_path: Path, name: str, format: str | None, reason: str, named: str
) -> None:
    with pytest.raises(errors.BadInput, match=named) as caught:
        ANSWER.write(tmp_path / name, format)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("package", "call"),
    [
        ("astropy", "to_table()"),
        ("astropy", "write('kin.ecsv')"),
        ("astropy", "write('kin.vot')"),
        ("pandas", "to_pandas()"),
        ("pyarrow", "write('kin.parquet')"),
    ],
)
def test_a_missing_package_is_named_with_what_to_install(
    tmp_path: Path, package: str, call: str
) -> None:
    """And without any of them, CSV and regions are written."""
    script = (
        "import sys\n"
        f"for name in ('astropy', 'pandas', 'pyarrow'): sys.modules[name] = None\n"
        "from skylike.client import *\n"
        "answer = Neighbors(Context('s', 1, ''), None, ())\n"
        "answer.write('kin.csv')\n"
        f"try: answer.{call}\n"
        "except SkylikeClientError as error: print(error.reason, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.stdout.startswith(f"missing_package this needs {package}"), done
    assert "pip install 'skylike[tables]'" in done.stdout


def test_every_answer_of_a_service_is_a_table(
    client: Client, sky: SimpleNamespace, tmp_path: Path
) -> None:
    """With the columns that were promised, and valid as a VOTable."""
    content = sky.draw("ring", 4711)
    answers: list[Any] = [
        client.analyze(content, collection="sky", k=4),
        client.neighbors(object_id="ring-1", collection="sky", k=4),
        client.anomaly(content, collection="sky"),
        client.cluster(content, collection="sky"),
        client.get("ring-1", collection="sky"),
        tabulate(client.collections()),
        tabulate([client.analyze(content, collection="bare", k=2)] * 2),
    ]
    lengths = []
    for number, answer in enumerate(answers):
        path = tmp_path / f"{number}.vot"
        answer.write(path)
        assert validate(path, output=io.StringIO())
        lengths.append(len(answer.to_table()))
    assert lengths[:3] == [4, 4, 20]
    assert lengths[4:] == [1, 3, 4]
    table = answers[0].to_table()
    assert list(table["kind"]) == [
        hit.object.attributes["kind"] for hit in answers[0].hits
    ]


def test_every_ucd_is_a_word_of_the_vocabulary() -> None:
    """And every column has a description; names are unique in lower case."""
    fields = [
        *(columns.HIT + columns.QUERY + columns.SHARE + columns.ANOMALY),
        *columns.COLLECTION,
        *columns.CLUSTER,
        *columns.RANKED_ANOMALY,
        *columns.MEMBER,
        *columns.ALIAS,
        *columns.JOB,
    ]
    for field in fields:
        assert field.description
        if field.ucd:
            assert check_ucd(field.ucd, check_controlled_vocabulary=True), field.ucd
    for some in (columns.HIT + columns.QUERY + columns.SHARE + columns.ANOMALY,):
        names = [field.name.casefold() for field in some]
        assert len(set(names)) == len(names)


def test_an_export_tells_what_was_asked(
    client: Client, sky: SimpleNamespace, tmp_path: Path
) -> None:
    """The request, the sha256 of what was uploaded, the time, the service."""
    content = sky.draw("ring", 4711)
    before = datetime.now(UTC).isoformat(timespec="milliseconds")
    where = Between("number", high=9)
    answer = client.neighbors(content, collection="sky", k=3, where=where)
    path = tmp_path / "kin.vot"
    answer.write(path)
    file = parse(path)
    infos = [*file.infos, *file.resources[0].infos]
    told = {info.name: info.value for info in infos}
    query = json.loads(told["query"])
    digest = hashlib.sha256(content).hexdigest()
    assert query == {"cutout": {"fits": f"sha256:{digest}"}}
    method, _, request = told["request"].partition(" ")
    assert method == "Neighbors"
    assert json.loads(request) == {
        "collection": "sky",
        "k": 3,
        "options": {
            "filter": {"attribute_range": {"name": "number", "high": 9.0}},
            "effort": 1.0,
        },
    }
    after = datetime.now(UTC).isoformat(timespec="milliseconds")
    assert before <= told["request_date"] <= after
    assert told["server"] == client.address
    assert told["client_software"].startswith("skylike ")
    assert told["server_software"] == f"skylike-service {version('skylike')}"
    json.dumps(answer.to_dict(), allow_nan=False)


def test_many_answers_tell_what_they_share(
    client: Client, sky: SimpleNamespace
) -> None:
    """One request for all, from the first time to the last; queries are a column."""
    contents = {f"{i}.fits": sky.draw("ring", i) for i in range(3)}
    table = tabulate(client.analyze_many(contents, collection="sky", k=2)).to_table()
    assert set(table["query"]) == set(contents)
    assert "query" not in table.meta
    assert table.meta["request"].count("Analyze") == 1
    first, _, last = table.meta["request_date"].partition("/")
    assert first <= (last or first)
