"""A folder of simulated FITS files and the table of their truth.

Object i depends on the seed and on i alone: not on how many objects there are, on the
number of workers, or on the share of artefacts (except that an artefact takes the
place of an ordinary object).

The folder holds `simulation.json` (its settings, written first), one FITS file per
object (in subfolders of 1,000 beyond 5,000 objects), and `truth.parquet`, written
last: without it, the simulation was interrupted, and doing it again completes it.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from tqdm import tqdm

from skylike.service.errors import BadSettings
from skylike.service.processes import Processes, num_cores
from skylike.trainer.sky import truth, write
from skylike.trainer.sky.drawing import ARTEFACTS, FAMILIES, draw

VERSION = 2
"""Raised whenever the same seed would give other pixels."""

_SETTINGS = "simulation.json"
_TRUTH = "truth.parquet"
_SHARD = 1000
_FLAT = 5000
_CHUNK = 50


@dataclass(frozen=True, slots=True)
class _Settings:
    objects: int
    seed: int
    artefacts: float
    version: int = VERSION


def simulate(
    out: Path,
    objects: int,
    seed: int,
    artefacts: float = 0.0,
    workers: int | None = None,
    progress: bool = False,
) -> Path:
    """Write an archive of simulated objects.

    Parameters
    ----------
    out
        Folder; must be new, empty, or hold the same simulation, which is returned as
        it is when complete and done again when not.
    objects
        How many; families are balanced in every run of ``len(FAMILIES)`` objects.
    seed
        Same seed, same bytes.
    artefacts
        Share of objects that are artefacts, to within one object.
    workers
        Processes; all available cores by default.
    progress
        Show a bar on standard error.

    Returns
    -------
    Path
        The truth table.

    Raises
    ------
    BadSettings
        If a number makes no sense or the folder holds something else.
    """
    if objects < 1:
        raise BadSettings(f"objects must be at least 1, not {objects}")
    if seed < 0:
        raise BadSettings(f"the seed must not be negative, and is {seed}")
    if not 0 <= artefacts <= 1:
        raise BadSettings(f"artefacts is a share from 0 to 1, not {artefacts}")
    if workers is not None and workers < 1:
        raise BadSettings(f"workers must be at least 1, not {workers}")
    settings = _Settings(objects, seed, artefacts)
    table = out / _TRUTH
    if _claim(out, settings):
        return table
    for start in range(0, objects, _SHARD):
        _path(out, settings, start).parent.mkdir(exist_ok=True)
    chunks = [
        (start, min(start + _CHUNK, objects)) for start in range(0, objects, _CHUNK)
    ]
    parts = []
    with tqdm(total=objects, unit="objects", disable=not progress) as bar:
        for part in _run(
            out, settings, chunks, min(workers or num_cores(), len(chunks))
        ):
            parts.append(part)
            bar.update(part.num_rows)
    _write_whole(table, pa.concat_tables(parts))
    return table


def _claim(out: Path, settings: _Settings) -> bool:
    """Make the folder ours; True if all of this simulation is already there."""
    wanted = asdict(settings)
    marker = out / _SETTINGS
    if marker.exists():
        try:
            found = json.loads(marker.read_text())
        except ValueError:
            found = None
        if found != wanted:
            raise BadSettings(
                f"{out} holds another simulation ({found}, not {wanted}); "
                "choose a new folder or remove this one"
            )
        return (out / _TRUTH).exists()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadSettings(
            f"{out} is neither empty nor a simulation; choose a new folder"
        )
    out.mkdir(parents=True, exist_ok=True)
    temporary = out / (_SETTINGS + ".part")
    temporary.write_text(json.dumps(wanted))
    temporary.replace(marker)
    return False


def _write_whole(path: Path, table: Any) -> None:
    """Write a table so that it is there entirely or not at all."""
    temporary = path.with_name(path.name + ".part")
    pq.write_table(table, temporary)
    temporary.replace(path)


def _run(
    out: Path, settings: _Settings, chunks: list[tuple[int, int]], workers: int
) -> Iterator[Any]:
    """Draw all chunks, here or in processes, and give their truth in order."""
    one = partial(_chunk, out, settings)
    if workers == 1:
        yield from map(one, chunks)
        return
    with Processes(one, workers) as processes:
        for future in [processes.submit(chunk) for chunk in chunks]:
            yield future.result()


def _chunk(out: Path, settings: _Settings, bounds: tuple[int, int]) -> Any:
    """Draw and write some objects; return their part of the truth table."""
    rows = []
    # One thread: processes share the cores, and sums keep their order.
    with threadpool_limits(1):
        for number in range(*bounds):
            path = _path(out, settings, number)
            family = family_of(number, settings.seed, settings.artefacts)
            stream = np.random.SeedSequence(settings.seed, spawn_key=(number,))
            rng = np.random.default_rng(stream)
            drawing = draw(family, rng, identifier=path.stem)
            path.write_bytes(write.encode(drawing.header, drawing.pixels))
            rows.append(
                {
                    "id": path.stem,
                    "path": path.relative_to(out).as_posix(),
                    "seed": settings.seed,
                    "number": number,
                    **drawing.truth,
                }
            )
    return truth.table(rows)


def _path(out: Path, settings: _Settings, number: int) -> Path:
    """File of an object; its id, the stem, is unique across seeds."""
    folder = out / f"{number // _SHARD:04d}" if settings.objects > _FLAT else out
    return folder / f"sky-{settings.seed}-{number:06d}.fits"


def family_of(number: int, seed: int, artefacts: float) -> str:
    """Tell what object `number` is: each block of objects holds every family once.

    Artefacts are spread evenly and take turns.
    """
    before = math.floor(number * artefacts)
    if math.floor((number + 1) * artefacts) > before:
        return ARTEFACTS[before % len(ARTEFACTS)]
    block, place = divmod(number, len(FAMILIES))
    return FAMILIES[_order(seed, block)[place]]


@lru_cache(maxsize=64)
def _order(seed: int, block: int) -> list[int]:
    """Shuffle the families of one block."""
    # Block streams have keys of two numbers, objects of one: they never coincide.
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(block, 0)))
    return [int(place) for place in rng.permutation(len(FAMILIES))]
