"""How fast a network learns, beside its bare passes and beside slower ways."""

import tempfile
import threading
from pathlib import Path

import numpy as np
import torch
from tests.bench.measure import Measure, paired

from skylike.trainer import sky
from skylike.trainer import train as training
from skylike.trainer.augment import Views
from skylike.trainer.byol import Byol
from skylike.trainer.config import TrainSettings
from skylike.trainer.data import StampSet, load
from skylike.trainer.judge.astromorph import astromorph
from skylike.trainer.network import Front
from skylike.trainer.processes import Processes
from skylike.trainer.step import Pair, draw, next_batch, start, take

NUM_OBJECTS = 512
STEPS = 3  # of each turn
SMALL = 16  # images of each turn of the slow ways
EPOCHS = 12
ALONE = Processes(0, 1, torch.device("cpu"))


def measure() -> list[Measure]:
    """All figures of this theme, on the same simulated stamps."""
    with tempfile.TemporaryDirectory() as folder:
        sky.simulate(Path(folder) / "sky", NUM_OBJECTS, 0)
        stamps = load([Path(folder) / "sky"], TrainSettings().stamp).stamps
        loop = Loop(stamps, TrainSettings(), Path(folder))
        return [
            bare_passes(loop),
            batch_of_one(loop),
            published_loop(loop, stamps),
            views(loop),
            memory(stamps, Path(folder)),
        ]


class Loop:
    """The steps of a training run, without its checkpoints."""

    def __init__(
        self, stamps: np.ndarray, settings: TrainSettings, folder: Path
    ) -> None:
        self.settings, self.folder = settings, folder
        self.stamps = torch.from_numpy(stamps)
        self.state = start(settings)
        front = Front(settings.stamp.size, settings.stamp.softening_sigma)
        self.views = Views(settings.views, front)

    def pair(self) -> Pair:
        """Two views of the next batch."""
        numbers, seeds = next_batch(self.state, len(self.stamps), self.settings.batch)
        return draw(self.stamps, self.views, numbers, seeds, ALONE)

    def steps(self, number: int) -> None:
        """So many steps, as a run takes them."""
        for _ in range(number):
            take(self.state, self.settings, self.pair(), self.folder, ALONE)


def bare_passes(loop: Loop) -> Measure:
    """Beside the same passes, optimiser and moving average, on views made before."""
    pair = loop.pair()
    model = start(loop.settings).model
    optimiser = torch.optim.AdamW(p for p in model.parameters() if p.requires_grad)

    def bare() -> None:
        for _ in range(STEPS):
            _bare_step(model, optimiser, pair)

    seconds, bare_seconds = paired(lambda: loop.steps(STEPS), bare)
    images = STEPS * loop.settings.batch
    return Measure(
        "training.vs_bare_passes",
        bare_seconds / seconds,
        "images per second, over the same step on ready-made views",
        {
            "images_per_second": images / seconds,
            "bare_images_per_second": images / bare_seconds,
        },
    )


def batch_of_one(loop: Loop) -> Measure:
    """Beside a loop that takes one image a step, with the same network."""
    single = loop.settings.model_copy(update={"batch": 1})
    slow = Loop(loop.stamps.numpy(), single, loop.folder)
    seconds, slow_seconds = paired(lambda: loop.steps(STEPS), lambda: slow.steps(SMALL))
    return _rates(
        "training.vs_batch_of_one",
        "images per second, over those of a batch of one",
        STEPS * loop.settings.batch / seconds,
        SMALL / slow_seconds,
    )


def published_loop(loop: Loop, stamps: np.ndarray) -> Measure:
    """Beside astromorph's loop: its network, one image at a time, five epochs."""
    few = stamps[:SMALL]
    method = astromorph()
    seconds, slow_seconds = paired(
        lambda: loop.steps(STEPS), lambda: method.learn(few, 0), rounds=3
    )
    return _rates(
        "training.vs_astromorph",
        "images per second, over those of astromorph's loop on the same images",
        STEPS * loop.settings.batch / seconds,
        5 * SMALL / slow_seconds,
    )


def views(loop: Loop) -> Measure:
    """Views alone, and how many a step takes."""
    images = loop.settings.batch
    seconds, _ = paired(lambda: [loop.pair() for _ in range(STEPS)], lambda: None)
    rate = 2 * STEPS * images / seconds
    return Measure("training.views", rate, "views per second", {"batch": images})


def memory(stamps: np.ndarray, folder: Path) -> Measure:
    """Whether a run holds more memory in its last epochs than in its first ones."""
    batch = 64
    settings = TrainSettings.model_validate(
        {"steps": EPOCHS * (len(stamps) // batch), "batch": batch}
        | {"network": {"width": 8}}
    )
    held: list[float] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            held.append(_resident_megabytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    training.train(StampSet(stamps, (), ()), settings, folder / "run")
    done.set()
    watcher.join()
    quarter = len(held) // 4
    early, late = max(held[quarter : 2 * quarter]), max(held[-quarter:])
    return Measure(
        "training.memory_growth",
        late / early,
        "peak of resident memory in the last quarter of a run, over that in the second",
        {"early_megabytes": early, "late_megabytes": late},
    )


def _bare_step(model: Byol, optimiser: torch.optim.Optimizer, pair: Pair) -> None:
    loss = model(*pair)
    optimiser.zero_grad()
    torch.autograd.backward(loss)
    optimiser.step()
    model.follow(0.99)


def _rates(name: str, unit: str, ours: float, slow: float) -> Measure:
    return Measure(
        name,
        ours / slow,
        unit,
        {"images_per_second": ours, "slow_images_per_second": slow},
    )


def _resident_megabytes() -> float:
    status = Path("/proc/self/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024
