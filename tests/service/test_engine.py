"""The engine, without a transport."""

import dataclasses
import math
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.coordinates import angular_separation

from skylike.service.anomaly import PARTS
from skylike.service.catalog.rows import fit_rows
from skylike.service.collection import Writing
from skylike.service.engine import (
    CutoutQuery,
    Engine,
    IdQuery,
    NewObject,
    VectorQuery,
    Wanted,
)
from skylike.service.engine.separation import separation_deg
from skylike.service.errors import (
    AlreadyExists,
    BadCutout,
    BadRequest,
    BadStamp,
    DamagedData,
    ModelMismatch,
    NotFound,
    NotReady,
    UnknownCollection,
    UnknownId,
)
from skylike.service.fits import SkyPosition
from skylike.service.library import Library


@pytest.fixture
def engine(served: SimpleNamespace) -> Engine:
    assert isinstance(served.engine, Engine)
    return served.engine


def test_an_archived_cutout_finds_itself_first(
    engine: Engine, sky: SimpleNamespace
) -> None:
    """What the file shows, its id and its vector lead to the same place."""
    cutout = CutoutQuery(sky.draw("ring", 203, position=(150.03, 4)))
    by_cutout = engine.neighbors("sky", cutout, 5)
    assert by_cutout.hits[0].object.id == "ring-3"
    assert by_cutout.hits[0].score == pytest.approx(1, abs=1e-6)
    assert by_cutout.hits[0].separation_deg == pytest.approx(0, abs=1e-9)
    by_id = engine.neighbors("sky", IdQuery("ring-3"), 4)
    assert [hit.object.id for hit in by_id.hits] == [
        hit.object.id for hit in by_cutout.hits[1:]
    ]
    vector = engine.get("sky", "ring-3", with_vector=True).vector
    assert vector is not None
    by_vector = engine.neighbors("sky", VectorQuery(7 * vector), 5)
    assert [hit.object.id for hit in by_vector.hits] == [
        hit.object.id for hit in by_cutout.hits
    ]


def test_neighbours_are_all_there_and_in_order(engine: Engine) -> None:
    """min(k, searchable) hits by falling score, ranked from 1, without the query."""
    hits = engine.neighbors("sky", IdQuery("long-1"), 1000).hits
    assert len(hits) == 59
    assert [hit.rank for hit in hits] == list(range(1, 60))
    assert [hit.score for hit in hits] == sorted(hit.score for hit in hits)[::-1]
    assert "long-1" not in {hit.object.id for hit in hits}
    assert engine.neighbors("empty", VectorQuery(np.ones(24, np.float32))).hits == ()


def test_analyze_is_the_three_answers(engine: Engine, sky: SimpleNamespace) -> None:
    """One embedding gives what three questions give, but for the parts of a score."""
    query = CutoutQuery(sky.draw("long", 777))
    everything = engine.analyze("sky", query, 3, thumbnails=True)
    assert everything.hits == engine.neighbors("sky", query, 3, thumbnails=True).hits
    assert everything.cluster == engine.cluster("sky", query).cluster
    odd = engine.anomaly("sky", query).anomaly
    assert everything.anomaly == replace(odd, parts=())
    assert everything.reading == engine.embed("sky", query).reading


def test_thumbnails_come_when_asked_for(engine: Engine) -> None:
    """Hits carry PNGs on request only."""
    asked = engine.neighbors("sky", IdQuery("round-1"), 1, thumbnails=True)
    assert asked.hits[0].object.thumbnail.startswith(b"\x89PNG")
    assert (
        engine.neighbors("sky", IdQuery("round-1"), 1).hits[0].object.thumbnail == b""
    )


def test_clusters_share_the_probability(engine: Engine) -> None:
    """Shares fall and sum to one; the exemplars are objects of the collection."""
    cluster = engine.cluster("sky", IdQuery("ring-1")).cluster
    probabilities = [share.probability for share in cluster.shares]
    assert sum(probabilities) == pytest.approx(1)
    assert probabilities == sorted(probabilities, reverse=True)
    assert cluster.exemplar_ids
    assert all(engine.get("sky", id).object.id == id for id in cluster.exemplar_ids)


def test_noise_is_odd_and_a_new_object_of_a_known_kind_is_not(
    engine: Engine, sky: SimpleNamespace
) -> None:
    """A checkerboard gets the least p-value there is; an ordinary ring does not."""
    board = 50.0 * ((np.indices((32, 32)) // 4).sum(axis=0) % 2)
    noisy = board + np.random.default_rng(0).normal(0, 1, board.shape)
    odd = engine.anomaly("sky", CutoutQuery(sky.to_fits(noisy))).anomaly
    ordinary = engine.anomaly("sky", CutoutQuery(sky.draw("ring", 4321))).anomaly
    assert odd.p_value == pytest.approx(1 / 40)
    assert odd.percentile == 100
    assert odd.num_calibration == 39
    assert ordinary.p_value is not None
    assert ordinary.p_value > 0.025


def test_an_archived_object_gets_no_p_value(
    engine: Engine, sky: SimpleNamespace
) -> None:
    """By id, by vector and by its file: same score, percentile, and no p-value."""
    vector = engine.get("sky", "ring-3", with_vector=True).vector
    assert vector is not None
    queries = (
        IdQuery("ring-3"),
        VectorQuery(vector),
        CutoutQuery(sky.draw("ring", 203)),
    )
    answers = [engine.anomaly("sky", query).anomaly for query in queries]
    assert all(answer.p_value is None for answer in answers)
    # Distances are 1 - cosine in float32: 6e-8 of a few thousandths.
    assert answers[0].score == pytest.approx(answers[1].score, rel=1e-5)
    assert answers[0].score == pytest.approx(answers[2].score, abs=1e-6)
    assert all("ring-3" not in dict(a.neighbors) for a in answers)


def test_an_anomaly_is_explained(engine: Engine, sky: SimpleNamespace) -> None:
    """By other scores, by the cluster it nearly is, by what stands out, by its flags."""
    board = 50.0 * ((np.indices((32, 32)) // 4).sum(axis=0) % 2)
    board[:4] = np.nan
    noisy = board + np.random.default_rng(0).normal(0, 1, board.shape)
    odd = engine.anomaly("sky", CutoutQuery(sky.to_fits(noisy)))
    assert [part.name for part in odd.anomaly.parts] == list(PARTS)
    assert all(0 <= part.percentile <= 100 for part in odd.anomaly.parts)
    assert odd.anomaly.parts[0].percentile == 100
    cluster = engine.cluster("sky", IdQuery("ring-3")).cluster
    known = engine.anomaly("sky", IdQuery("ring-3"))
    assert known.cluster is not None
    assert odd.cluster is not None
    assert known.cluster.share == cluster.shares[0]
    assert odd.cluster.similarity < known.cluster.similarity <= 1
    # All others have all of their pixels.
    assert [one.name for one in odd.outstanding] == ["valid_fraction"]
    assert odd.outstanding[0].median_of_neighbors == 1
    assert (odd.outstanding[0].z_of_archive or 0) < -3
    assert "EDGE" in odd.flags.names
    assert known.flags.names == ["RESAMPLED"]
    assert not known.outstanding


def test_a_fit_of_an_older_skylike_says_that_it_is_none(data: Path) -> None:
    """What it kept cannot be used but for its calibration; the next fit takes that."""
    catalog = data / "collections/sky/catalog.sqlite3"
    calibration = np.eye(24, dtype=np.float32)
    older = [
        *fit_rows(1, "anomaly", {"calibration": calibration}),
        *fit_rows(1, "clusters", {"k": np.array(3)}),
    ]
    with sqlite3.connect(catalog) as connection:
        connection.execute("DELETE FROM fits")
        connection.executemany("INSERT INTO fits VALUES (?, ?, ?, ?)", older)
    connection.close()
    with Library(data) as library:
        engine = Engine(library)
        with pytest.raises(NotReady, match="skylike-service fit") as caught:
            engine.anomaly("sky", IdQuery("ring-3"))
        assert caught.value.reason == "not_fitted"
        assert engine.analyze("sky", IdQuery("ring-3")).anomaly is None
        assert engine.describe("sky").anomaly_fit_version == 0
        archive = library.collection("sky")
        archive.fit()
        assert engine.anomaly("sky", IdQuery("ring-3")).anomaly.fit_version == 2
        assert archive.anomaly is not None
        np.testing.assert_array_equal(archive.anomaly.calibration, calibration)
        assert engine.clusters("sky").fit_versions == (2,)
        with pytest.raises(NotFound, match=r"another skylike wrote it; .* told: 2$"):
            engine.clusters("sky", 1)


def test_a_score_is_told_among_objects_observed_alike(
    data: Path, sky: SimpleNamespace
) -> None:
    """Where objects tell how they were observed; the list may go by that."""
    with Library(data) as library:
        engine = Engine(library)
        answer = engine.anomaly("sky", IdQuery("ring-3")).anomaly
        assert answer.controlled_percentile is None
        with pytest.raises(NotReady, match="controlled for nothing") as caught:
            engine.anomalies("sky", Wanted(), controlled=True)
        assert caught.value.reason == "not_controlled"
        archive = library.collection("sky")
        for number, (_, one) in enumerate(archive.scroll(limit=50)):
            archive.set_attributes([one.id], {"snr": 5 + number})
        archive.fit()
        [nuisance] = engine.describe("sky").nuisances
        assert (nuisance.name, nuisance.num_objects) == ("snr", 50)
        listed = engine.anomalies("sky", Wanted(), controlled=True).items
        assert len(listed) == 50
        shares = [one.controlled_percentile or 0.0 for one in listed]
        assert shares == sorted(shares, reverse=True)
        for odd in listed[::7]:
            asked = engine.anomaly("sky", IdQuery(odd.object.id)).anomaly
            assert asked.controlled_percentile == odd.controlled_percentile
        told = engine.anomalies("sky", Wanted()).items
        assert len(told) == 60
        assert sum(odd.controlled_percentile is None for odd in told) == 10


def test_objects_added_since_the_fit_do_not_change_an_answer(
    archive: Path, tmp_path: Path, sky: SimpleNamespace
) -> None:
    """They were not there when the calibration objects were scored."""
    directory = shutil.copytree(archive, tmp_path / "data")
    query = CutoutQuery(sky.draw("ring", 4321))
    random = np.random.default_rng(0)

    def add_neighbours(engine: Engine, prefix: str, count: int) -> None:
        vector = engine.embed("sky", query).vector
        near = vector + random.normal(0, 0.01, (count, len(vector)))
        for start in range(0, count, 100):
            rows = enumerate(near[start : start + 100].astype(np.float32), start)
            engine.add(
                "sky", [NewObject(f"{prefix}{i}", VectorQuery(x)) for i, x in rows]
            )

    with Library(directory) as library:
        engine = Engine(library)
        before = engine.anomaly("sky", query).anomaly
        assert before.p_value is not None
        add_neighbours(engine, "few-", 300)
        after = engine.anomaly("sky", query).anomaly
        assert (after.score, after.p_value) == (before.score, before.p_value)
        assert after.neighbors == before.neighbors
        assert engine.analyze("sky", query, k=3).anomaly == replace(before, parts=())
        nearest = engine.neighbors("sky", query, 1).hits[0].object.id
        assert nearest.startswith("few-")
        add_neighbours(engine, "many-", 800)  # more than a search tells
        assert engine.anomaly("sky", query).anomaly == before


def test_an_unfitted_collection_says_so(engine: Engine) -> None:
    """Cluster and Anomaly are not ready; Analyze goes without them."""
    with pytest.raises(NotReady, match=r"FitJob .* skylike-service fit"):
        engine.cluster("bare", IdQuery("ring-0"))
    with pytest.raises(NotReady):
        engine.anomaly("bare", IdQuery("ring-0"))
    answer = engine.analyze("bare", IdQuery("ring-0"))
    assert answer.cluster is None
    assert answer.anomaly is None
    assert answer.hits


def test_a_constant_object_is_stored_and_never_found(
    engine: Engine, sky: SimpleNamespace
) -> None:
    """Nor can it be asked about, by id or anew."""
    assert "CONSTANT" in engine.get("bare", "flat").object.flags.names
    hits = engine.neighbors("bare", IdQuery("ring-0"), 1000).hits
    assert "flat" not in {hit.object.id for hit in hits}
    for query in (IdQuery("flat"), CutoutQuery(sky.to_fits(np.ones((40, 40))))):
        with pytest.raises(BadStamp) as caught:
            engine.neighbors("bare", query)
        assert caught.value.reason == "constant"


@pytest.mark.parametrize(
    ("vector", "error", "reason"),
    [
        (np.ones(7), ModelMismatch, "dimension"),
        (np.ones((2, 24)), ModelMismatch, "dimension"),
        (np.full(24, np.nan), BadRequest, "not_finite"),
        (np.full(24, np.inf), BadRequest, "not_finite"),
        (np.zeros(24), BadRequest, "zero_norm"),
    ],
)
def test_a_vector_that_means_nothing_is_refused(
    engine: Engine, vector: np.ndarray, error: type[Exception], reason: str
) -> None:
    """Wrong length, not finite, or without a direction."""
    with pytest.raises(error) as caught:
        engine.embed("sky", VectorQuery(vector.astype(np.float32)))
    assert getattr(caught.value, "reason", "") == reason


def test_a_vector_of_another_model_is_refused(engine: Engine) -> None:
    """Even if its length is right."""
    with pytest.raises(ModelMismatch, match="was made by model f00"):
        engine.embed("sky", VectorQuery(np.ones(24, np.float32), model_id="f00"))


def test_huge_and_tiny_vectors_have_a_direction(engine: Engine) -> None:
    """Norms that float32 cannot hold are no obstacle."""
    for scale in (1e38, 1e-38):
        vector = engine.embed("sky", VectorQuery(np.full(24, scale, np.float32))).vector
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("k", [0, -1, 1001])
def test_k_has_bounds(engine: Engine, k: int) -> None:
    """1 to 1000."""
    with pytest.raises(BadRequest, match="between 1 and 1000"):
        engine.neighbors("sky", IdQuery("ring-0"), k)
    with pytest.raises(BadRequest, match="between 1 and 1000"):
        engine.analyze("sky", IdQuery("ring-0"), k)


def test_what_does_not_exist_is_named(engine: Engine) -> None:
    """Collections and ids."""
    with pytest.raises(UnknownCollection, match="nowhere"):
        engine.neighbors("nowhere", IdQuery("ring-0"))
    with pytest.raises(UnknownId, match="nobody"):
        engine.analyze("sky", IdQuery("nobody"))


def test_adding_is_all_or_nothing_and_names_the_culprit(
    model: Path, sky: SimpleNamespace, tmp_path: Path
) -> None:
    """A batch with one bad object stores none; the version stands."""
    with Library(tmp_path / "data") as library:
        archive = library.create("new", model)
        engine = Engine(library)
        good = NewObject("good", CutoutQuery(sky.draw()))
        bad = NewObject("bad", CutoutQuery(b"GIF89a"))
        wrong = NewObject("wrong", VectorQuery(np.ones(3, np.float32)))
        for batch, error, named in (
            ([good, bad], BadCutout, r"object 1 \('bad'\)"),
            ([wrong, good], ModelMismatch, r"object 0 \('wrong'\)"),
            ([good, good], BadRequest, "2 objects"),
            ([], BadRequest, "0 objects"),
            ([good] * 1001, BadRequest, "1001 objects"),
        ):
            with pytest.raises(error, match=named):
                engine.add("new", batch)
        assert len(archive) == 0
        version = archive.version
        added = engine.add("new", [good])
        assert added.context.collection_version == version + 1
        with pytest.raises(AlreadyExists, match="good"):
            engine.add("new", [NewObject("more", good.input), good])
        assert len(archive) == 1


def test_a_repeated_write_costs_nothing_and_tells_the_version_of_then(
    data: Path, sky: SimpleNamespace
) -> None:
    """It is known before anything is decoded."""
    named = Writing("night-1")
    with Library(data) as library:
        engine = Engine(library)
        new = NewObject("new", CutoutQuery(sky.draw("ring", 7)))
        first = engine.add("sky", [new], how=named)
        labelled = engine.label("sky", ["new"], ["a"], how=Writing("night-2"))
        engine.delete("sky", ["new"])
        unreadable = NewObject("new", CutoutQuery(b"no FITS at all"))
        again = engine.add("sky", [unreadable], how=named)
        assert (again.context, again.was_done) == (first.context, True)
        again_labelled = engine.label("sky", ["new"], ["a"], how=Writing("night-2"))
        assert again_labelled == dataclasses.replace(labelled, was_done=True)
        assert library.collection("sky").version == first.context.collection_version + 2


def test_the_header_fills_in_what_is_not_said(
    model: Path, sky: SimpleNamespace, tmp_path: Path
) -> None:
    """Position, epoch, name and unit; what is said wins."""
    cards = {"OBJECT": "M 51", "BUNIT": "Jy/beam", "MJD-OBS": 60000.5}
    cutout = CutoutQuery(sky.draw(position=(10.5, -20.25), **cards))
    with Library(tmp_path / "data") as library:
        library.create("new", model)
        engine = Engine(library)
        engine.add(
            "new",
            [
                NewObject("silent", cutout, uri="m51.fits"),
                NewObject(
                    "told",
                    cutout,
                    position=SkyPosition(1, 2),
                    epoch_mjd=1.0,
                    attributes={"name": "whirlpool"},
                ),
            ],
        )
        silent, told = (engine.get("new", id).object for id in ("silent", "told"))
    assert silent.position is not None
    assert silent.position.ra_deg == pytest.approx(10.5)
    assert silent.epoch_mjd == 60000.5
    assert silent.attributes["name"] == "M 51"
    assert silent.attributes["unit"] == "Jy/beam"
    assert silent.uri == "m51.fits"
    assert silent.thumbnail.startswith(b"\x89PNG")
    assert told.position == SkyPosition(1, 2)
    assert told.epoch_mjd == 1
    assert told.attributes["name"] == "whirlpool"


def test_a_damaged_model_does_not_hide_the_other_collections(
    data: Path, sky: SimpleNamespace, tmp_path: Path
) -> None:
    """The listing says what is wrong with one and serves the other."""
    other = sky.write_model(tmp_path / "other.onnx", seed=1)
    with Library(data) as library:
        model_id = library.create("later", other).model_id
    (data / "models" / f"{model_id}.onnx").write_bytes(b"gone")
    with Library(data) as library:
        engine = Engine(library)
        looked = engine.condition.look()
        assert looked["sky"] is None
        assert isinstance(looked["later"], DamagedData)
        later, first = engine.collections()
        assert "sha256" in later.damage
        assert first.damage == ""
        assert first.num_objects == 60
        assert engine.neighbors("sky", IdQuery("ring-0")).hits


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((0, 0), (0, 0), 0),
        ((359.5, 0), (0.5, 0), 1),
        ((10, 90), (200, 90), 0),
        ((0, -90), (0, 90), 180),
        ((0, 0), (180, 0), 180),
        ((40, 20), (40, 20 + 1e-9), 1e-9),
    ],
)
def test_separation(
    one: tuple[float, float], other: tuple[float, float], expected: float
) -> None:
    """Exact at the poles, across 0 h, close by and at antipodes."""
    assert separation_deg(SkyPosition(*one), None) is None
    assert separation_deg(None, SkyPosition(*one)) is None
    measured = separation_deg(SkyPosition(*one), SkyPosition(*other))
    assert measured is not None
    assert math.isclose(measured, expected, rel_tol=1e-5, abs_tol=1e-12)


def test_separation_agrees_with_astropy() -> None:
    """To rounding, for positions all over the sky."""
    random = np.random.default_rng(0)
    for ra, dec, other_ra, other_dec in random.uniform(-90, 90, (200, 4)):
        ra, other_ra = (2 * ra) % 360, (2 * other_ra) % 360
        measured = separation_deg(
            SkyPosition(ra, dec), SkyPosition(other_ra, other_dec)
        )
        radians = np.radians((ra, dec, other_ra, other_dec))
        expected = np.degrees(angular_separation(*radians))
        assert measured == pytest.approx(float(expected), abs=1e-12)
