"""Sees every call and the state of every collection: for logs, metrics and health."""

from skylike.service.monitoring.metrics import CONTENT_TYPE
from skylike.service.monitoring.monitor import Monitor
from skylike.service.monitoring.rounds import Condition

__all__ = ["CONTENT_TYPE", "Condition", "Monitor"]
