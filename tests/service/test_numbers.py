"""Attributes as columns of numbers, wherever they are kept."""

from pathlib import Path

import numpy as np
import pytest

from skylike.service.catalog import SkyObject
from skylike.service.collection import Collection
from skylike.service.collection.numbers import Numbers


def test_numbers_are_those_of_the_objects_as_they_are_now(tmp_path: Path) -> None:
    """Sealed, fresh and revised rows; whole numbers too; NaN for anything else."""
    Collection.create(tmp_path, "m", 4)
    vectors = np.eye(4, dtype=np.float32)[np.arange(12) % 4]

    def objects(start: int, end: int) -> list[SkyObject]:
        return [
            SkyObject(
                f"o{i}",
                attributes={"flux": i / 2, "count": i, "seen": True, "kind": "x"},
                valid_fraction=1 - i / 100,
            )
            for i in range(start, end)
        ]

    with Collection(tmp_path) as collection:
        collection.add(objects(0, 6), vectors[:6])
        collection.compact()
        collection.add(objects(6, 12), vectors[6:])
        collection.set_attributes(["o2", "o8"], {"flux": 100})
        collection.set_attributes(["o3", "o9"], {"flux": None})
        collection.set_attributes(["o4"], {"count": "many"})
        collection.delete(["o5"])
        rows = collection._view.searchable_rows()
        found = Numbers(collection._view, rows)
        assert list(found) == ["count", "flux", "valid_fraction"]
        assert "seen" not in found
        with pytest.raises(KeyError):
            found["kind"]
        kept = [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
        nan = np.nan
        expected = [0, 0.5, 100, nan, 2, 3, 3.5, 100, nan, 5, 5.5]
        np.testing.assert_array_equal(found["flux"], expected)
        counts = [nan if i == 4 else i for i in kept]
        np.testing.assert_array_equal(found["count"], counts)
        np.testing.assert_allclose(
            found["valid_fraction"], [1 - i / 100 for i in kept], rtol=1e-6
        )
