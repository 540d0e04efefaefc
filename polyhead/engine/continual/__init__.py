"""Continual losses, by the names that recipes use."""

from polyhead.engine.continual.base import ContinualLoss
from polyhead.engine.continual.distill import Distill
from polyhead.engine.continual.replay import Replay

__all__ = ["ContinualLoss", "Distill", "Replay"]
