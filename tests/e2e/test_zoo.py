"""Every real file goes through `inspect` and `cutouts --detect`: read, or refused.

The table says for each what was read, or the exact reason why it was not.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ZOO = Path(__file__).parents[3] / "shared" / "data" / "fits"

# file | HDU | axes | shape | arcsec per pixel | flags of a stamp of all of it, but
# RESAMPLED, or the reason why there is none; or: file | reason.
TABLE = """
bolocam_gps_nan_edges.fits | 0 | image | 1x638x640 | 7.2 |
candels_gds_10673_h.fits | 0 | image | 1x84x84 | 0.06 |
candels_gds_10673_j.fits | 0 | image | 1x84x84 | 0.06 |
candels_gds_10673_v.fits | 0 | image | 1x84x84 | 0.06 |
candels_gds_10673_z.fits | 0 | image | 1x84x84 | 0.06 |
ccd_m13_uint16_bzero.fits | 0 | image | 1x1040x1392 | - |
compressed/comp.fits | 1 | image | 1x300x440 | 7 |
compressed/compressed_float_bzero.fits | no_image
compressed/compressed_image.fits | 1 | image | 1x10x10 | - | LOW_SN
compressed/compressed_with_nan.fits | 1 | image | 1x12x12 | - | LOW_SN
compressed/decam_ksb_mask.fits.fz | 1 | image | 1x4096x4032 | 0.4527 | SATURATED NO_BACKGROUND
compressed/fitsio_gzip.fits.fz | 1 | image | 1x10x10 | - | CONSTANT
compressed/fitsio_rice_dither2.fits.fz | 1 | image | 1x100x100 | - | LOW_SN
compressed/lzw.fits.Z | unsupported_container
compressed/m13.fits | 0 | image | 1x300x300 | 0.9997 |
compressed/m13_gzip.fits | 1 | image | 1x300x300 | 0.9997 |
compressed/m13_hcomp.fits | 1 | image | 1x300x300 | 0.9997 |
compressed/m13_plio.fits | 1 | image | 1x300x300 | 0.9997 |
compressed/m13_rice.fits | 1 | image | 1x300x300 | 0.9997 |
compressed/m13real_rice.fits | 1 | image | 1x300x300 | 0.9997 |
cube_hcn_nan24pct.fits | 0 | spectral | 352x37x47 | 12 | EDGE LOW_SN COLLAPSED
cube_l1448_13co.fits | 0 | spectral | 53x105x105 | 23 | COLLAPSED
cube_muse_udf_mef.fits | 1 | spectral | 500x30x30 | 0.2 | COLLAPSED
cube_radio_1904-66_3d.fits | axis_ambiguous
decam_ood_z.fits | 1 | image | 1x251x245 | 0.2633 | SATURATED NO_BACKGROUND
decam_ooi_z.fits | 1 | image | 1x251x245 | 0.2633 |
decam_oow_z.fits | 1 | image | 1x251x245 | 0.2633 |
dss_horsehead_int16_asciitable.fits | 0 | image | 1x893x891 | 1.008 | LOW_SN
dss_m67_int16.fits | 0 | image | 1x1059x1059 | 1.7 |
gc_2mass_h.fits | 0 | image | 1x720x721 | 5 |
gc_2mass_j.fits | 0 | image | 1x720x721 | 5 |
gc_2mass_k.fits | 0 | image | 1x720x721 | 5 |
hess_survey_mef.fits.gz | 0 | image | 1x250x250 | 72 | NO_BACKGROUND
hst_acs_cosmos_cutout.fits | 0 | image | 1x543x543 | 0.03 |
hst_aegis_mef_mixed_shapes.fits | 0 | image | 1x46x70 | - |
hst_hdfs_f606w.fits | 1 | image | 1x500x500 | 0.03986 |
kids_viking_H.fits | 1 | image | 1x2600x2600 | - |
kids_viking_J.fits | 1 | image | 1x2600x2600 | - |
kids_viking_Ks.fits | 1 | image | 1x2600x2600 | - |
kids_viking_Y.fits | 1 | image | 1x2600x2600 | - |
kids_viking_Z.fits | 1 | image | 1x2600x2600 | - |
kids_viking_g.fits | 1 | image | 1x2600x2600 | - |
kids_viking_i.fits | 1 | image | 1x2600x2600 | - |
kids_viking_r.fits | 1 | image | 1x2600x2600 | - |
kids_viking_u.fits | 1 | image | 1x2600x2600 | - |
m51_B_int16.fits | 0 | image | 1x512x512 | - |
m86_sdss_g.fits.bz2 | 0 | image | 1x496x682 | 1.188 |
m86_sdss_i.fits.bz2 | 0 | image | 1x496x682 | 1.188 |
m86_sdss_r.fits.bz2 | 0 | image | 1x496x682 | 1.188 |
malformed/arange.fits | axis_ambiguous
malformed/blank.fits | no_image
malformed/btable.fits | no_image
malformed/casalike_4d.fits | 0 | spectral | 2x2x2 | 0.25 | too_small
malformed/checksum_false.fits | 0 | image | 1x40x30 | 7 |
malformed/fixed-1890.fits | 0 | image | 1x100x100 | - | CONSTANT
malformed/group.fits | no_image
malformed/group_invalid.fits | no_image
malformed/header_newlines.fits | no_image
malformed/history_header.fits | no_image
malformed/issue49test.fits | bad_dimensions
malformed/j94f05bgq_flt.fits | no_image
malformed/memtest.fits | no_image
malformed/o4sp040b0_raw.fits | 1 | image | 1x44x62 | - | LOW_SN
malformed/random_groups.fits | no_image
malformed/scale.fits | 0 | image | 1x21x20 | 4.999 |
malformed/test0.fits | 1 | image | 1x40x40 | - |
malformed/test_dup.fits | 0 | image | 1x5x5 | - | too_small
malformed/theap-gap.fits | no_image
malformed/verify.fits | no_image
malformed/zerowidth.fits | bad_dimensions
msx_e_float64.fits.gz | 0 | image | 1x599x599 | 6 |
muse_hdfs_image_stat_dq_nan.fits | 1 | image | 1x331x326 | 0.2 |
ntt_emmi_field_int16scaled.fits | 0 | image | 1x1024x1024 | - |
perseus_extinction_2mass.fits | 0 | image | 1x313x217 | 148.5 |
radio_1904-66_nan40pct.fits | 0 | image | 1x192x192 | 250.8 | EDGE
rosat_allsky.fits | 0 | image | 1x240x480 | 2430 |
saao_ccd_uint16_raw.fits | 0 | image | 1x520x536 | - |
spitzer_irac_mosaic.fits | 0 | image | 1x513x1025 | 1.2 |
stamps/ztf_ZTF18aapgymv_difference.fits.gz | 0 | image | 1x63x63 | - |
stamps/ztf_ZTF18aapgymv_science.fits.gz | 0 | image | 1x63x63 | - |
stamps/ztf_ZTF18aapgymv_template.fits.gz | 0 | image | 1x63x63 | - |
stamps/ztf_ZTF18abadigg_difference.fits.gz | 0 | image | 1x63x63 | - |
stamps/ztf_ZTF18abadigg_science.fits.gz | 0 | image | 1x63x63 | - |
stamps/ztf_ZTF18abadigg_template.fits.gz | 0 | image | 1x63x63 | - |
stamps/ztf_ZTF18abjtlqo_difference.fits.gz | 0 | image | 1x63x63 | - |
stamps/ztf_ZTF18abjtlqo_science.fits.gz | 0 | image | 1x63x63 | - |
stamps/ztf_ZTF18abjtlqo_template.fits.gz | 0 | image | 1x63x63 | - |
stamps/ztf_ZTF18abzvnya_difference.fits.gz | 0 | image | 1x63x63 | - | MASKED
stamps/ztf_ZTF18abzvnya_science.fits.gz | 0 | image | 1x63x63 | - | MASKED
stamps/ztf_ZTF18abzvnya_template.fits.gz | 0 | image | 1x63x63 | - | MASKED
stamps/ztf_ZTF19abmvzja_difference.fits.gz | 0 | image | 1x63x63 | - | EDGE
stamps/ztf_ZTF19abmvzja_science.fits.gz | 0 | image | 1x63x63 | - | EDGE
stamps/ztf_ZTF19abmvzja_template.fits.gz | 0 | image | 1x63x63 | - | EDGE
viking_Z_bigendian_f4.fits | 0 | image | 1x356x356 | 0.339 |
"""
ROWS = [[cell.strip() for cell in row.split("|")] for row in TABLE.strip().splitlines()]

# Both commands on every file in one process: what they print, and what they take.
RUN = """
import json, sys, time
from pathlib import Path
from click.testing import CliRunner
from skylike.service.cli import main

# Not ru_maxrss, which begins with what the process that started this one held.
def peak_kilobytes():
    told = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in told if line.startswith("VmHWM"))

zoo, out = map(Path, sys.argv[1:])
for path in sorted(zoo.rglob("*")):
    if not path.is_file():
        continue
    name = path.relative_to(zoo).as_posix()
    began = time.monotonic()
    told = CliRunner().invoke(main, ["inspect", str(path), "--json"])
    cut = CliRunner().invoke(
        main, ["cutouts", str(path), "--detect", "--out", str(out / name), "--json"]
    )
    print(json.dumps({
        "name": name,
        "inspect": [told.exit_code, told.stdout, told.stderr],
        "cutouts": [cut.exit_code, cut.stdout, cut.stderr],
        "files": len(list((out / name).glob("*.fits"))),
        "seconds": time.monotonic() - began,
        "peak_kilobytes": peak_kilobytes(),
    }))
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if not ZOO.is_dir():
        pytest.skip("the collection of real files is not here")
    out = tmp_path_factory.mktemp("cutouts")
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN, str(ZOO), str(out)],
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    return {line["name"]: line for line in lines}


def test_the_table_names_every_file(results: dict[str, Any]) -> None:
    assert sorted(results) == sorted(row[0] for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_what_is_read_is_what_the_table_says(
    results: dict[str, Any], row: list[str]
) -> None:
    found = results[row[0]]
    code, output, errors = found["inspect"]
    [facts] = [json.loads(line) for line in output.splitlines()]
    assert errors == ""
    cut_code, cut_output, cut_errors = found["cutouts"]
    [cut] = [json.loads(line) for line in cut_output.splitlines()]
    assert cut_errors == ""
    if len(row) == 2:
        assert (code, facts["error"]["reason"]) == (2, row[1])
        assert (cut_code, [one["reason"] for one in cut["rejects"]]) == (2, [row[1]])
        return
    assert (code, cut_code) == (0, 0)
    assert cut["rejects"] == []
    assert found["files"] == cut["cutouts"]
    scale = facts["pixel_scale_arcsec"]
    flags = [flag for flag in facts["flags"] if flag != "RESAMPLED"]
    stamp = facts["stamp_error"]["reason"] if facts["stamp_error"] else " ".join(flags)
    assert row[1:] == [
        facts["read"].split()[0],
        facts["axes"],
        "x".join(map(str, facts["shape"])),
        "-" if scale is None else f"{scale:.4g}",
        stamp,
    ]
    assert len(facts["warnings"]) <= 4
    assert all(len(warning) <= 200 for warning in facts["warnings"])


def test_fields_are_full_of_objects_and_blank_images_hold_none(
    results: dict[str, Any],
) -> None:
    counts = {name: found["files"] for name, found in results.items()}
    for name in "kids_viking_r.fits", "gc_2mass_k.fits", "dss_m67_int16.fits":
        assert counts[name] > 1500
    for name in "malformed/fixed-1890.fits", "compressed/fitsio_gzip.fits.fz":
        assert counts[name] == 0


def test_neither_time_nor_memory_run_away(results: dict[str, Any]) -> None:
    assert max(found["seconds"] for found in results.values()) < 60
    assert max(found["peak_kilobytes"] for found in results.values()) < 2 * 2**20
