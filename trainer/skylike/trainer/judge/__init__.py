"""The judge: whether a model is worth more than what costs nothing."""

from skylike.trainer.judge.judge import Protocol
from skylike.trainer.judge.labels import read as read_labels
from skylike.trainer.judge.run import evaluate

__all__ = ["Protocol", "evaluate", "read_labels"]
