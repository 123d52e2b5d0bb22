"""One step: two views of a batch, loss, gradient, target.

Everything random comes from the state's generator, as one seed for each part of the
batch, so that any number of processes sees the same views.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from skylike.trainer import checkpoint
from skylike.trainer.augment import Views
from skylike.trainer.byol import Byol, tau_at
from skylike.trainer.checkpoint import State
from skylike.trainer.config import TrainSettings
from skylike.trainer.processes import Processes
from skylike.trainer.schedule import learning_rate

NUM_PARTS = 8

Pair = tuple[Tensor, Tensor]


def start(settings: TrainSettings, device: torch.device | None = None) -> State:
    """A fresh run: everything random comes from the seed.

    Raises
    ------
    BadSettings
        If the recipe names a checkpoint to begin with that is none of this network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = Byol(len(settings.stamp.channels), settings.network)
    if settings.initial is not None:
        checkpoint.load_weights(settings.initial, model, settings.network)
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    online = [p for p in model.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in online if p.ndim > 1]},
        {"params": [p for p in online if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(
        groups, lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    random = torch.Generator().manual_seed(settings.seed)
    return State(model, optimiser, random, torch.empty(0, dtype=torch.int64), 0)


def next_batch(state: State, count: int, batch: int) -> tuple[Tensor, Tensor]:
    """Numbers of the next stamps, none twice within a pass, and seeds.

    Stamps at the end of a pass that are too few for a batch are left out of it.

    Returns
    -------
    numbers : (batch,) int64
    seeds : (NUM_PARTS, 2) int64
        Of both views of each part of the batch.
    """
    if len(state.order) < batch:
        state.order = torch.randperm(count, generator=state.random)
    chosen, state.order = state.order[:batch], state.order[batch:]
    return chosen, torch.randint(2**62, (NUM_PARTS, 2), generator=state.random)


def draw(
    stamps: Tensor, views: Views, numbers: Tensor, seeds: Tensor, group: Processes
) -> Pair:
    """Two views of this process's parts of a batch: (N / count, C, S, S) each."""
    split = zip(numbers.tensor_split(NUM_PARTS), seeds.tolist(), strict=True)
    parts = [part for part in split if len(part[0])][group.rank :: group.count]
    chosen = torch.cat([numbers_of_part for numbers_of_part, _ in parts])
    pixels = stamps[chosen].to(group.device)
    first, second = zip(*(seeds_of_part for _, seeds_of_part in parts), strict=True)

    def view(seeds_of_parts: Sequence[int]) -> Tensor:
        return views(
            pixels,
            *(
                torch.Generator(group.device).manual_seed(seed)
                for seed in seeds_of_parts
            ),
        )

    return view(first), view(second)


def take(
    state: State, settings: TrainSettings, pair: Pair, out: Path, group: Processes
) -> float:
    """One optimiser step: its loss, or NaN where the gradient is not finite.

    Such a batch is set aside in a file, and the step changes nothing.
    """
    for slots in state.optimiser.param_groups:
        slots["lr"] = learning_rate(state.step, settings)
    # Batch statistics move in the forward pass; a bad batch must not leave a trace.
    buffers = [buffer.clone() for buffer in state.model.buffers()]
    device = group.device.type
    with torch.autocast(device, torch.bfloat16, enabled=has_bfloat16(device)):
        loss: Tensor = state.model(*pair)
    state.optimiser.zero_grad()
    torch.autograd.backward(loss)
    loss = loss.detach()
    online = [p for p in state.model.parameters() if p.grad is not None]
    group.average([loss, *(p.grad for p in online if p.grad is not None)])
    norm = clip_grad_norm_(online, settings.clip_norm)
    if torch.isfinite(norm):
        state.optimiser.step()
        state.model.follow(tau_at(state.step, settings.steps, settings.tau))
    else:
        for buffer, before in zip(state.model.buffers(), buffers, strict=True):
            buffer.copy_(before)
        name = f"bad-batch-{state.step}" + (f"-{group.rank}" if group.rank else "")
        checkpoint.save_batch(out / f"{name}.safetensors", pair)
        return math.nan
    return float(loss)


def has_bfloat16(device: str = "cpu") -> bool:
    """Whether a device multiplies bfloat16 in hardware; elsewhere it is slower."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
