"""Maps of collections: where objects lie, whatever is written."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skylike.service.catalog.database import Database
from skylike.service.collection import Collection, SkyObject
from skylike.service.columns import Between, Equals
from skylike.service.errors import BadRequest, DamagedData, NotReady
from skylike.service.fits import SkyPosition
from skylike.service.flags import Flag
from skylike.service.index import Kind

DIMENSION = 16
NUM = 90


def crowds(num_each: int, seed: int = 1) -> Any:
    random = np.random.default_rng(seed)
    middles = np.repeat(np.eye(3, DIMENSION), num_each, axis=0)
    found = middles + random.normal(size=middles.shape) * 0.05
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def objects(num: int, prefix: str = "o") -> list[SkyObject]:
    return [
        SkyObject(
            f"{prefix}{i}",
            position=SkyPosition(10 + i, 1) if i % 2 else None,
            attributes={"number": i, "kind": f"kind {i // 30}", "bright": i > 50},
        )
        for i in range(num)
    ]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "sky"
    directory.mkdir()
    Collection.create(directory, "model", DIMENSION)
    with Collection(directory) as collection:
        collection.add(objects(NUM), crowds(30))
        collection.fit(number=3, method="kmeans")
    return directory


@pytest.fixture
def collection(directory: Path) -> Iterator[Collection]:
    with Collection(directory) as opened:
        yield opened


@pytest.fixture
def with_tsne(directory: Path) -> Iterator[Collection]:
    pytest.importorskip("openTSNE", reason="the extra `map` is not installed")
    with Collection(directory) as opened:
        opened.fit(layouts=["tsne"])
        yield opened


def projected(vectors: Any, all_vectors: Any) -> Any:
    """Along the principal components, but for their directions."""
    mean = all_vectors.mean(axis=0, dtype=np.float64)
    _, _, axes = np.linalg.svd(all_vectors - mean, full_matrices=False)
    return np.abs((vectors - mean) @ axes[:2].T)


def test_every_fit_makes_a_map_of_all_objects(collection: Collection) -> None:
    drawn = collection.map()
    assert (drawn.layout, drawn.layouts, drawn.fit_version) == ("pca", ("pca",), 1)
    assert drawn.ids == [f"o{i}" for i in range(NUM)]
    assert (drawn.total, drawn.density, drawn.colors) == (NUM, None, None)
    vectors = crowds(30)
    np.testing.assert_allclose(
        np.abs(drawn.places), projected(vectors, vectors), atol=1e-5
    )
    assert drawn.shares is not None
    assert 0.5 < drawn.shares.sum() < 1


@pytest.mark.parametrize("kind", list(Kind))
def test_how_rows_are_kept_does_not_move_them(directory: Path, kind: Kind) -> None:
    with Collection(directory) as collection:
        before = collection.map()
        collection.compact(kind)
        collection.add([SkyObject("new")], crowds(1, seed=5)[:1])
        fresh = collection.map()
    with Collection(directory) as collection:
        again = collection.map()
    assert fresh.ids == again.ids == [*before.ids, "new"]
    # A large index keeps half the digits.
    np.testing.assert_allclose(again.places[:-1], before.places, atol=1e-3)
    np.testing.assert_allclose(again.places, fresh.places, atol=1e-3)


def test_what_is_new_lies_where_it_would_as_a_query_and_what_is_gone_does_not(
    collection: Collection,
) -> None:
    collection.map()
    new = crowds(2, seed=7)
    collection.add(objects(6, "n"), new)
    collection.delete(["o3"])
    collection.upsert([SkyObject("o5")], new[:1])
    drawn = collection.map()
    assert drawn.total == len(drawn.ids) == NUM + 5
    assert "o3" not in drawn.ids
    places = dict(zip(drawn.ids, drawn.places.tolist(), strict=True))
    name, found = collection.located(new)
    assert name == "pca"
    np.testing.assert_allclose([places[f"n{i}"] for i in range(6)], found, atol=1e-6)
    np.testing.assert_allclose(places["o5"], found[0], atol=1e-6)


def test_objects_that_look_like_nothing_have_no_place(collection: Collection) -> None:
    collection.add([SkyObject("flat", flags=Flag.CONSTANT)], crowds(1)[:1])
    drawn = collection.map()
    assert drawn.total == NUM
    assert "flat" not in drawn.ids


def test_of_many_a_sample_comes_with_the_density_of_all(
    collection: Collection,
) -> None:
    whole, drawn = collection.map(), collection.map(limit=40)
    assert len(drawn.ids) == 40
    assert drawn.ids == collection.map(limit=40).ids
    assert set(collection.map(limit=10).ids) < set(drawn.ids) < set(whole.ids)
    places = dict(zip(whole.ids, whole.places.tolist(), strict=True))
    assert drawn.places.tolist() == [places[id] for id in drawn.ids]
    assert drawn.total == NUM
    assert drawn.density is not None
    assert drawn.density.counts.sum() == NUM


def test_a_filter_chooses_what_is_drawn_and_counted(collection: Collection) -> None:
    drawn = collection.map(where=Equals("kind", "kind 1"))
    assert drawn.ids == [f"o{i}" for i in range(30, 60)]
    few = collection.map(where=Equals("kind", "kind 1"), limit=5)
    assert (len(few.ids), few.total) == (5, 30)
    assert few.density is not None
    assert few.density.counts.sum() == 30
    collection.set_attributes(["o0"], {"kind": "kind 1"})
    assert collection.map(where=Equals("kind", "kind 1")).total == 31
    nobody = collection.map(where=Between("number", 1000, None), color="number")
    assert (nobody.ids, nobody.total, nobody.density) == ([], 0, None)


def test_numbers_colour_and_what_is_unknown_is_not_a_number(
    collection: Collection,
) -> None:
    collection.set_attributes(["o1"], {"number": None})
    collection.set_attributes(["o2"], {"number": 0.5})
    colors = collection.map(color="number").colors
    assert colors is not None
    assert colors.categories == ()
    expected = np.arange(NUM, dtype=float)
    expected[1:3] = np.nan, 0.5
    np.testing.assert_array_equal(colors.values, expected)
    places = collection.map(color="ra").colors
    assert places is not None
    expected = np.where(np.arange(NUM) % 2, np.arange(NUM) + 10.0, np.nan)
    np.testing.assert_array_equal(places.values, expected)


@pytest.mark.parametrize("is_sealed", [False, True])
def test_texts_and_truths_are_categories_the_most_frequent_first(
    collection: Collection, is_sealed: bool
) -> None:
    if is_sealed:
        collection.compact()
    collection.set_attributes(["o0", "o1"], {"kind": "kind 2"})
    collection.set_attributes(["o2"], {"kind": None})
    colors = collection.map(color="kind").colors
    assert colors is not None
    assert colors.categories == ("kind 2", "kind 1", "kind 0")
    expected = [0, 0, np.nan, *[2] * 27, *[1] * 30, *[0] * 30]
    np.testing.assert_array_equal(colors.values, expected)
    bright = collection.map(color="bright").colors
    assert bright is not None
    assert bright.categories == ("false", "true")
    assert bright.values.tolist() == [0] * 51 + [1] * 39


def test_rare_texts_are_others(collection: Collection) -> None:
    for i in range(NUM):
        collection.set_attributes([f"o{i}"], {"name": f"name {min(i, 24)}"})
    colors = collection.map(color="name").colors
    assert colors is not None
    assert len(colors.categories) == 21
    assert colors.categories[0] == "name 24"
    assert colors.categories[-1] == "other"
    assert np.count_nonzero(colors.values == 20) == 5


def test_clusters_and_oddness_colour_what_was_there_at_the_fit(
    collection: Collection,
) -> None:
    collection.rename_cluster(0, "round")
    collection.add([SkyObject("new")], crowds(1, seed=5)[:1])
    kinds, odd = (collection.map(color=what).colors for what in ("cluster", "anomaly"))
    fit, ranks = collection.clusters, collection.ranks()
    assert kinds is not None
    assert odd is not None
    assert fit is not None
    assert ranks is not None
    assert kinds.categories == (*fit.names, "no cluster")
    assert "round" in kinds.categories
    names = [kinds.categories[int(i)] for i in kinds.values[:-1]]
    assert names == [fit.name_of[i] for i in ranks.membership.labels.tolist()]
    assert len(set(names)) == 3
    np.testing.assert_allclose(odd.values[:-1], ranks.percentiles, rtol=1e-6)
    assert np.isnan([kinds.values[-1], odd.values[-1]]).all()


def test_what_cannot_be_drawn_is_refused_with_a_remedy(
    collection: Collection, tmp_path: Path
) -> None:
    with pytest.raises(BadRequest, match="pca") as caught:
        collection.map("umap")
    assert caught.value.reason == "bad_layout"
    with pytest.raises(BadRequest) as caught:
        collection.fit(layouts=["umap"])
    assert caught.value.reason == "bad_layout"
    with pytest.raises(BadRequest, match="'number'") as caught:
        collection.map(color="nunber")
    assert caught.value.reason == "unknown_attribute"
    with pytest.raises(NotReady, match="--layout tsne") as unready:
        collection.map("tsne")
    assert unready.value.reason == "not_fitted"
    (tmp_path / "bare").mkdir()
    Collection.create(tmp_path / "bare", "model", DIMENSION)
    with Collection(tmp_path / "bare") as bare:
        with pytest.raises(NotReady, match="FitJob") as unready:
            bare.map()
        assert unready.value.reason == "not_fitted"


def test_an_archive_that_an_older_skylike_has_fitted_says_what_to_do(
    directory: Path,
) -> None:
    database = Database(directory / "catalog.sqlite3")
    with database.writing() as connection:
        connection.execute("DELETE FROM fits WHERE kind = 'pca'")
    database.close()
    with Collection(directory) as collection:
        with pytest.raises(NotReady, match="skylike-service fit"):
            collection.map()
        collection.fit()
        assert collection.map().total == NUM


def test_a_damaged_layout_is_never_drawn(directory: Path) -> None:
    database = Database(directory / "catalog.sqlite3")
    with database.writing() as connection:
        connection.execute("UPDATE fits SET crc = crc + 1 WHERE kind = 'pca'")
    database.close()
    with Collection(directory) as collection, pytest.raises(DamagedData):
        collection.map()


def test_tsne_is_the_best_map_and_kept_until_it_is_made_again(
    with_tsne: Collection,
) -> None:
    drawn = with_tsne.map()
    assert (drawn.layout, drawn.layouts) == ("tsne", ("tsne", "pca"))
    assert (drawn.fit_version, drawn.shares) == (2, None)
    middles = drawn.places.reshape(3, 30, 2).mean(axis=1)
    spread = np.linalg.norm(drawn.places.reshape(3, 30, 2) - middles[:, None], axis=2)
    apart = min(np.linalg.norm(middles[i] - middles[i - 1]) for i in range(3))
    assert spread.max() < apart / 2
    with_tsne.fit()
    again = with_tsne.map()
    assert again.fit_version == 2
    np.testing.assert_array_equal(again.places, drawn.places)
    assert with_tsne.map("pca").fit_version == 3
    with_tsne.fit(layouts=["tsne"], seed=1)
    assert with_tsne.map().fit_version == 4


def test_new_objects_lie_among_those_that_they_are_like(with_tsne: Collection) -> None:
    before = with_tsne.map().places.reshape(3, 30, 2)
    new = crowds(2, seed=7)
    with_tsne.add(objects(6, "n"), new)
    with_tsne.delete(["o0"])
    drawn = with_tsne.map()
    assert drawn.total == NUM + 5
    places = np.array(drawn.places[-6:]).reshape(3, 2, 2)
    for kind in range(3):
        middle = before[kind].mean(axis=0)
        reach = np.linalg.norm(before[kind] - middle, axis=1).max()
        assert (np.linalg.norm(places[kind] - middle, axis=1) <= reach).all()
    name, found = with_tsne.located(new)
    assert name == "tsne"
    np.testing.assert_allclose(drawn.places[-6:], found, rtol=1e-5)
    # An object of the fit lies where it is.
    [same] = with_tsne.located(crowds(30)[40:41], "tsne")[1]
    np.testing.assert_allclose(same, before.reshape(-1, 2)[40], rtol=1e-4)


def test_a_map_whose_objects_are_all_gone_still_has_places(
    with_tsne: Collection,
) -> None:
    with_tsne.delete([f"o{i}" for i in range(NUM)])
    assert with_tsne.map().total == 0
    with_tsne.add([SkyObject("new")], crowds(1)[:1])
    drawn = with_tsne.map(limit=10)
    assert drawn.ids == ["new"]
    assert np.isfinite(drawn.places).all()
