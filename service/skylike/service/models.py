"""`Models`: the models of a data directory, ``<model id>.onnx`` in a folder."""

import hashlib
import threading
from pathlib import Path

from skylike.service import durable
from skylike.service.encoder import Encoder
from skylike.service.errors import BadModel, DamagedData


class Models:
    """Model files, named by the sha256 of their bytes. Safe from any thread.

    Parameters
    ----------
    directory
        Made if it does not exist.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        durable.make_folder(directory)
        self._encoders: dict[str, Encoder] = {}
        self._lock = threading.Lock()  # while one is kept or loaded
        for path in directory.glob("*.new"):  # what a crash left unfinished
            path.unlink()

    def path(self, model_id: str) -> Path:
        """Where a model is kept."""
        return self.directory / f"{model_id}.onnx"

    def keep(self, model: Path, model_id: str) -> None:
        """Copy a model's file, durably, also over a damaged copy.

        Raises
        ------
        BadModel
            If its sha256 is not `model_id`.
        """
        data = model.read_bytes()
        if hashlib.sha256(data).hexdigest() != model_id:
            raise BadModel(f"{model} changed while it was read.")
        with self._lock:
            durable.replace(self.path(model_id), data)

    def encoder(self, model_id: str) -> Encoder:
        """A model, loaded at the first call.

        Raises
        ------
        DamagedData
            If its file is missing or not as it was written.
        """
        encoder = self._encoders.get(model_id)
        if encoder is None:
            with self._lock:
                encoder = self._encoders.get(model_id) or self._load(model_id)
                self._encoders[model_id] = encoder
        return encoder

    def close(self) -> None:
        """Forget what is loaded."""
        self._encoders.clear()

    def _load(self, model_id: str) -> Encoder:
        path = self.path(model_id)
        damaged = DamagedData(
            f"{path} is missing or not as it was written. Put back the file whose "
            "sha256 is its name."
        )
        try:
            encoder = Encoder(path)
        except BadModel as error:
            raise damaged from error
        if encoder.model_id != model_id:
            raise damaged
        return encoder
