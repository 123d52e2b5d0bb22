"""A simulated archive on disk: the same every time, and honest about itself."""

import collections
import hashlib
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning

from skylike.service.errors import BadSettings
from skylike.trainer.sky import ARTEFACTS, FAMILIES, simulate, write
from skylike.trainer.sky.drawing import ROTATING
from skylike.trainer.sky.header import Header
from skylike.trainer.sky.simulate import family_of
from skylike.trainer.sky.truth import COLUMNS

_COUNT = 190


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold ten objects of each ordinary family."""
    out = tmp_path_factory.mktemp("archive") / "sky"
    simulate(out, _COUNT, seed=3, workers=1)
    return out


@pytest.fixture(scope="module")
def rows(archive: Path) -> list[dict[str, Any]]:
    """Read the truth table."""
    found: list[dict[str, Any]] = pq.read_table(archive / "truth.parquet").to_pylist()
    return found


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_same_seed_same_bytes_with_any_number_of_workers(
    archive: Path, tmp_path: Path
) -> None:
    """Two processes write what one wrote, the table included."""
    again = tmp_path / "again"
    simulate(again, _COUNT, seed=3, workers=2)
    assert _digests(again) == _digests(archive)


def test_an_object_depends_on_seed_and_number_alone(
    archive: Path, tmp_path: Path
) -> None:
    """A shorter archive is the beginning of a longer one; another seed is not."""
    simulate(tmp_path / "short", 30, seed=3, workers=1)
    whole = _digests(archive)
    short = _digests(tmp_path / "short")
    names = [name for name in short if name.endswith(".fits")]
    assert len(names) == 30
    assert all(short[name] == whole[name] for name in names)
    simulate(tmp_path / "other", 30, seed=4, workers=1)
    assert not set(_digests(tmp_path / "other").values()) & set(short.values())


def test_families_are_balanced_and_ordinary(rows: list[dict[str, Any]]) -> None:
    """Ten of each, in an order that is not always the same; no artefacts."""
    counts = collections.Counter(row["family"] for row in rows)
    assert counts == dict.fromkeys(FAMILIES, 10)
    order = [row["family"] for row in rows]
    assert order[:19] != order[19:38]
    assert not any(row["is_artefact"] for row in rows)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.37, 1.0])
def test_share_of_artefacts_is_obeyed(share: float) -> None:
    """To within one object; the kinds take turns and the rest stays as it was."""
    drawn = [family_of(number, 8, share) for number in range(1000)]
    plain = [family_of(number, 8, 0.0) for number in range(1000)]
    kinds = collections.Counter(family for family in drawn if family in ARTEFACTS)
    assert abs(kinds.total() - 1000 * share) <= 1
    assert max(kinds.values()) - min(kinds.values()) <= 1
    assert all(a in (b, *ARTEFACTS) for a, b in zip(drawn, plain, strict=True))
    assert not set(plain) & set(ARTEFACTS)


def test_artefacts_are_written_when_asked_for(tmp_path: Path) -> None:
    """They lie on an ordinary sky, named in the truth."""
    found = pq.read_table(simulate(tmp_path, 20, 1, artefacts=0.5, workers=1))
    odd = [row for row in found.to_pylist() if row["is_artefact"]]
    assert len(odd) == 10
    assert {row["family"] for row in odd} == set(ARTEFACTS)
    assert all(row["underlying"] in FAMILIES for row in odd)


def test_every_column_is_complete_or_a_familys_own(rows: list[dict[str, Any]]) -> None:
    """The schema is the documented one; common columns have no nulls."""
    assert list(rows[0]) == list(COLUMNS)
    columns = list(COLUMNS)
    common = columns[: columns.index("psf_fwhm_px") + 1]
    common += columns[columns.index("ra_deg") : columns.index("offset_y_px") + 1]
    for row in rows:
        assert all(row[name] is not None for name in common)
        assert (row["psf_beta"] is None) or (row["beam_major_px"] is None)
        own = {name for name in columns[columns.index("axis_ratio") :] if row[name]}
        assert own or row["family"] == "point_source"
    assert len({row["id"] for row in rows}) == len(rows)


def test_files_agree_with_the_truth(archive: Path, rows: list[dict[str, Any]]) -> None:
    """Astropy reads every file without complaint and finds what the table says."""
    with warnings.catch_warnings():
        # The date is derived from MJD-OBS, as the standard wants.
        warnings.simplefilter("ignore", FITSFixedWarning)
        for row in rows:
            with fits.open(archive / row["path"]) as hdus:
                hdus.verify("exception")
                header, pixels = hdus[0].header, hdus[0].data
            assert pixels.shape[-2:] == (row["ny"], row["nx"])
            assert (pixels.ndim == 3) == row["is_cube"]
            assert np.isfinite(pixels).all()
            assert header["OBJECT"] == row["id"] == Path(row["path"]).stem
            assert header["BUNIT"] == row["bunit"]
            assert header["MJD-OBS"] == row["mjd"]
            scale = row["pixel_scale_arcsec"]
            if row["beam_major_px"] is None:
                assert header["PSFFWHM"] == pytest.approx(row["psf_fwhm_px"] * scale)
                assert "BMAJ" not in header
            else:
                assert header["BMAJ"] == pytest.approx(
                    row["beam_major_px"] * scale / 3600
                )
                assert header["BMIN"] <= header["BMAJ"]
                assert header["BPA"] == row["beam_angle_deg"]
                assert "PSFFWHM" not in header
            _check_position(WCS(header), row)


def _check_position(wcs: WCS, row: dict[str, Any]) -> None:
    sky = wcs.celestial
    x, y = 0.5 * (row["nx"] - 1), 0.5 * (row["ny"] - 1)
    centre = sky.pixel_to_world(x, y)
    expected = SkyCoord(row["ra_deg"], row["dec_deg"], unit="deg")
    assert centre.separation(expected).arcsec < 1e-6
    if row["array_angle_deg"] is None:
        return
    # A small step along the object's axis goes where its position angle says.
    angle = np.radians(row["array_angle_deg"])
    step = sky.pixel_to_world(x + np.cos(angle), y + np.sin(angle))
    assert centre.separation(step).arcsec == pytest.approx(
        row["pixel_scale_arcsec"], rel=1e-3
    )
    if abs(row["dec_deg"]) < 89:
        measured = centre.position_angle(step).deg
        away = (measured - row["position_angle_deg"] + 90) % 180 - 90
        assert abs(away) < 0.1


def test_the_class_is_told_by_the_truth_alone(
    archive: Path, rows: list[dict[str, Any]]
) -> None:
    """No family name, nor a part of one, in headers, file names or settings."""
    words = {"spiral", "merger", "elliptical", "disc", "cloud", "fri", "bent", "ring"}
    words |= {"barred", "edge", "radio", "point", "core", "filament", "cosmic"}
    words |= set(FAMILIES)
    for row in rows:
        with fits.open(archive / row["path"]) as hdus:
            text = (hdus[0].header.tostring() + row["path"]).lower()
        assert not [word for word in words if word in text]


def test_a_minority_are_cubes_with_a_spectral_axis(tmp_path: Path) -> None:
    """Rotating discs only; astropy knows the axis, by velocity and by frequency."""
    found = pq.read_table(simulate(tmp_path, 19 * 12, 2, workers=1)).to_pylist()
    cubes = [row for row in found if row["is_cube"]]
    assert 0.002 < len(cubes) / len(found) < 0.06
    assert {row["family"] for row in cubes} <= set(ROTATING)
    kinds = set()
    for row in cubes:
        header = fits.getheader(tmp_path / row["path"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FITSFixedWarning)
            wcs = WCS(header)
        assert wcs.has_spectral
        assert wcs.spectral.pixel_n_dim == 1
        kinds.add(header["CTYPE3"])
        middle = 0.5 * (header["NAXIS3"] - 1)
        world = float(wcs.spectral.wcs_pix2world([middle], 0)[0][0])
        if header["CTYPE3"] == "FREQ":
            world = 299792458 * (1 - world / header["RESTFRQ"])
        centre = world / 1e3
        assert centre == pytest.approx(row["systemic_velocity_km_s"], abs=1e-3)
    assert kinds <= {"VRAD", "FREQ"}


def test_cards_read_back_as_they_were_written() -> None:
    """Every digit of a number, quotes in text, logical values."""
    values: Header = {
        "A": 1e-11,
        "B": -123456.789012345678,
        "C": "it's",
        "D": True,
        "E": 7,
    }
    values |= {"F": 5e300, "G": 100.0, "H": ""}
    header: Header = {
        "SIMPLE": True,
        "BITPIX": -32,
        "NAXIS": 2,
        "NAXIS1": 3,
        "NAXIS2": 2,
    }
    pixels = np.arange(6, dtype=np.float32).reshape(2, 3)
    data = write.encode(header | values, pixels)
    assert len(data) == 2 * 2880
    with fits.HDUList.fromstring(data) as hdus:
        hdus.verify("exception")
        assert {name: hdus[0].header[name] for name in values} == values
        np.testing.assert_array_equal(hdus[0].data, pixels)
    with pytest.raises(ValueError, match="cannot hold"):
        write.encode({"A": float("nan")}, pixels)
    with pytest.raises(ValueError, match="too long"):
        write.encode({"A": "x" * 80}, pixels)


def test_a_finished_simulation_is_left_alone(archive: Path) -> None:
    """Asked for again, it is returned without a file touched."""
    before = {path: path.stat().st_mtime_ns for path in archive.iterdir()}
    assert simulate(archive, _COUNT, 3, workers=1) == archive / "truth.parquet"
    assert {path: path.stat().st_mtime_ns for path in archive.iterdir()} == before


def test_an_interrupted_simulation_is_completed(tmp_path: Path) -> None:
    """Without its table it is unfinished; the same call makes it whole."""
    out = tmp_path / "sky"
    simulate(out, 25, 3, workers=1)
    whole = _digests(out)
    (out / "truth.parquet").unlink()
    (out / "sky-3-000007.fits").write_bytes(b"torn")
    (out / "sky-3-000008.fits").unlink()
    simulate(out, 25, 3, workers=1)
    assert _digests(out) == whole


def test_other_folders_are_refused(archive: Path, tmp_path: Path) -> None:
    """Someone's files, another simulation's, and a file are never mixed with ours."""
    with pytest.raises(BadSettings, match="another simulation"):
        simulate(archive, _COUNT, seed=4)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BadSettings, match="neither empty nor a simulation"):
        simulate(tmp_path, 10, seed=0)
    with pytest.raises(BadSettings, match="neither empty nor a simulation"):
        simulate(tmp_path / "notes.txt", 10, seed=0)
    torn = tmp_path / "torn"
    torn.mkdir()
    (torn / "simulation.json").write_text("{")
    with pytest.raises(BadSettings, match="another simulation"):
        simulate(torn, 10, seed=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"objects": 0},
        {"seed": -1},
        {"artefacts": 1.5},
        {"artefacts": float("nan")},
        {"workers": 0},
    ],
)
def test_senseless_settings_are_refused(
    wrong: dict[str, float], tmp_path: Path
) -> None:
    """Before anything is written."""
    settings: dict[str, Any] = {"objects": 5, "seed": 0} | wrong
    with pytest.raises(BadSettings):
        simulate(tmp_path / "sky", **settings)
    assert not (tmp_path / "sky").exists()


def test_settings_are_written_down(archive: Path) -> None:
    """The folder says how to make it again."""
    settings = json.loads((archive / "simulation.json").read_text())
    assert settings == {"objects": _COUNT, "seed": 3, "artefacts": 0.0, "version": 2}


@pytest.mark.slow
def test_it_is_fast(tmp_path: Path) -> None:
    """A core draws and writes at least 75 objects per second of its time.

    An idle core does several times as many; the clock is the processor's, so that
    neighbours on the machine do not matter much.
    """
    start = time.process_time()
    simulate(tmp_path / "sky", 400, 0, workers=1)
    assert 400 / (time.process_time() - start) > 75
