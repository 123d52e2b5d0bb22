"""A short look at a catalog that is open, as another process would see it."""

import secrets

import numpy as np

from skylike.service.catalog import rows
from skylike.service.catalog.catalog import Catalog


def glance(catalog: Catalog) -> None:
    """Read a little of the file anew, past all that is in memory: one object, at random.

    Raises
    ------
    DamagedData, StorageFailed
        If it is missing, or what was read is not as it was written.
    """
    before = catalog.state()
    anew = Catalog(catalog.path)
    try:
        if anew.state().version < before.version:
            raise rows.damaged("the number of writes")
        row = np.array([1 + secrets.randbelow(max(1, before.last_row))])
        anew.objects(row.tolist(), thumbnails=True)
        anew.vectors_there(row)
    finally:
        anew.close()
