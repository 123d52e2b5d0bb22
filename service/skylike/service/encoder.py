"""From stamps to unit vectors: one ONNX file, whole.

The file holds stretch, filling of blank pixels, network, whitening and the
normalisation, and says in its metadata what stamps it wants. Nothing about a
model stands anywhere else.
"""

import ctypes
import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from skylike.service import calls
from skylike.service.batching import Batching
from skylike.service.calls import Stage
from skylike.service.errors import BadModel, ModelMismatch
from skylike.service.processes import num_cores
from skylike.service.stamp import StampSpec

SPEC_KEY = "skylike.stamp_spec"
TRAINING_KEY = "skylike.training"
DATA_HASH_KEY = "skylike.data_hash"

# How protobuf writes the key that names a tensor's other file.
_OTHER_FILE = b"\n\x08location\x12"
_BATCH = 64
_LEAST = 8  # stamps that are worth a thread
_CUDA = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"


BASE = Path(__file__).parent / "models" / "skylike-base.onnx"
"""The model that comes with the package: single images, learned from a drawn sky."""


class Encoder:
    """A model file, ready to embed. Safe to use from several threads.

    Parameters
    ----------
    path
        The ``.onnx`` file.
    threads
        How many stamps are embedded at the same time on the CPU; as many as there are
        cores by default.

    Attributes
    ----------
    model_id
        sha256 of the file's bytes, hexadecimal.
    dimension
        Length D of its vectors.
    spec
        What stamps it wants.
    provider
        What computes, as the session reports it.
    metadata
        Everything the file says of itself.

    Raises
    ------
    BadModel
        If the file is missing, is not ONNX, keeps weights in other files, or does
        not say what stamps it wants.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self._path = path
        self._known = _mark(path)
        data = _content(path)
        self.model_id = hashlib.sha256(data).hexdigest()
        self._session = _start(path, data)
        self.provider: str = self._session.get_providers()[0]
        # A thread for some stamps makes more of two cores than two for each layer do.
        self._threads = threads or num_cores()
        self._pool = ThreadPoolExecutor(self._threads, "embeds")
        # A GPU computes one batch at a time; cores take one call each.
        at_once = self._threads if self.provider == _CPU else 1
        self._singles = Batching(self._run_together, at_once, _BATCH)
        self.metadata: Mapping[str, str] = dict(
            self._session.get_modelmeta().custom_metadata_map
        )
        if SPEC_KEY not in self.metadata:
            raise BadModel(
                f"{path}: the model does not say what stamps it wants; it was not made "
                "by skylike-trainer export"
            )
        self.spec = StampSpec.from_json(self.metadata[SPEC_KEY])
        self._shape = (len(self.spec.channels), self.spec.size, self.spec.size)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or tuple(inputs[0].shape[1:]) != self._shape:
            raise BadModel(
                f"{path}: the model's input is {[i.shape for i in inputs]}; its StampSpec "
                f"says (N, {', '.join(map(str, self._shape))})"
            )
        if len(outputs) != 1 or not isinstance(outputs[0].shape[-1], int):
            raise BadModel(f"{path}: the model's output is not (N, D)")
        self._input: str = inputs[0].name
        self.dimension: int = outputs[0].shape[-1]

    def embed(self, stamps: NDArray[np.float32]) -> NDArray[np.float32]:
        """The unit vectors of stamps.

        Parameters
        ----------
        stamps : (n, channel, size, size) float32, in sigma of the background
            NaN where there is no data; n may be 0.

        Returns
        -------
        vectors : (n, dimension) float32, unit norm
            Each depends on its own stamp only, to about 1e-6.

        Raises
        ------
        ModelMismatch
            ``stamp_shape`` if the stamps are not of the model's shape.
        """
        if stamps.ndim != 4 or stamps.shape[1:] != self._shape:
            raise ModelMismatch(
                f"the stamps have the shape {stamps.shape}; the model wants "
                f"(n, {', '.join(map(str, self._shape))})",
                reason="stamp_shape",
            )
        stamps = np.ascontiguousarray(stamps, dtype=np.float32)
        size = _BATCH
        if self.provider == _CPU:
            size = min(size, max(_LEAST, -(-len(stamps) // self._threads)))
        batches = [stamps[i : i + size] for i in range(0, len(stamps), size)]
        if len(stamps) == 1:
            return self._singles(stamps)
        vectors = np.empty((len(stamps), self.dimension), np.float32)
        with Stage("embed"):
            for batch in batches:
                calls.batch(len(batch))
            run = map if len(batches) == 1 else self._pool.map
            for i, found in enumerate(run(self._run, batches)):
                vectors[i * size : (i + 1) * size] = found
        return vectors

    def check_file(self) -> None:
        """See whether the file is still what was loaded, which goes on working.

        Raises
        ------
        BadModel
            If it is gone, or another.
        """
        mark = _mark(self._path)
        if mark == self._known:
            return
        if hashlib.sha256(_content(self._path)).hexdigest() != self.model_id:
            raise BadModel(
                f"{self._path} is not the model that was loaded: put back the file "
                f"whose sha256 is {self.model_id}"
            )
        self._known = mark

    def _run_together(
        self, singles: Sequence[NDArray[np.float32]]
    ) -> list[NDArray[np.float32]]:
        """The vectors of stamps that came one by one, each (1, dimension)."""
        calls.batch(len(singles))
        with Stage("embed"):
            if len(singles) == 1:
                return [self._run(singles[0])]
            return list(self._run(np.concatenate(singles))[:, np.newaxis])

    def _run(self, stamps: NDArray[np.float32]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self._session.run(None, {self._input: stamps})[0]
        return found


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadModel(f"{path}: the model cannot be read: {error.strerror}") from error


def _mark(path: Path) -> tuple[int, ...]:
    """Changes when the file does; empty where there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _start(path: Path, data: bytes) -> onnxruntime.InferenceSession:
    """A session made from the bytes alone; the model id would miss another file."""
    if _OTHER_FILE in data:
        raise BadModel(
            f"{path}: the model keeps weights in another file; export it as one file"
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors come as exceptions too
    options.intra_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(data, options, providers=_providers())
    except Exception as error:  # onnxruntime has no public base class of its errors
        first_line = str(error).splitlines()[0][:300]
        raise BadModel(
            f"{path}: this is not a whole ONNX model: {first_line}"
        ) from error


def _providers() -> list[str]:
    """CUDA where it was built in and its libraries load, else the CPU."""
    if _CUDA not in onnxruntime.get_available_providers():
        return [_CPU]
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return [_CPU]
    return [_CUDA, _CPU]
