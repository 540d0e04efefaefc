"""What a person sees of a training: losses, rate, time left; the same lines go into the run's log file."""

import sys
import time
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from polyhead.engine.learner import Learner
from polyhead.run import Run


class Log:
    """Prints lines, and appends them with the time to the run's ``log.txt``."""

    def __init__(self, run: Run, show: Callable[[str], None] = print) -> None:
        self.run, self.show = run, show

    def __call__(self, line: str) -> None:
        """One line, or several."""
        self.show(line)
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        with self.run.log.open("a", encoding="utf-8") as file:
            file.write("".join(f"{stamp} {part}\n" for part in line.splitlines()))


class Progress(Callback):
    """One line per epoch; on a terminal also one that moves with the steps.

    After 20 steps of a run it tells how long its stage will take, without validation.

    Args:
        log: where the lines go.
        stages: number of stages.
    """

    def __init__(self, log: Log, stages: int) -> None:
        self.say = log  # not self.log: Lightning puts its own there
        self.stages = stages
        self.moves = sys.stderr.isatty()
        self.told = False
        self.first = self.epoch = 0.0
        self.done = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell what is replayed; begin to measure, without the first step, which is slower than the rest."""
        assert isinstance(pl_module, Learner)
        if pl_module.stage.keep and not pl_module.older:
            self.say("there is no older task: what is to keep them has no effect in this stage")
        for keep in pl_module.stage.keep:
            for task, held in keep.memory().items():
                self.say(f"{task}: replays {len(held.places)} pictures, {held.bytes / 2**20:.2f} MiB")
        self.done = 0
        self.epoch = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Tell the time for the stage once, and move the moving line."""
        self.done += 1
        if self.done == 1:
            self.first = time.monotonic()
            return
        left = self._left(trainer)
        if self.done == 21 and not self.told:
            self.told = True
            self.say(f"20 steps seen: this stage will take about {minutes(left)}, validation not counted")
        if self.moves:
            assert isinstance(pl_module, Learner)
            state = pl_module.progress
            loss = state["sums"].get("loss", 0.0) / max(1, state["count"])
            steps = trainer.num_training_batches
            rate = trainer.optimizers[0].param_groups[0]["lr"]
            line = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs} step {batch_idx + 1}/{steps}"
            print(
                f"\r{line} loss {loss:.3f} lr {rate:.2e} left {minutes(left)}   ", end="", file=sys.stderr, flush=True
            )

    def _left(self, trainer: Trainer) -> float:
        pace = (time.monotonic() - self.first) / max(1, self.done - 1)
        total = int(trainer.num_training_batches) * int(trainer.max_epochs or 1)
        return pace * (total - trainer.fit_loop.total_batch_idx - 1)

    def after_epoch(self, learner: Learner) -> None:
        """The epoch's line, from its row."""
        if self.moves:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        row = learner.progress["rows"][-1]
        now = time.monotonic()
        number = f"stage {learner.number + 1}/{self.stages} " if self.stages > 1 else ""
        losses = " ".join(f"{name[6:]} {value:.3f}" for name, value in row.items() if name.startswith("train/"))
        scores = " ".join(f"{name[4:]} {value:.3f}" for name, value in row.items() if name.startswith("val/"))
        self.say(
            f"{number}epoch {int(row['epoch']) + 1}/{learner.stage.epochs} {now - self.epoch:.1f}s "
            f"lr {row['lr']:.1e} | train {losses} | val {scores}"
        )
        self.epoch = now


def minutes(seconds: float) -> str:
    """``"35 s"``, ``"12 min"``, ``"3 h 05 min"``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    whole = round(seconds / 60)
    return f"{whole} min" if seconds < 5400 else f"{whole // 60} h {whole % 60:02d} min"
