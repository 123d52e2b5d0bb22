"""What many tests share: a small real model, a small archive, a running server."""

import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from astropy.io import fits
from onnx import helper, numpy_helper

from skylike.client import Client
from skylike.service import logs
from skylike.service.config import Settings
from skylike.service.encoder import SPEC_KEY
from skylike.service.engine import CutoutQuery, Engine, NewObject
from skylike.service.library import Library
from skylike.service.server.serve import Server
from skylike.service.stamp import StampSpec

DIMENSION = 24
KINDS = ("round", "long", "ring")


@pytest.fixture(scope="session", autouse=True)
def _logging() -> None:
    """Log as the service does: to standard error, not to standard output."""
    logs.configure(json=False)


def draw(
    kind: str = "round",
    seed: int = 0,
    *,
    size: int = 48,
    position: tuple[float, float] | None = (150.0, 2.0),
    **cards: Any,
) -> bytes:
    """A noisy object as the bytes of a FITS file."""
    random = np.random.default_rng(seed)
    y, x = (np.mgrid[:size, :size] - (size - 1) / 2) / size
    angle = random.uniform(0, np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    radius = np.hypot(x, y)
    width = random.uniform(0.09, 0.13)
    shape = {
        "round": np.exp(-((radius / width) ** 2)),
        "long": np.exp(-((along / 0.25) ** 2) - (across / 0.05) ** 2),
        "ring": np.exp(-(((radius - 2.2 * width) / 0.04) ** 2)),
    }[kind]
    header = fits.Header()
    if position is not None:
        header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
        header["CRVAL1"], header["CRVAL2"] = position
        header["CRPIX1"] = header["CRPIX2"] = (size + 1) / 2
        header["CDELT1"], header["CDELT2"] = -0.2 / 3600, 0.2 / 3600
    header.update(cards)
    return to_fits(100 * shape + random.normal(7, 1, shape.shape), header)


def to_fits(pixels: Any, header: fits.Header | None = None) -> bytes:
    """An array as the bytes of a FITS file with one image."""
    stream = io.BytesIO()
    data = np.asarray(pixels, np.float32)
    fits.PrimaryHDU(data, header).writeto(stream)
    return stream.getvalue()


def bands(pixels: Any, names: str) -> bytes:
    """Planes as the bytes of a FITS file whose BANDS card names each by a letter."""
    return to_fits(pixels, fits.Header({"BANDS": names}))


def write_model(path: Path, *, seed: int = 0, dimension: int = DIMENSION) -> Path:
    """A real encoder, untrained: stretch, pool, project at random, normalise."""
    spec = StampSpec(size=32)
    random = np.random.default_rng(seed)
    pooled = (spec.size // 4) ** 2
    weights = random.normal(0, 1, (pooled, dimension)).astype(np.float32)
    constants = {
        "zero": np.array(0, np.float32),
        "softening": np.array(spec.softening_sigma, np.float32),
        "weights": weights,
        "bias": random.normal(0, 1, dimension).astype(np.float32),
    }
    nodes = [
        helper.make_node("IsNaN", ["stamps"], ["blank"]),
        helper.make_node("Where", ["blank", "zero", "stamps"], ["filled"]),
        helper.make_node("Div", ["filled", "softening"], ["softened"]),
        helper.make_node("Asinh", ["softened"], ["stretched"]),
        helper.make_node(
            "AveragePool",
            ["stretched"],
            ["pooled"],
            kernel_shape=[4, 4],
            strides=[4, 4],
        ),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["projected"]),
        helper.make_node("Add", ["projected", "bias"], ["shifted"]),
        helper.make_node("LpNormalization", ["shifted"], ["vectors"], axis=1, p=2),
    ]
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info("stamps", kind, ["n", 1, spec.size, spec.size])],
        [helper.make_tensor_value_info("vectors", kind, ["n", dimension])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    )
    helper.set_model_props(model, {SPEC_KEY: spec.to_json()})
    onnx.save(model, str(path))
    return path


def fill(library: Library, name: str, model: Path, num_each: int) -> None:
    """Add objects of every kind, named ``round-0`` and so on, on a grid of the sky."""
    library.create(name, model)
    Engine(library).add(
        name,
        [
            NewObject(
                f"{kind}-{i}",
                CutoutQuery(draw(kind, 100 * j + i, position=(150 + 0.01 * i, 2 + j))),
                attributes={"kind": kind, "number": i},
            )
            for j, kind in enumerate(KINDS)
            for i in range(num_each)
        ],
    )


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="session")
def archive(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed data directory: ``sky`` is fitted and calibrated. Copy it, or read."""
    directory = tmp_path_factory.mktemp("archive") / "data"
    with Library(directory) as library:
        fill(library, "sky", model, num_each=20)
        engine = Engine(library)
        calibration = [
            engine.embed("sky", CutoutQuery(draw(kind, 1000 * j + 500 + i))).vector
            for j, kind in enumerate(KINDS)
            for i in range(13)
        ]
        library.collection("sky").fit(calibration=np.stack(calibration))
    return directory


@pytest.fixture
def data(archive: Path, tmp_path: Path) -> Path:
    """A copy of the archive, for one test."""
    return shutil.copytree(archive, tmp_path / "data")


@pytest.fixture(scope="session")
def served(
    archive: Path, model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimpleNamespace]:
    """One server for the whole run: ``address`` and ``engine``.

    It has ``sky``, fitted; ``bare``, not fitted, with an object ``flat`` of equal
    pixels; and ``empty``. Tests may add to ``bare`` under names of their own.
    """
    directory = shutil.copytree(archive, tmp_path_factory.mktemp("served") / "data")
    settings = Settings(
        data=directory, address="127.0.0.1:0", max_message_bytes=2**24, grace_seconds=1
    )
    with Library(directory) as library:
        fill(library, "bare", model, num_each=1)
        library.create("empty", model)
        engine = Engine(library)
        flat = CutoutQuery(to_fits(np.full((40, 40), 3.0)))
        engine.add("bare", [NewObject("flat", flat)])
        with Server(engine, settings) as server:
            server.ready()
            yield SimpleNamespace(address=server.address, engine=engine, server=server)


@pytest.fixture
def client(served: SimpleNamespace) -> Iterator[Client]:
    with Client(served.address, max_message_bytes=2**24) as opened:
        yield opened


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def skylike() -> Run:
    """The client's command line, as a process of its own."""
    isolated = ["-I"] if sys.flags.isolated else []  # as the tests themselves are
    script = "from skylike.client.cli import main; main(prog_name='skylike')"
    command = [sys.executable, *isolated, "-c", script]

    def run(*arguments: str | Path, **environment: str) -> Any:
        return subprocess.run(
            [*command, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=clean_environment() | environment,
        )

    return run


def clean_environment() -> dict[str, str]:
    """The environment without settings of ours."""
    return {name: value for name, value in os.environ.items() if "SKYLIKE" not in name}


@contextmanager
def running_service(data: Path, ready_file: Path) -> Iterator[Any]:
    """``skylike-service serve`` on a free port: yields the process and its address."""
    isolated = ["-I"] if sys.flags.isolated else []  # as the tests themselves are
    command = [
        *isolated,
        "-m",
        "skylike.service",
        "serve",
        "--data",
        data,
        "--log-json",
    ]
    options = ["--address", "127.0.0.1:0", "--ready-file", ready_file]
    process = subprocess.Popen(
        [sys.executable, *map(str, command), *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )
    try:
        while not ready_file.exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def service() -> Any:
    return running_service


_UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT")


@pytest.fixture(scope="session")
def with_npm() -> Callable[..., None]:
    """Runs a command that installs by npm; skips where it cannot, but fails in CI."""

    def run(*command: str | Path, cwd: Path) -> None:
        # `.ci/run` sets the first, most other places that build set the second.
        is_required = not os.environ.keys().isdisjoint(("NPM_REQUIRED", "CI"))
        if shutil.which("npm") is None:
            told = "no Node.js here: npm is missing"
            (pytest.fail if is_required else pytest.skip)(told)
        done = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False
        )
        told = done.stdout + done.stderr
        is_offline = any(code in told for code in _UNREACHABLE)
        if done.returncode and is_offline and not is_required:
            pytest.skip(f"no npm registry in reach: {told[:500]}")
        assert done.returncode == 0, told

    return run


@pytest.fixture(scope="session")
def sky() -> SimpleNamespace:
    """The helpers that draw and write: ``draw``, ``to_fits``, ``write_model``."""
    return SimpleNamespace(
        draw=draw,
        to_fits=to_fits,
        bands=bands,
        write_model=write_model,
        dimension=DIMENSION,
    )
