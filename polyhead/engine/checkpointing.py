"""Writes weights and the resume state, always as the last act of a step or an epoch."""

import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from polyhead import checkpoint
from polyhead.engine.learner import Learner, plain_state
from polyhead.engine.progress import Progress
from polyhead.run import Run, whole, write_rows


class Saver(Callback):
    """Writes ``resume.ckpt`` inside epochs and after each, ``last.pt`` each epoch, ``best.pt`` as the stage says.

    It is the last callback: what it saves must hold what the others have done. No state is written after an epoch's
    last batch before its validation, because Lightning would not make up for that validation after a resume.

    Args:
        run: the folder.
        describe: see :func:`polyhead.engine.fit.fit`.
        seconds: least time between two writes inside an epoch.
        progress: is shown each closed epoch.
    """

    def __init__(self, run: Run, describe: dict[str, Any], seconds: float, progress: Progress | None) -> None:
        self.run, self.describe, self.seconds, self.progress = run, describe, seconds, progress
        self.written = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write the state when it is due; gradients are not stored, so only where none are being accumulated."""
        assert isinstance(pl_module, Learner)
        whole = (batch_idx + 1) % pl_module.stage.accumulate == 0
        if whole and not trainer.is_last_batch and time.monotonic() - self.written >= self.seconds:
            self._write(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the epoch after its validation: its row, its weights, its state."""
        assert isinstance(pl_module, Learner)
        learner = pl_module
        epoch = learner.close_epoch()
        learner.progress["rows"].append(epoch.row)
        entry = {
            **self.describe,
            "state": plain_state(learner.judged),
            "stage": learner.number,
            "epoch": trainer.current_epoch,
            "score": epoch.score,
        }
        checkpoint.save(self.run.last, entry)
        if epoch.kept or not self.run.stage_weights(learner.number).is_file():
            checkpoint.save(self.run.stage_weights(learner.number), entry)
            checkpoint.save(self.run.best, entry)
        write_rows(self.run.results_csv, learner.progress["rows"])
        if self.progress is not None:
            self.progress.after_epoch(learner)
        if learner.finished:
            trainer.should_stop = True
        self._write(trainer)

    def _write(self, trainer: Trainer) -> None:
        with whole(self.run.resume) as partial:
            trainer.save_checkpoint(partial, weights_only=False)
        self.written = time.monotonic()
