"""The LightningModule: a training step over any number of tasks, validation, and the state for resuming."""

import math
import time
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from polyhead.contracts.kind import reduced
from polyhead.contracts.network import Head
from polyhead.contracts.task import Task
from polyhead.engine.optim import accumulation_factor, base_lr, freeze, optimizer_of, stage_lr_mult
from polyhead.engine.reduce import Totals, add_stats, loss_values, mean_stats
from polyhead.engine.schedule import batches_of, schedule_of, steps_of
from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError
from polyhead.metrics.columns import SKILL
from polyhead.metrics.forgetting import combined_score, rank_by
from polyhead.nets.checked import decoded, losses_of, stats_of
from polyhead.nets.inference import predictions_by_id
from polyhead.nets.model import Model
from polyhead.rng import derive_seed
from polyhead.stored.tensor_files import CHECKSUM, checksum
from polyhead.types import Batch, LossTerm

Row = dict[str, int | float]
"""A row of ``results.csv``, which is one epoch."""


class Epoch(NamedTuple):
    """The result of an epoch.

    Attributes:
        row: the row of ``results.csv``.
        score: of all tasks on val (:func:`polyhead.metrics.forgetting.combined_score`); None without a validation.
        selected: whether the stage selects the weights of this epoch.
    """

    row: Row
    score: float | None
    selected: bool


class NotFiniteError(PolyheadError):
    """A loss is NaN or infinite."""


class Learner(LightningModule):
    """A module that trains the tasks of one stage and scores every task trained so far.

    Args:
        model: the model, with the heads of all tasks built.
        tasks: the data of every task to score; those in ``stage.tasks`` are trained.
        stage: the settings.
        number: index of the stage, from 0.
        seed: seed of the run.
    """

    def __init__(self, model: Model, tasks: Mapping[str, Task], stage: Stage, number: int, seed: int) -> None:
        super().__init__()
        self.model = model
        self.ema = deepcopy(model).requires_grad_(False) if stage.ema else None
        self.tasks, self.stage, self.number, self.seed = tasks, stage, number, seed
        self.trained = [task for task in tasks if stage.tasks is None or task in stage.tasks]
        self.earlier = {name: task for name, task in tasks.items() if name not in self.trained}
        self.lr_mult = stage_lr_mult(model, stage, self.trained)
        self.steps = batches_of(stage, {task: tasks[task] for task in self.trained})  # batches per epoch
        weighted = self.trained if stage.loss_weighting == "uncertainty" else []
        self.uncertainty = nn.ParameterDict({task: nn.Parameter(torch.zeros(())) for task in weighted})
        self.factor = schedule_of(stage, steps_of(stage, self.steps))
        self.progress: dict[str, Any] = {
            "rows": [],  # of results.csv, one per epoch so far, including earlier stages
            "sums": {},  # of each loss over the steps of this epoch
            "count": 0,  # steps of this epoch
            "stats": {},  # sum and count of each statistic in this epoch
            "time": 0.0,  # seconds of training so far, without what was lost when a process was killed
            "best": None,  # score of the stage's best epoch
            "to_beat": -math.inf,  # score that an epoch must exceed to be selected: that of the weights kept so far
            "stale": 0,  # epochs since the best one
            "plateau": 1.0,  # learning rate factor of the schedule "plateau"
            "since_drop": 0,  # epochs without a better score since the learning rate was last lowered
        }
        self.clock = time.monotonic()
        self.continual_state: list[dict[str, Any]] = []
        self.started = False  # whether a saved state, if there is one, has been restored
        self.predictions: dict[str, dict[str, Any]] = {}  # reduced, by task and sample id
        self.dummies: dict[str, float] = {}
        self.val_losses: dict[str, list[Tensor]] = {}
        self.val_stats: Totals = {}

    # Lightning restores each module's mode after validation and calls train(), so freezing is applied here.

    def train(self, mode: bool = True) -> "Learner":
        """Set the mode of all parts except the frozen ones, whose batch norm statistics stay fixed."""
        super().train(mode)
        if mode:
            freeze(self.model, self.lr_mult, self.trained if self.stage.freeze_bn_stats else None)
        if self.ema is not None:
            self.ema.eval()
        return self

    def on_train_start(self) -> None:
        """Freeze parts and start the continual losses; this also runs after a resume, and then restores their state."""
        self.train()
        self.on_train_epoch_start()  # Lightning does not call it when it resumes within an epoch
        for loss in self.stage.continual:
            loss.start(self.model, self.earlier)
        for loss, state in zip(self.stage.continual, self.continual_state, strict=False):
            loss.load_state_dict(state)
        self.started = True
        if self.finished:
            self.trainer.should_stop = True

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Build the optimizer. There is no scheduler to restore: the learning rate is a function of the step."""
        optimizer = optimizer_of(self.model, self.stage, self.lr_mult, fused=self.trainer.precision == "32-true")
        if self.uncertainty:
            lr = base_lr(self.model, self.stage)
            group = {"params": list(self.uncertainty.values()), "lr": lr, "base": lr, "weight_decay": 0.0}
            optimizer.add_param_group(group)
        return optimizer

    # Training step

    @property
    def fraction_done(self) -> float:
        """The fraction of the stage's steps before the current one, 0..1; in a validation, before the last one."""
        return self.trainer.fit_loop.total_batch_idx / (self.steps * self.stage.epochs)

    def on_train_epoch_start(self) -> None:
        """Have the last epoch validated, whatever ``val_every`` is."""
        if self.trainer.current_epoch + 1 == self.stage.epochs:
            self.trainer.check_val_every_n_epoch = 1

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:  # Lightning's signature
        """Set the learning rate and the seed of this step; both are functions of the step alone."""
        factor = self.factor(self.trainer.global_step) * self.progress["plateau"]
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = group["base"] * factor
        torch.manual_seed(derive_seed(self.seed, self.number, self.trainer.fit_loop.total_batch_idx))

    # pylint: disable-next=arguments-differ  # Lightning's signature
    def training_step(self, batches: dict[str, Batch], batch_idx: int) -> Tensor:
        """Return the sum of all losses; the trunk runs once for all tasks with the same input shape."""
        features = self.model.features({task: batch.inputs for task, batch in batches.items()})
        raws = {task: self.model.head(task)(pyramid) for task, pyramid in features.items()}
        values = loss_values(
            {task: self._losses(self.model.head(task), raws[task], batches[task], task) for task in self.trained}
        )
        losses: dict[str, Tensor] = {}
        for task, named in values.items():
            weight: float | Tensor = self.stage.weights.get(task, 1.0)
            if task in self.uncertainty:
                losses[f"{task}/uncertainty"] = self.uncertainty[task]
                weight = weight * torch.exp(-self.uncertainty[task])
            for name, value in named.items():
                losses[f"{task}/{name}"] = weight * value
        for loss in self.stage.continual:
            step = self.trainer.fit_loop.total_batch_idx
            for name, value in loss.losses(self.model, batches, features, raws, step).items():
                losses[f"continual/{name}"] = value
        total = torch.stack(list(losses.values())).sum()
        self._add_to_means(total, losses, batches)
        with torch.no_grad():
            for task in self.trained:
                add_stats(self.progress["stats"], task, stats_of(self.model.head(task), raws[task], batches[task]))
        factor = accumulation_factor(batch_idx, self.steps, self.stage.accumulate)
        return total if factor == 1 else factor * total

    def _losses(self, head: Head, raw: Any, batch: Batch, task: str) -> Mapping[str, LossTerm]:
        """Return the losses of a task, whose columns in ``results.csv`` are not those of its scores."""
        taken = [SKILL, *(score.name for score in self.tasks[task].kind.scores)]
        return losses_of(head, raw, batch, self.fraction_done, taken)

    def _add_to_means(self, total: Tensor, losses: Mapping[str, Tensor], batches: Mapping[str, Batch]) -> None:
        """Add the losses of a step to the epoch's means.

        Raises:
            NotFiniteError: when a loss is NaN or infinite.
        """
        names = ["loss", *losses]
        values = torch.stack([total, *losses.values()]).detach().tolist()
        invalid = [name for name, value in zip(names, values, strict=True) if not abs(value) < float("inf")]
        if invalid:
            ids = "; ".join(f"{task}: {', '.join(batch.ids)}" for task, batch in batches.items())
            raise NotFiniteError(
                f"stage {self.number}, step {self.trainer.global_step}: the loss is not finite ({', '.join(invalid)}). "
                "Lower lr, set grad_clip_norm, or check the data with 'polyhead data check'. Samples of this step: "
                f"{ids}"
            )
        sums = self.progress["sums"]
        for name, value in zip(names, values, strict=True):
            sums[name] = sums.get(name, 0.0) + value
        self.progress["count"] += 1

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Update the weights, then their moving average, before any callback can save them."""
        super().optimizer_step(*args, **kwargs)
        if self.ema is None:
            return
        step = self.trainer.global_step
        decay = min(self.stage.ema or 0.0, (1 + step) / (10 + step))  # less smoothing in the first steps
        for average, value in zip(self.ema.state_dict().values(), self.model.state_dict().values(), strict=True):
            if average.is_floating_point():
                average.lerp_(value, 1 - decay)
            else:  # counters of batch norm
                average.copy_(value)

    # Validation

    @property
    def scored_model(self) -> Model:
        """The model that is scored and saved: the moving average where there is one."""
        return self.model if self.ema is None else self.ema

    def on_validation_epoch_start(self) -> None:
        """Clear the predictions of the last validation."""
        self.predictions = {task: {} for task in self.tasks}
        self.val_losses, self.val_stats = {}, {}

    # pylint: disable-next=arguments-differ,unused-argument  # Lightning's signature
    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Add the losses and predictions of one batch; the data loaders are in the order of the tasks."""
        task = list(self.tasks)[dataloader_idx]
        head = self.scored_model.head(task)
        raw = head(self.scored_model.trunk(batch.inputs, task))
        for name, value in loss_values({task: self._losses(head, raw, batch, task)})[task].items():
            self.val_losses.setdefault(f"{task}/{name}", []).append(value)
        add_stats(self.val_stats, task, stats_of(head, raw, batch))
        data = self.tasks[task]
        targets = data.targets("val")
        for sample_id, found in predictions_by_id(data.kind, decoded(head, raw, data.kind, batch), batch).items():
            self.predictions[task][sample_id] = reduced(targets, sample_id, found)

    def scores(self) -> dict[str, dict[str, float]]:
        """Return the scores of every task on val, the main one first, from the predictions of the last validation."""
        scores = {
            name: task.kind.score(task.targets("val"), self.predictions[name]) for name, task in self.tasks.items()
        }
        for name, named in scores.items():
            main = self.tasks[name].kind.main
            if not main.higher_is_better:
                named[SKILL] = main.skill(named[main.name], self.dummy(name))
        return scores

    def dummy(self, task: str) -> float:
        """Return the main score of a task's dummy baseline on val."""
        if task not in self.dummies:
            data = self.tasks[task]
            self.dummies[task] = data.kind.dummy(data.targets("train"), data.targets("val"))
        return self.dummies[task]

    def close_epoch(self) -> Epoch:
        """Return the result of the epoch, and update the state of early stopping and of the schedule ``plateau``."""
        state = self.progress
        self.tick()
        row: Row = {"stage": self.number, "epoch": self.trainer.current_epoch + 1, "time": state["time"]}
        row |= {f"train/{name}": value / max(1, state["count"]) for name, value in state["sums"].items()}
        row |= {f"val/{name}": float(torch.stack(values).mean()) for name, values in self.val_losses.items()}
        row |= {f"stats/train/{name}": value for name, value in mean_stats(state["stats"]).items()}
        row |= {f"stats/val/{name}": value for name, value in mean_stats(self.val_stats).items()}
        state["sums"], state["count"], state["stats"] = {}, 0, {}
        result: float | None = None
        selected = False
        if self.predictions:
            scores = self.scores()
            row |= {f"val/{task}/{name}": value for task, named in scores.items() for name, value in named.items()}
            result = combined_score({task: rank_by(self.tasks[task].kind, named) for task, named in scores.items()})
            is_best = self._update_best(result)
            selected = (is_best and result > state["to_beat"]) or self.stage.checkpoint == "last"
        if selected:  # its weights replace those of an earlier epoch
            for earlier in state["rows"]:
                if earlier["stage"] == self.number:
                    earlier["selected"] = 0
        groups = self.trainer.optimizers[0].param_groups
        row |= {"lr": max(group["lr"] for group in groups), "selected": int(selected)}
        self.predictions, self.val_losses, self.val_stats = {}, {}, {}
        return Epoch(row, result, selected)

    def _update_best(self, result: float) -> bool:
        """Store a new best score; else count the epoch and lower the lr on a plateau. Return whether it is the best."""
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
        """Whether the stage stops early, because ``patience`` has run out."""
        return self.stage.patience is not None and self.progress["stale"] > self.stage.patience

    # Resume

    def tick(self) -> None:
        """Add the time since the last call to the training time."""
        now = time.monotonic()
        self.progress["time"] += now - self.clock
        self.clock = now

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the state that Lightning does not save."""
        self.tick()
        states = [loss.state_dict() for loss in self.stage.continual]
        checkpoint["polyhead"] = {"stage": self.number, "progress": self.progress, "continual": states}
        checkpoint[CHECKSUM] = checksum(checkpoint)  # Lightning calls this last

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore that state; continual losses get theirs after they have been started."""
        self.progress |= checkpoint["polyhead"]["progress"]
        self.progress["rows"] = counted_from_one(self.progress["rows"])
        self.continual_state = checkpoint["polyhead"]["continual"]


def counted_from_one(rows: list[Row]) -> list[Row]:
    """Return rows whose epochs are counted from 1; those of a run that an older version began are counted from 0."""
    return [{**row, "epoch": row["epoch"] + 1} for row in rows] if rows and rows[0]["epoch"] == 0 else list(rows)


def plain_state(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of a model's tensors on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
