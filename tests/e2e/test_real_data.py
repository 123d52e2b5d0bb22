"""Real survey frames, cubes and broken files: indexed, or refused with the reason."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from skylike.service import indexer
from skylike.service.flags import Flag
from skylike.service.library import Library
from skylike.service.sources import find_sources

ZOO = Path(__file__).parents[3] / "shared" / "data" / "fits"

REFUSED = {
    "compressed/compressed_float_bzero.fits": "no_image",
    "compressed/lzw.fits.Z": "unsupported_container",
    "cube_radio_1904-66_3d.fits": "axis_ambiguous",
    "malformed/arange.fits": "axis_ambiguous",
    "malformed/blank.fits": "no_image",
    "malformed/btable.fits": "no_image",
    "malformed/casalike_4d.fits": "too_small",
    "malformed/group.fits": "no_image",
    "malformed/group_invalid.fits": "no_image",
    "malformed/header_newlines.fits": "no_image",
    "malformed/history_header.fits": "no_image",
    "malformed/issue49test.fits": "bad_dimensions",
    "malformed/j94f05bgq_flt.fits": "no_image",
    "malformed/memtest.fits": "no_image",
    "malformed/random_groups.fits": "no_image",
    "malformed/test_dup.fits": "too_small",
    "malformed/theap-gap.fits": "no_image",
    "malformed/verify.fits": "no_image",
    "malformed/zerowidth.fits": "bad_dimensions",
}

FLAGGED = {
    "cube_l1448_13co.fits": Flag.COLLAPSED,
    "cube_hcn_nan24pct.fits": Flag.COLLAPSED | Flag.EDGE,
    "malformed/fixed-1890.fits": Flag.CONSTANT,
    "radio_1904-66_nan40pct.fits": Flag.EDGE,
    "stamps/ztf_ZTF18abzvnya_science.fits.gz": Flag.MASKED,
}


@pytest.mark.skipif(not ZOO.is_dir(), reason="the collection of real files is not here")
def test_a_folder_of_many_instruments_is_indexed_as_far_as_it_can_be_read(
    model: Path, tmp_path: Path
) -> None:
    rejects = tmp_path / "rejects.parquet"
    with Library(tmp_path / "data") as library:
        library.create("zoo", model)
        collection = library.collection("zoo")
        with indexer.tabled(rejects) as refused:
            report = indexer.index(
                collection,
                library.encoder_of(collection),
                find_sources([ZOO]),
                refused=refused,
            )
        rows = pq.read_table(rejects).to_pylist()
        found = {
            Path(row["path"]).relative_to(ZOO).as_posix(): row["code"] for row in rows
        }
        assert found == REFUSED
        assert all(row["message"].startswith(row["path"]) for row in rows)
        assert report.indexed == len(collection) == 94 - len(REFUSED)
        for name, flags in FLAGGED.items():
            assert flags in collection.get(name).flags, name
        centre = collection.get("gc_2mass_k.fits").position
        assert centre is not None
        assert centre.ra_deg == pytest.approx(266.4, abs=0.01)
