"""How fast the model that comes with the package embeds, beside a plain network."""

import io
import itertools

import numpy as np
import onnx
import onnxruntime
import torch
from tests.bench.measure import Measure, paired
from torch import nn

from skylike.service.encoder import BASE, Encoder

BATCH = 64
WIDTH, LAYERS = 32, 4


def measure() -> list[Measure]:
    """All figures of this theme: stamps in, vectors out, on all cores."""
    encoder = Encoder(BASE)
    stamps = np.random.default_rng(0).normal(size=(BATCH, 1, 64, 64)).astype(np.float32)
    reference = plain_network()

    def bare() -> None:
        reference.run(None, {"stamps": stamps})

    seconds, bare_seconds = paired(lambda: encoder.embed(stamps), bare, rounds=50)
    return [
        Measure(
            "encoder.vs_reference",
            bare_seconds / seconds,
            "stamps per second, over a plain network of four layers, 32 channels wide",
            {
                "stamps_per_second": BATCH / seconds,
                "reference_stamps_per_second": BATCH / bare_seconds,
                "megabytes": BASE.stat().st_size / 1e6,
            },
        )
    ]


def plain_network() -> onnxruntime.InferenceSession:
    """Four 3x3 convolutions with a stride of 2, and the mean of their maps."""
    widths = [1] + LAYERS * [WIDTH]
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Conv2d(before, after, 3, 2, 1), nn.ReLU()]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    program = torch.onnx.export(
        network,
        (torch.zeros(BATCH, 1, 64, 64),),
        dynamo=True,
        external_data=False,
        verbose=False,
        input_names=["stamps"],
    )
    assert program is not None
    options = onnxruntime.SessionOptions()
    # Its threads would wait for more, and take the cores meanwhile from what is compared.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    with io.BytesIO() as stream:
        onnx.save_model(program.model_proto, stream)
        return onnxruntime.InferenceSession(
            stream.getvalue(), options, providers=["CPUExecutionProvider"]
        )
