"""Calls a function after each epoch, such as one that stops a training which lags behind others."""

from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from polyhead.engine.learner import Learner


class AfterEpoch(Callback):
    """A callback that calls a function with the epochs so far and the best val score of the stage.

    It is called after an epoch has been saved, and once more when a training resumes there: a process may have been
    killed in between. To stop the training the function raises an error, which ends :func:`polyhead.engine.fit.fit`.

    Args:
        call: receives the number of epochs so far, over all stages, and the score; None before the first validation.
    """

    def __init__(self, call: Callable[[int, float | None], Any]) -> None:
        self.call = call

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Call the function with the epochs before a resume, if there are any."""
        assert isinstance(pl_module, Learner)
        if pl_module.progress["rows"]:
            self._call(pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Call the function; this callback runs after the one that saves the epoch."""
        assert isinstance(pl_module, Learner)
        self._call(pl_module)

    def _call(self, learner: Learner) -> None:
        self.call(len(learner.progress["rows"]), learner.progress["best"])
