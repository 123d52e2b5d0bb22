"""Train an encoder: one loop, top to bottom."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from skylike.service.errors import BadInput, BadSettings
from skylike.trainer import checkpoint, processes, step
from skylike.trainer.augment import Views
from skylike.trainer.byol import Byol
from skylike.trainer.config import TrainSettings
from skylike.trainer.data import StampSet
from skylike.trainer.monitor import (
    Health,
    examine,
    has_levelled_off,
    self_recall,
)
from skylike.trainer.network import Front
from skylike.trainer.processes import Processes
from skylike.trainer.record import Record, history

CHECKPOINT = "checkpoint.safetensors"
SETTINGS = "settings.json"
_SAMPLE = 512
_MAX_SKIPPED = 10


def train(
    archive: StampSet, settings: TrainSettings, out: Path, *, progress: bool = False
) -> Path:
    """Train on an archive, or go on where a run in the same folder stopped.

    Under ``torchrun`` every process takes its part of each batch; the first writes.

    Parameters
    ----------
    archive
        Stamps to learn from.
    settings
        The whole recipe.
    out
        Folder of the run: ``checkpoint.safetensors``, ``settings.json``, and at every
        checkpoint a line of ``log.jsonl`` and scalars for TensorBoard.
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
        If `out` holds a run with other settings or of another archive, if the
        features have collapsed to a point, or if the processes cannot share a batch.
    """
    known, held_out = _split(archive, settings)
    if len(known) < settings.batch:
        raise BadInput(
            f"{len(known)} stamps are too few to train on: one batch holds "
            f"{settings.batch}; add files or lower `batch`",
            reason="too_few",
        )
    with processes.joined(settings.device) as group, _threads(settings.threads):
        _require_equal_parts(settings, group)
        out.mkdir(parents=True, exist_ok=True)
        path, data_hash = out / CHECKPOINT, archive.data_hash()
        if path.exists():  # what it began with may be gone by now
            anew = settings.model_copy(update={"initial": None})
            state = step.start(anew, group.device)
            checkpoint.load(path, state, settings, data_hash)
        else:
            state = step.start(settings, group.device)
        if group.count > 1:
            processes.synchronise(state.model)
        (out / SETTINGS).write_text(settings.model_dump_json(indent=2) + "\n")

        front = Front(settings.stamp.size, settings.stamp.softening_sigma)
        front.to(group.device)
        views = Views(settings.views, front)
        # Spread over the archive, which is often sorted by kind.
        some = known[:: math.ceil(len(known) / _SAMPLE)].to(group.device)
        sample = front(some)
        random = torch.Generator(group.device).manual_seed(settings.seed)
        changed = views(some, random)
        unseen = _pair_of(held_out, views, settings, group) if len(held_out) else None
        record = Record(out, state.step) if group.rank == 0 else None
        bar = tqdm(
            total=settings.steps,
            initial=state.step,
            desc="training",
            unit="step",
            disable=not progress or group.rank > 0,
        )
        began, first_step = time.monotonic(), state.step
        losses: list[float] = []
        recalls = history(out, "recall", state.step)
        skipped = 0

        with bar, record or nullcontext():
            while state.step < settings.steps and not has_levelled_off(
                recalls, settings.patience
            ):
                numbers, seeds = step.next_batch(state, len(known), settings.batch)
                pair = step.draw(known, views, numbers, seeds, group)
                loss = step.take(state, settings, pair, out, group)
                state.step += 1
                if math.isfinite(loss):
                    losses.append(loss)
                else:
                    skipped += 1
                    _refuse_bad_batches(skipped, out)
                bar.update()
                if not _is_checkpoint(state.step, settings):
                    continue
                features = _features(state.model, sample)
                health = examine(features)
                recalls.append(self_recall(features, _features(state.model, changed)))
                rate = (state.step - first_step) / (time.monotonic() - began)
                scalars = {
                    "loss": sum(losses) / max(1, len(losses)),
                    **({"held_out_loss": _loss(state.model, unseen)} if unseen else {}),
                    "spread": health.spread,
                    "rank": health.rank,
                    "recall": recalls[-1],
                    "skipped": skipped,
                    "images_per_second": rate * settings.batch,
                }
                losses.clear()
                bar.set_postfix(
                    loss=f"{scalars['loss']:.3f}", recall=f"{recalls[-1]:.3f}"
                )
                if record:
                    record.write(state.step, scalars)
                _refuse_collapse(health, state.step)
                if record:
                    checkpoint.save(path, state, settings, data_hash)
    return path


def _split(archive: StampSet, settings: TrainSettings) -> tuple[Tensor, Tensor]:
    """Stamps to learn from, and those that only measure the loss."""
    stamps = torch.from_numpy(archive.stamps)
    if not settings.held_out:
        return stamps, stamps[:0]
    random = torch.Generator().manual_seed(settings.seed)
    order = torch.randperm(len(stamps), generator=random)
    number = max(1, round(settings.held_out * len(stamps)))
    return stamps[order[number:].sort().values], stamps[order[:number].sort().values]


def _require_equal_parts(settings: TrainSettings, group: Processes) -> None:
    if step.NUM_PARTS % group.count or (
        group.count > 1 and settings.batch % step.NUM_PARTS
    ):
        raise BadSettings(
            f"{group.count} processes cannot share a batch of {settings.batch}: start "
            f"1, 2, 4 or {step.NUM_PARTS}, with a batch that {step.NUM_PARTS} divides",
            reason="bad_batch",
        )


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """So many threads of torch until the block ends; 0 changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _is_checkpoint(done: int, settings: TrainSettings) -> bool:
    return done % settings.checkpoint_steps == 0 or done == settings.steps


def _features(model: Byol, pixels_NCSS: Tensor) -> Tensor:
    """Features (N, F) of the online backbone, as it would be exported."""
    backbone = model.online.backbone
    backbone.eval()
    with torch.inference_mode():
        features: Tensor = backbone(pixels_NCSS)
    backbone.train()
    return features


def _pair_of(
    stamps: Tensor, views: Views, settings: TrainSettings, group: Processes
) -> step.Pair:
    """The same two views of held-out stamps at every checkpoint."""
    random = torch.Generator(group.device).manual_seed(settings.seed)
    some = stamps[:: math.ceil(len(stamps) / _SAMPLE)].to(group.device)
    return views(some, random), views(some, random)


def _loss(model: Byol, pair: step.Pair) -> float:
    """The loss of stamps that are not learned from."""
    model.eval()
    with torch.inference_mode():
        loss: Tensor = model(*pair)
    model.train()
    return float(loss)


def _refuse_collapse(health: Health, done: int) -> None:
    if health.collapsed:
        raise BadSettings(
            f"the features collapsed to a point by step {done} (spread "
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
