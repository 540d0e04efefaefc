"""Progress output of a training, on the screen and in the run's log file."""

import sys
import time
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from polyhead.engine.learner import Learner
from polyhead.errors import printable
from polyhead.run import Run

ESTIMATE_AFTER = 20
"""Steps that are timed before the duration of the stage is estimated."""
VALIDATION = 0.5
"""Time for a validated image, in that of a training image, as long as no validation has been timed."""


class Log:
    """A logger that prints lines and appends them with a time stamp to the run's ``log.txt``."""

    def __init__(self, run: Run, show: Callable[[str], None] = print) -> None:
        self.run, self.show = run, show

    def __call__(self, text: str) -> None:
        """Log one line or several."""
        text = printable(text)
        self.show(text)
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        with self.run.log.open("a", encoding="utf-8") as file:
            file.write("".join(f"{stamp} {line}\n" for line in text.splitlines()))


class Progress(Callback):
    """A callback that logs one line per epoch and, on a terminal, updates a status line at every step.

    Once per run, after :data:`ESTIMATE_AFTER` steps, it logs an estimate of how long the stage takes.

    Args:
        log: receives the lines.
        stages: number of stages.
    """

    def __init__(self, log: Log, stages: int) -> None:
        self.write = log  # not self.log, which Lightning sets
        self.stages = stages
        self.is_terminal = sys.stderr is not None and sys.stderr.isatty()  # None in a program without a console
        self.shown = 0  # characters of the status line
        self.estimated = False
        self.first_step = self.epoch_start = 0.0
        self.steps = 0
        self.validation_start = self.validation = self.validations = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log what is replayed, and start timing."""
        assert isinstance(pl_module, Learner)
        if pl_module.stage.continual and not pl_module.earlier:
            self.write("No earlier task: 'continual' is ignored in this stage.")
        for loss in pl_module.stage.continual:
            for task, exemplars in loss.replay_summary().items():
                self.write(f"{task}: replays {len(exemplars.indices)} images, {exemplars.bytes / 2**20:.2f} MiB")
        self.steps = 0
        self.validation = self.validations = 0.0  # seconds of the last validation, and of all of this stage
        self.epoch_start = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log the estimated duration once, and update the status line."""
        assert isinstance(pl_module, Learner)
        self.steps += 1
        if self.steps == 1:  # the first step is slower than the others, so it is not timed
            self.first_step = time.monotonic()
            return
        left = self._seconds_left(trainer, pl_module)
        if self.steps == ESTIMATE_AFTER + 1 and not self.estimated:
            self.estimated = True
            self.write(f"time left for this stage, validation included: about {format_duration(left)}")
        if self.is_terminal:
            state = pl_module.progress
            loss = state["sums"].get("loss", 0.0) / max(1, state["count"])
            lr = trainer.optimizers[0].param_groups[0]["lr"]
            position = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
            position += f" step {batch_idx + 1}/{trainer.num_training_batches}"
            line = f"{position} loss {loss:.3f} lr {lr:.2e} left {format_duration(left)}"
            print(f"\r{line:<{self.shown}}", end="", file=sys.stderr, flush=True)
            self.shown = len(line)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start timing a validation."""
        self.validation_start = time.monotonic()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Time a validation."""
        self.validation = time.monotonic() - self.validation_start
        self.validations += self.validation

    def _seconds_left(self, trainer: Trainer, learner: Learner) -> float:
        """Estimate the remaining seconds of the stage from the steps and the validation so far."""
        pace = (time.monotonic() - self.first_step - self.validations) / max(1, self.steps - 1)
        epochs = learner.stage.epochs
        steps = learner.steps * epochs - trainer.fit_loop.total_batch_idx - 1
        validation = self.validation
        if not validation:
            images = sum(len(task.targets("val")) for task in learner.tasks.values())
            validation = VALIDATION * pace * images / sum(learner.tasks[task].batch for task in learner.trained)
        return pace * steps + validation * -(-(epochs - trainer.current_epoch) // learner.stage.val_every)

    def after_epoch(self, learner: Learner) -> None:
        """Log the last epoch's row of ``results.csv`` as a line."""
        if self.is_terminal:
            print("\r", " " * self.shown, "\r", sep="", end="", file=sys.stderr, flush=True)  # erases the status line
        row = learner.progress["rows"][-1]
        now = time.monotonic()
        number = f"stage {learner.number + 1}/{self.stages} " if self.stages > 1 else ""
        losses = " ".join(
            f"{name.removeprefix('train/')} {value:.3f}" for name, value in row.items() if name.startswith("train/")
        )
        scores = " ".join(
            f"{name.removeprefix('val/')} {value:.3f}" for name, value in row.items() if name.startswith("val/")
        )
        self.write(
            f"{number}epoch {int(row['epoch'])}/{learner.stage.epochs} {now - self.epoch_start:.1f}s "
            f"lr {row['lr']:.1e} | train {losses}" + (f" | val {scores}" if scores else "")
        )
        self.epoch_start = now


def format_duration(seconds: float) -> str:
    """Format a duration: ``"35 s"``, ``"12 min"``, ``"3 h 05 min"``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if seconds < 5400 else f"{minutes // 60} h {minutes % 60:02d} min"
