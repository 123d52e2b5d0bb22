"""How the learning rate goes over a run."""

import math

from skylike.trainer.config import TrainSettings


def learning_rate(step: int, settings: TrainSettings) -> float:
    """The rate at a step: a line up over the warm-up, then as the schedule says."""
    rising = max(1, round(settings.warmup * settings.steps))
    if step < rising:
        return settings.learning_rate * (step + 1) / rising
    done = (step - rising) / max(1, settings.steps - rising)
    match settings.schedule:
        case "cosine":
            share = 0.5 * (1 + math.cos(math.pi * done))
        case "linear":
            share = 1 - done
        case "constant":
            share = 1.0
    return settings.learning_rate * share
