"""Continual losses: a recipe names them by the names listed here."""

from polyhead.engine.continual.base import Keep
from polyhead.engine.continual.distill import Distill
from polyhead.engine.continual.replay import Replay

__all__ = ["Distill", "Keep", "Replay"]
