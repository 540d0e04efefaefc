"""The one LightningModule: a step over any number of tasks, their validation, and all that a resume needs."""

import time
from collections.abc import Mapping
from copy import deepcopy
from functools import partial
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from polyhead.contracts.task import Task
from polyhead.engine.optim import freeze, optimizer_of, schedule_of, stage_rates
from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError
from polyhead.metrics.forgetting import together
from polyhead.metrics.masks import Answer, settle
from polyhead.metrics.score import score
from polyhead.nets.inference import restored
from polyhead.nets.model import Model
from polyhead.rng import key
from polyhead.types import Batch

Row = dict[str, int | float]
"""One epoch in ``results.csv``."""


class Epoch(NamedTuple):
    """What an epoch brought: a row of ``results.csv``, the score that it is judged by, whether the stage keeps it."""

    row: Row
    score: float | None
    kept: bool


class Learner(LightningModule):
    """Trains the tasks of one stage and scores every task learnt so far.

    Args:
        model: with the heads of all tasks built.
        tasks: the data of every task that is scored; those in ``stage.tasks`` learn.
        stage: settings.
        number: of the stage, from 0.
        seed: of the run.
    """

    def __init__(self, model: Model, tasks: Mapping[str, Task], stage: Stage, number: int, seed: int) -> None:
        super().__init__()
        self.model = model
        self.ema = deepcopy(model).requires_grad_(False) if stage.ema else None
        self.tasks, self.stage, self.number, self.seed = tasks, stage, number, seed
        self.learning = [task for task in tasks if stage.tasks is None or task in stage.tasks]
        self.older = {name: task for name, task in tasks.items() if name not in self.learning}
        self.rates = stage_rates(model, stage, self.learning)
        longest = max(-(-len(tasks[task]) // tasks[task].batch) for task in self.learning)
        self.steps = max(1, round(stage.ratio * longest))
        balanced = self.learning if stage.balance == "uncertainty" else []
        self.uncertainty = nn.ParameterDict({task: nn.Parameter(torch.zeros(())) for task in balanced})
        self.factor = schedule_of(stage, -(-self.steps // stage.accumulate) * stage.epochs)
        self.progress: dict[str, Any] = {
            "rows": [],  # of results.csv, one per epoch so far, earlier stages included
            "sums": {},  # of this epoch's losses
            "count": 0,  # of this epoch's steps
            "time": 0.0,  # seconds of training so far, without what a kill has lost
            "best": None,  # score of the stage's best epoch
            "stale": 0,  # epochs since then
            "plateau": 1.0,  # factor of the rate
            "since_drop": 0,  # epochs without progress since the rate was lowered
        }
        self.clock = time.monotonic()
        self.kept: list[dict[str, Any]] = []
        self.predictions: dict[str, dict[str, Answer]] = {}
        self.val_losses: dict[str, list[Tensor]] = {}

    # Freezing holds against Lightning, which restores each module's mode after validation, and against train().

    def train(self, mode: bool = True) -> "Learner":
        """Set the mode of everything but frozen parts, whose batch norm statistics stay fixed."""
        super().train(mode)
        if mode:
            freeze(self.model, self.rates, self.learning if self.stage.fixed_norms else None)
        if self.ema is not None:
            self.ema.eval()
        return self

    def on_train_start(self) -> None:
        """Freeze, and let what keeps older tasks look at the model; runs also after a resume."""
        self.train()
        for keep in self.stage.keep:
            keep.start(self.model, self.older)
        for keep, state in zip(self.stage.keep, self.kept, strict=False):
            keep.load_state_dict(state)
        if self.finished:
            self.trainer.should_stop = True

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser alone: the rate is a function of the step, so there is no scheduler to restore."""
        optimizer = optimizer_of(self.model, self.stage, self.rates, fused=self.trainer.precision == "32-true")
        if self.uncertainty:
            lr = self.stage.lr
            group = {"params": list(self.uncertainty.values()), "lr": lr, "base": lr, "weight_decay": 0.0}
            optimizer.add_param_group(group)
        return optimizer

    # One step

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:  # Lightning's signature
        """Set this step's rate and seed, functions of the step alone; the last epoch is validated in any case."""
        if self.trainer.current_epoch + 1 == self.stage.epochs:
            self.trainer.check_val_every_n_epoch = 1
        factor = self.factor(self.trainer.global_step) * self.progress["plateau"]
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = group["base"] * factor
        torch.manual_seed(key(self.seed, self.number, self.trainer.fit_loop.total_batch_idx))

    # pylint: disable-next=arguments-differ,unused-argument  # Lightning's signature
    def training_step(self, batches: dict[str, Batch], batch_idx: int) -> Tensor:
        """One forward pass of the trunk for all tasks of one input shape; the sum of all losses."""
        features = self.model.features({task: batch.inputs for task, batch in batches.items()})
        raws = {task: self.model.head(task)(pyramid) for task, pyramid in features.items()}
        losses: dict[str, Tensor] = {}
        for task in self.learning:
            weight: float | Tensor = self.stage.weights.get(task, 1.0)
            if task in self.uncertainty:
                losses[f"{task}/uncertainty"] = self.uncertainty[task]
                weight = weight * torch.exp(-self.uncertainty[task])
            for name, value in self.model.head(task).losses(raws[task], batches[task]).items():
                losses[f"{task}/{name}"] = weight * value
        for keep in self.stage.keep:
            step = self.trainer.fit_loop.total_batch_idx
            for name, value in keep.losses(self.model, batches, features, raws, step).items():
                losses[f"keep/{name}"] = value
        total = torch.stack(list(losses.values())).sum()
        self._note(total, losses, batches)
        return total

    def _note(self, total: Tensor, losses: Mapping[str, Tensor], batches: Mapping[str, Batch]) -> None:
        """Stop at the first loss that is no number; else add the losses to the epoch's means."""
        names = ["loss", *losses]
        values = torch.stack([total, *losses.values()]).detach().tolist()
        broken = [name for name, value in zip(names, values, strict=True) if not abs(value) < float("inf")]
        if broken:
            ids = "; ".join(f"{task}: {', '.join(batch.ids)}" for task, batch in batches.items())
            raise PolyheadError(
                f"the loss is not finite ({', '.join(broken)}) at stage {self.number}, step "
                f"{self.trainer.global_step}; samples of this step: {ids}; look at them with 'polyhead data check', "
                "lower lr, or set clip"
            )
        sums = self.progress["sums"]
        for name, value in zip(names, values, strict=True):
            sums[name] = sums.get(name, 0.0) + value
        self.progress["count"] += 1

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Move the average when the optimiser has moved the weights: before any callback can save them."""
        super().optimizer_step(*args, **kwargs)
        if self.ema is None:
            return
        step = self.trainer.global_step
        decay = min(self.stage.ema or 0.0, (1 + step) / (10 + step))
        for average, value in zip(self.ema.state_dict().values(), self.model.state_dict().values(), strict=True):
            if average.is_floating_point():
                average.lerp_(value, 1 - decay)
            else:
                average.copy_(value)

    # Validation

    @property
    def judged(self) -> Model:
        """The weights that are scored and saved: the moving average where there is one."""
        return self.model if self.ema is None else self.ema

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation's predictions."""
        self.predictions = {task: {} for task in self.tasks}
        self.val_losses = {}

    # pylint: disable-next=arguments-differ,unused-argument  # Lightning's signature
    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Losses and predictions of one task's batch."""
        task = list(self.tasks)[dataloader_idx]
        head = self.judged.head(task)
        raw = head(self.judged.trunk(batch.inputs))
        for name, value in head.losses(raw, batch).items():
            self.val_losses.setdefault(f"{task}/{name}", []).append(value)
        data = self.tasks[task]
        self.predictions[task] |= settle(restored(head.decode(raw), batch), partial(data.mask, "val"), len(data.names))

    def scores(self) -> dict[str, dict[str, float]]:
        """The scores of every task on val, from the last validation's predictions; the main one first."""
        return {
            name: score(task.truths("val"), self.predictions[name], task.names) for name, task in self.tasks.items()
        }

    def close_epoch(self) -> Epoch:
        """Turn the epoch that has just been validated into its row, and judge it."""
        state = self.progress
        self.tick()
        row: Row = {"stage": self.number, "epoch": self.trainer.current_epoch, "time": state["time"]}
        row |= {f"train/{name}": value / max(1, state["count"]) for name, value in state["sums"].items()}
        row |= {f"val/{name}": float(torch.stack(values).mean()) for name, values in self.val_losses.items()}
        state["sums"], state["count"] = {}, 0
        result: float | None = None
        kept = False
        if self.predictions:
            scores = self.scores()
            row |= {f"val/{task}/{name}": value for task, named in scores.items() for name, value in named.items()}
            result = together([next(iter(named.values())) for named in scores.values()])
            kept = self._judge(result) or self.stage.checkpoint == "last"
        groups = self.trainer.optimizers[0].param_groups
        row |= {"lr": max(group["lr"] for group in groups), "kept": int(kept)}
        self.predictions, self.val_losses = {}, {}
        return Epoch(row, result, kept)

    def _judge(self, result: float) -> bool:
        """Count epochs without progress, lower the rate on a plateau, and end the stage when patience is over."""
        state = self.progress
        best = state["best"] is None or result > state["best"]
        if best:
            state |= {"best": result, "stale": 0, "since_drop": 0}
            return True
        state["stale"] += self.stage.val_every
        state["since_drop"] += self.stage.val_every
        if self.stage.schedule == "plateau" and state["since_drop"] > self.stage.plateau_patience:
            state["plateau"] *= 0.1
            state["since_drop"] = 0
        return False

    @property
    def finished(self) -> bool:
        """Whether the stage has run out of patience."""
        return self.stage.patience is not None and self.progress["stale"] > self.stage.patience

    # Resume

    def tick(self) -> None:
        """Add the time since the last tick to the training's."""
        now = time.monotonic()
        self.progress["time"] += now - self.clock
        self.clock = now

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Everything that Lightning does not know."""
        self.tick()
        kept = [keep.state_dict() for keep in self.stage.keep]
        checkpoint["polyhead"] = {"stage": self.number, "progress": self.progress, "keep": kept}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it back; what keeps older tasks gets its state after its start."""
        self.progress = checkpoint["polyhead"]["progress"]
        self.kept = checkpoint["polyhead"]["keep"]


def plain_state(model: nn.Module) -> dict[str, Tensor]:
    """A copy of a model's tensors on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
