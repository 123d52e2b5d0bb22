"""Probes, structure, audit, anomalies and self-recall, on vectors with known answers."""

from typing import Any

import numpy as np
import pytest

from skylike.trainer.judge.anomaly import detection, held_out
from skylike.trainer.judge.audit import audit
from skylike.trainer.judge.perturb import CHANGES, self_recall
from skylike.trainer.judge.probe import (
    classical_ways,
    linear_probe,
    parameters,
    readable,
)
from skylike.trainer.judge.structure import structure

Vectors = Any


def unit(vectors: Vectors) -> Vectors:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / norms).astype(np.float32)


@pytest.fixture
def clusters() -> tuple[Vectors, Vectors]:
    """Three tight clusters of 60."""
    random = np.random.default_rng(0)
    centres = np.eye(8)[:3]
    numbers = np.repeat([0, 1, 2], 60)
    vectors = centres[numbers] + random.normal(0, 0.1, (180, 8))
    return unit(vectors), np.array(["a", "b", "c"])[numbers]


def test_what_is_apart_is_read_and_clustered(clusters: tuple[Vectors, Vectors]) -> None:
    vectors, kinds = clusters
    assert linear_probe(vectors, kinds)["balanced_accuracy"] > 0.99
    found = structure(vectors, kinds)
    assert found["ari"] == pytest.approx(1)
    assert found["nmi"] == pytest.approx(1)
    assert found["silhouette"] > 0.8
    assert 3 <= found["rankme"] <= 8
    shuffled: Vectors = np.random.default_rng(1).permutation(kinds)
    assert linear_probe(vectors, shuffled)["balanced_accuracy"] < 0.5
    assert abs(structure(vectors, shuffled)["ari"]) < 0.05


def test_a_forest_and_a_machine_tell_what_no_line_divides() -> None:
    """A disc and the ring around it."""
    random = np.random.default_rng(0)
    radius = np.where(np.arange(300) % 2, 1.0, 3.0) + random.normal(0, 0.2, 300)
    angle = random.uniform(0, 2 * np.pi, 300)
    features: Vectors = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    features = features.astype(np.float32)
    kinds = np.array(["ring", "disc"])[np.arange(300) % 2]
    assert linear_probe(features, kinds)["accuracy"] < 0.65
    for name, figures in classical_ways(features, kinds).items():
        assert figures["accuracy"] > 0.95, name


def test_kinds_of_few_objects_are_no_part_of_the_probe(
    clusters: tuple[Vectors, Vectors],
) -> None:
    vectors, kinds = clusters
    kinds = kinds.copy()
    kinds[:4] = "rare"
    assert linear_probe(vectors, kinds)["balanced_accuracy"] > 0.99
    assert linear_probe(vectors[:60], kinds[:60]) == {}


def test_uniform_vectors_are_more_uniform(clusters: tuple[Vectors, Vectors]) -> None:
    vectors, kinds = clusters
    even = unit(np.random.default_rng(0).normal(size=vectors.shape))
    assert (
        structure(even, kinds)["uniformity"] < structure(vectors, kinds)["uniformity"]
    )


def test_a_quantity_in_the_vectors_is_read_and_no_other() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(400, 16)).astype("f4")
    inside = vectors @ random.normal(size=16)
    assert readable(vectors, inside[:, None]) > 0.99
    assert readable(vectors, random.normal(size=(400, 1))) < 0.1


def test_parameters_are_read_over_all_kinds_and_within_each() -> None:
    random = np.random.default_rng(2)
    kinds = np.repeat(["flat", "round", "small"], [300, 300, 50])
    vectors = random.normal(size=(650, 8)).astype(np.float32)
    # Of other sign for each kind: no one line serves both.
    sign = np.where(kinds == "flat", 1.0, -1.0)
    values = sign * vectors[:, 0].astype(np.float64)
    values[-60:-50] = np.nan
    found = parameters(vectors, kinds, {"size": values, "rare": np.full(650, np.nan)})
    assert set(found) == {"size"}
    assert found["size"]["pooled"] < 0.3
    assert set(found["size"]["kinds"]) == {"flat", "round"}
    assert found["size"]["mean_of_kinds"] > 0.99


def test_the_audit_finds_what_leaks_beyond_the_kinds() -> None:
    random = np.random.default_rng(0)
    kinds = np.repeat(["a", "b"], 200)
    by_kind = np.where(kinds == "a", 1.0, 4.0)
    vectors = random.normal(size=(400, 8)).astype("f4")
    vectors[:, 0] = 10 * (kinds == "a")
    leaking = np.exp(vectors[:, 1] + by_kind)
    angle = random.uniform(0, 180, 400)
    columns = {
        "snr": np.exp(by_kind + random.normal(0, 0.1, 400)),  # told by the kind alone
        "psf_fwhm_px": leaking,
        "array_angle_deg": angle,
        "axis_ratio": np.where(np.arange(400) % 2, 0.5, 0.9),
        "background": random.normal(size=400),  # of which the unit is not known
    }
    found = audit(vectors, kinds, columns)
    assert found["log beam"]["r2"] > 0.95
    assert found["log beam"]["r2_shuffled"] < 0.1
    assert found["log signal to noise"]["r2"] < 0.1
    assert found["position angle"]["r2"] < 0.1
    assert found["position angle"]["objects"] == 200
    assert "background" not in found
    vectors[:, 2] = np.cos(2 * np.radians(angle))
    vectors[:, 3] = np.sin(2 * np.radians(angle))
    assert audit(vectors, kinds, columns)["position angle"]["r2"] > 0.95


def test_a_kind_apart_is_an_anomaly_and_one_among_others_is_not(
    clusters: tuple[Vectors, Vectors],
) -> None:
    vectors, kinds = clusters
    found = held_out(vectors, kinds)
    assert found["c"]["auroc"] == pytest.approx(1)
    assert found["c"]["recall_at_50"] == 1
    assert found["c"]["rank_weighted"] == 1
    assert found["c"]["prevalence"] == pytest.approx(1 / 3)
    shuffled: Vectors = np.random.default_rng(0).permutation(kinds)
    assert 0.35 < held_out(vectors, shuffled)["c"]["auroc"] < 0.65


def test_a_loose_kind_does_not_hide_what_is_odd_beside_a_dense_one() -> None:
    random = np.random.default_rng(0)
    centre = np.eye(8)[[0, 1, 0]]
    centre[2, 2] = 0.2  # close to the first, but far beyond its members
    spread = (0.01, 0.3, 0.01)
    vectors = np.concatenate(
        [
            where + around * random.normal(size=(count, 8))
            for where, around, count in zip(centre, spread, (200, 200, 8), strict=True)
        ]
    )
    kinds = np.repeat(["dense", "loose", "odd"], (200, 200, 8))
    found = held_out(unit(vectors), kinds)["odd"]
    assert found["auroc"] > 0.95
    assert found["auroc_of_distance"] < 0.8


def test_a_ranking_is_judged_by_its_first_fifty() -> None:
    is_odd = np.zeros(1000, bool)
    is_odd[[0, 1, 60]] = True
    found = detection(-np.arange(1000.0), is_odd)
    assert found["recall_at_50"] == pytest.approx(2 / 3)
    assert found["rank_weighted"] == pytest.approx((50 + 49) / (50 + 49 + 48))


def test_copies_find_their_originals_where_nothing_matters() -> None:
    """Of vectors that a change leaves as they are, and of vectors that it does not."""
    random = np.random.default_rng(0)
    stamps = random.normal(size=(40, 1, 16, 16)).astype("f4")
    stamps[0, 0, :4] = np.nan

    def means(images: Vectors) -> Vectors:
        """What no rotation by 90 degrees changes."""
        turned = [np.rot90(np.nan_to_num(images), i, axes=(2, 3)) for i in range(4)]
        return unit(np.sum(turned, axis=0).reshape(len(images), -1))

    found = self_recall(means, stamps, means(stamps))
    assert set(found) == set(CHANGES)
    assert found["turned by 90 degrees"]["recall_at_1"] == 1
    assert found["turned by 90 degrees"]["percentile"] == 1
    assert found["signal to noise / 4"]["recall_at_1"] < 0.9
