"""The archive that the explorer's tests look at: a drawn sky, fitted, with much to filter."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
from tests.conftest import clean_environment
from tests.process import Service

from skylike.client import Client
from skylike.trainer.sky import simulate

NUM_OBJECTS = 240
NUM_ORDINARY = 40
NUM_NEW = 3
_ATTRIBUTES = ("family", "instrument", "snr", "psf_fwhm_px", "num_neighbours")


def _index(*arguments: str, cwd: Path) -> None:
    isolated = ["-I"] if sys.flags.isolated else []
    done = subprocess.run(
        [sys.executable, *isolated, "-m", "skylike.service", "index", *arguments],
        cwd=cwd,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def build(folder: Path) -> None:
    """Draw files into ``sky`` and ``new`` below a folder, and index them in ``data``.

    The collection ``sky`` has positions, epochs, attributes, clusters and calibrated
    anomaly scores; ``bare`` has its model, and nothing else.
    """
    for kind, number, seed in (
        ("sky", NUM_OBJECTS, 1),
        ("ordinary", NUM_ORDINARY, 2),
        ("new", NUM_NEW, 3),
    ):
        simulate(folder / kind, number, seed)
    truth = pq.read_table(folder / "sky" / "truth.parquet")
    columns = {
        "uri": truth["path"],
        "id": truth["id"],
        "ra": truth["ra_deg"],
        "dec": truth["dec_deg"],
        **{name: truth[name] for name in _ATTRIBUTES},
    }
    pq.write_table(pa.table(columns), folder / "sky" / "sources.parquet")
    where = ("--collection", "sky", "--data", "data", "--calibration", "ordinary")
    _index("sky/sources.parquet", *where, cwd=folder)
    shutil.copytree(folder / "data", folder / "built")  # while nothing has it open


@contextmanager
def serving(folder: Path, *options: str | Path) -> Iterator[SimpleNamespace]:
    """Serve it: ``address`` for programs, ``url`` for browsers, the ``process``."""
    beside = ("--http-address", "127.0.0.1:0", "--roots", folder)
    with Service(folder / "data", folder, *beside, *options) as process:
        told = json.loads((folder / "ready.json").read_text())
        yield SimpleNamespace(
            address=told["address"],
            url=f"http://{told['http_address']}/",
            process=process,
            folder=folder,
        )


def furnish(address: str) -> None:
    """What people add to an archive: labels, and a second collection."""
    with Client(address) as client:
        client.wait_ready()
        ids = [one.id for one in client.objects(collection="sky")]
        client.set_labels(ids[:9], ["seen"], collection="sky")
        client.set_labels(ids[3:6], ["merger?"], collection="sky")
        if "bare" not in {one.name for one in client.collections()}:
            client.create_collection("bare", model_of="sky")


def copied(folder: Path, other: Path) -> Path:
    """A copy of the archive as it was built, for a service of its own."""
    shutil.copytree(folder / "built", other / "data")
    return other
