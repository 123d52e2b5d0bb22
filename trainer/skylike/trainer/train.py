"""Train an encoder: one loop, top to bottom."""

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from tqdm import tqdm

from skylike.service.errors import BadInput, BadSettings
from skylike.trainer import checkpoint
from skylike.trainer.augment import Views
from skylike.trainer.byol import Byol, tau_at
from skylike.trainer.checkpoint import State
from skylike.trainer.config import TrainSettings
from skylike.trainer.data import StampSet
from skylike.trainer.monitor import Health, examine
from skylike.trainer.network import Front

CHECKPOINT = "checkpoint.safetensors"
LOG = "log.jsonl"
SETTINGS = "settings.json"
_SAMPLE = 512
_MAX_SKIPPED = 10


def train(
    archive: StampSet, settings: TrainSettings, out: Path, *, progress: bool = False
) -> Path:
    """Train on an archive, or go on where a run in the same folder stopped.

    Parameters
    ----------
    archive
        Stamps to learn from.
    settings
        The whole recipe.
    out
        Folder of the run: ``checkpoint.safetensors``, ``log.jsonl`` (loss, spread
        and rank of the features, images per second), ``settings.json``.
    progress
        Whether to show a bar.

    Returns
    -------
    Path
        The last checkpoint.

    Raises
    ------
    BadInput
        ``too_few`` if there are fewer stamps than one batch holds.
    BadSettings
        If `out` holds a run with other settings or of another archive, or if
        the features have collapsed to a point.
    """
    if len(archive.stamps) < settings.batch:
        raise BadInput(
            f"{len(archive.stamps)} stamps are too few to train on: one batch holds "
            f"{settings.batch}; add files or lower `batch`",
            reason="too_few",
        )
    out.mkdir(parents=True, exist_ok=True)
    path, data_hash = out / CHECKPOINT, archive.data_hash()
    state = start(settings)
    if path.exists():
        checkpoint.load(path, state, settings, data_hash)
    (out / SETTINGS).write_text(settings.model_dump_json(indent=2) + "\n")

    stamps = torch.from_numpy(archive.stamps)
    # Spread over the archive, which is often sorted by kind.
    sample = stamps[:: math.ceil(len(stamps) / _SAMPLE)]
    front = Front(settings.stamp.size, settings.stamp.softening_sigma)
    views = Views(settings.views, front)
    bar = tqdm(
        total=settings.steps,
        initial=state.step,
        desc="training",
        unit="step",
        disable=not progress,
    )
    began, first_step = time.monotonic(), state.step
    loss, skipped = 0.0, 0

    with bar, _threads(settings.threads), (out / LOG).open("a") as log:
        while state.step < settings.steps:
            batch = stamps[_next_batch(state, len(stamps), settings.batch)]
            pair = views(batch, state.random), views(batch, state.random)
            step_loss = _step(state, settings, pair, out)
            state.step += 1
            if math.isfinite(step_loss):
                loss = step_loss
            else:
                skipped += 1
                _refuse_bad_batches(skipped, out)
            bar.update()
            if not _is_checkpoint(state.step, settings):
                continue
            seconds = time.monotonic() - began
            health = examine(_features(state.model, front(sample)))
            rate = (state.step - first_step) * settings.batch / seconds
            line = {
                "step": state.step,
                "loss": loss,
                "spread": health.spread,
                "rank": health.rank,
                "skipped": skipped,
                "images_per_second": rate,
            }
            log.write(json.dumps(line) + "\n")
            log.flush()
            bar.set_postfix(loss=f"{loss:.3f}", rank=f"{health.rank:.0f}")
            _refuse_collapse(health, state.step)
            checkpoint.save(path, state, settings, data_hash)
    return path


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """So many threads of torch until the block ends; 0 changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _is_checkpoint(step: int, settings: TrainSettings) -> bool:
    return step % settings.checkpoint_steps == 0 or step == settings.steps


def start(settings: TrainSettings) -> State:
    """A fresh run: everything random comes from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = Byol(len(settings.stamp.channels), settings.network)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
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


def _next_batch(state: State, count: int, batch: int) -> Tensor:
    """Numbers of the next stamps; every stamp once before any twice."""
    if len(state.order) < batch:
        state.order = torch.randperm(count, generator=state.random)
    chosen, state.order = state.order[:batch], state.order[batch:]
    return chosen


def _step(
    state: State, settings: TrainSettings, pair: tuple[Tensor, Tensor], out: Path
) -> float:
    """One optimiser step: its loss, or NaN where the gradient is not finite.

    Such a batch is set aside in a file, and the step changes nothing.
    """
    for group in state.optimiser.param_groups:
        group["lr"] = settings.learning_rate * _rate_at(
            state.step, settings.steps, settings.warmup
        )
    # Batch statistics move in the forward pass; a bad batch must not leave a trace.
    buffers = [buffer.clone() for buffer in state.model.buffers()]
    with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16()):
        loss: Tensor = state.model(*pair)
    state.optimiser.zero_grad()
    torch.autograd.backward(loss)
    norm = clip_grad_norm_(state.model.parameters(), settings.clip_norm)
    if torch.isfinite(norm):
        state.optimiser.step()
        state.model.follow(tau_at(state.step, settings.steps, settings.tau))
    else:
        for buffer, before in zip(state.model.buffers(), buffers, strict=True):
            buffer.copy_(before)
        checkpoint.save_batch(out / f"bad-batch-{state.step}.safetensors", pair)
        return math.nan
    return float(loss.detach())


def _rate_at(step: int, steps: int, warmup: float) -> float:
    """Share of the peak rate: a line up, then half a cosine down to 0."""
    rising = max(1, round(warmup * steps))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def _features(model: Byol, pixels_NCSS: Tensor) -> Tensor:
    """Features (N, F) of the online backbone, as it would be exported."""
    backbone = model.online.backbone
    backbone.eval()
    with torch.inference_mode():
        features: Tensor = backbone(pixels_NCSS)
    backbone.train()
    return features


def _refuse_collapse(health: Health, step: int) -> None:
    if health.collapsed:
        raise BadSettings(
            f"the features collapsed to a point by step {step} (spread "
            f"{health.spread:.2f} of a sphere's): lower the learning rate or train on "
            "more varied images",
            reason="collapsed",
        )


def _refuse_bad_batches(skipped: int, out: Path) -> None:
    if skipped > _MAX_SKIPPED:
        raise BadSettings(
            f"{skipped} steps had no finite gradient; their batches are in {out}: lower "
            "the learning rate",
            reason="not_finite",
        )


def has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware; elsewhere it is slower."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
