"""Saves weights and the resume state at the end of steps and epochs."""

import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from polyhead import checkpoint
from polyhead.engine.learner import Epoch, Learner, plain_state
from polyhead.engine.progress import Progress
from polyhead.run import Run, atomic_write, write_rows


class Saver(Callback):
    """A callback that saves ``resume.ckpt`` within and after epochs, and the weights after each epoch.

    ``last.pt`` is saved after every epoch, ``best.pt`` after the epochs that the stage selects, and a file that stays
    every ``save_every`` epochs. This must be the last callback with a state, because the saved state has to contain
    what the other callbacks have done. No state is saved between the last batch of an epoch and its validation, because
    Lightning would skip that validation after a resume.

    Args:
        run: the run folder.
        run_id: its id, which is saved in ``resume.ckpt``.
        describe: entries of a weights file besides the tensors; see :func:`polyhead.engine.fit.fit`.
        seconds: minimum time between two saves within an epoch.
        progress: logs each finished epoch.
    """

    def __init__(
        self, run: Run, run_id: str, describe: dict[str, Any], seconds: float, progress: Progress | None
    ) -> None:
        self.run, self.run_id, self.describe, self.seconds, self.progress = run, run_id, describe, seconds, progress
        self.written = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save the state when it is due and no gradients are being accumulated, since gradients are not saved."""
        assert isinstance(pl_module, Learner)
        stepped = (batch_idx + 1) % pl_module.stage.accumulate == 0
        if stepped and not trainer.is_last_batch and time.monotonic() - self.written >= self.seconds:
            self._write(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the row, the weights and the resume state of an epoch; this runs after its validation."""
        assert isinstance(pl_module, Learner)
        learner = pl_module
        epoch = learner.close_epoch()
        learner.progress["rows"].append(epoch.row)
        entry = {
            **self.describe,
            "state": plain_state(learner.scored_model),
            "stage": learner.number,
            "epoch": trainer.current_epoch,
            "score": epoch.score,
        }
        checkpoint.save(self.run.last, entry)
        if epoch.selected or not self.run.stage_weights(learner.number).is_file():
            checkpoint.save(self.run.stage_weights(learner.number), entry)
            checkpoint.save(self.run.best, entry)
        every = learner.stage.save_every
        if every is not None and (trainer.current_epoch + 1) % every == 0:
            path = self.run.weights / periodic_name(learner, trainer.global_step, epoch)
            if not path.exists():  # else a killed process has saved the same epoch before
                checkpoint.save(path, entry)
        write_rows(self.run.results_csv, learner.progress["rows"])
        if self.progress is not None:
            self.progress.after_epoch(learner)
        if learner.finished:
            trainer.should_stop = True
        self._write(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the id of the run, so that the file of another run is not resumed from."""
        checkpoint["run"] = self.run_id

    def _write(self, trainer: Trainer) -> None:
        """Save ``resume.ckpt``."""
        with atomic_write(self.run.resume) as partial:
            trainer.save_checkpoint(partial, weights_only=False)
        self.written = time.monotonic()


def periodic_name(learner: Learner, step: int, epoch: Epoch) -> str:
    """Return the name of a checkpoint that stays: stage (after the first), epoch, step, learning rate and val score."""
    stage = f"stage{learner.number}-" if learner.number else ""
    score = "" if epoch.score is None else f"-val{epoch.score:.4f}"
    return f"{stage}epoch{int(epoch.row['epoch']):03d}-step{step}-lr{epoch.row['lr']:.3g}{score}.pt"
