"""Several processes that train one model, each on its part of every batch.

Started by ``torchrun``. They make the losses that one process makes with the whole
batch, up to rounding: gradients are means over all, and so are the statistics of
batch normalisation (synchronised, as torch has it for CUDA alone).
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn

from skylike.service.errors import BadSettings


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes that train together, as one of them sees them.

    Attributes
    ----------
    rank
        Its own number, from 0; the first one writes.
    count
    device
        Where it computes.
    """

    rank: int
    count: int
    device: torch.device

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by their means over all processes."""
        if self.count == 1:
            return
        found = list(tensors)
        joint = torch.cat([tensor.flatten() for tensor in found])
        distributed.all_reduce(joint)
        joint /= self.count
        parts = torch.split(joint, [tensor.numel() for tensor in found])
        for tensor, part in zip(found, parts, strict=True):
            tensor.copy_(part.view_as(tensor))


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """Join the processes that ``torchrun`` has started; alone without it.

    Parameters
    ----------
    device
        ``cpu``, ``cuda``, or ``auto``: CUDA where there is one.

    Raises
    ------
    BadSettings
        ``no_device`` if there is no CUDA device but one is asked for.
    """
    has_cuda = torch.cuda.is_available()
    if device == "cuda" and not has_cuda:
        raise BadSettings(
            'there is no CUDA device here: set device = "cpu" or "auto"',
            reason="no_device",
        )
    kind = "cuda" if has_cuda and device != "cpu" else "cpu"
    if "WORLD_SIZE" not in os.environ or distributed.is_initialized():
        yield Processes(0, 1, torch.device(kind))
        return
    where = torch.device(kind, int(os.environ["LOCAL_RANK"]) if kind == "cuda" else 0)
    distributed.init_process_group("nccl" if kind == "cuda" else "gloo")
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size(), where)
    finally:
        distributed.destroy_process_group()


def synchronise(model: nn.Module) -> None:
    """Let batch normalisation see the whole batch, in place."""
    for module in model.modules():
        kind = type(module)
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.__class__ = type(f"Joint{kind.__name__}", (_Joint, kind), {})


class _Joint(nn.Module):
    """Batch normalisation (Ioffe & Szegedy 2015) over the parts of all processes."""

    running_mean: Tensor
    running_var: Tensor
    weight: Tensor
    bias: Tensor
    momentum: float
    eps: float

    def forward(self, x: Tensor) -> Tensor:
        """(N, c, ...) to the same shape."""
        if not self.training:
            normal: Tensor = super().forward(x)
            return normal
        axes = [axis for axis in range(x.ndim) if axis != 1]
        shape = [-1 if axis == 1 else 1 for axis in range(x.ndim)]
        mean = _mean(x.float().mean(axes))
        centred = x.float() - mean.view(shape)
        variance = _mean(centred.square().mean(axes))
        with torch.no_grad():
            number = x.numel() / x.shape[1] * distributed.get_world_size()
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * number / (number - 1), self.momentum)
        # Several channels may share a weight.
        shared = x.shape[1] // len(self.weight)
        weight, bias = (w.repeat_interleave(shared) for w in (self.weight, self.bias))
        normal = centred * torch.rsqrt(variance + self.eps).view(shape)
        return (normal * weight.view(shape) + bias.view(shape)).to(x.dtype)


def _mean(tensor: Tensor) -> Tensor:
    """The mean over all processes, through which gradients flow."""
    mean: Tensor = _Mean.apply(tensor)  # type: ignore[no-untyped-call]
    return mean


class _Mean(torch.autograd.Function):
    """Every process's output depends on every one's input, and so do gradients."""

    @staticmethod
    def forward(_: Any, tensor: Tensor) -> Tensor:
        joint = tensor.clone()
        distributed.all_reduce(joint)
        return joint / distributed.get_world_size()

    @staticmethod
    def backward(_: Any, *gradients: Any) -> Any:
        joint = gradients[0].clone()
        distributed.all_reduce(joint)
        return joint / distributed.get_world_size()
