"""The whole way in one command: sky, training, index, server, answers."""

from skylike.trainer.demo.demo import run

__all__ = ["run"]
