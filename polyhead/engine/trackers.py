"""Log a training to experiment trackers: TensorBoard, Weights & Biases, MLflow and trackio.

A tracker gets what ``results.csv`` and ``results.json`` have, and cannot change the training. What it needs to find its
run again after a kill is in ``trackers.json``. Nothing leaves this machine unless the user's environment says so
(``WANDB_MODE``, ``MLFLOW_TRACKING_URI``, ``TRACKIO_SPACE_ID``).
"""

import contextlib
import io
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from secrets import token_hex
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from polyhead.engine.learner import Learner
from polyhead.engine.tracker_names import check_trackers
from polyhead.run import Run, read_json, write_json

PROJECT = "polyhead"
STEPS = 10
"""The loss and the learning rate of every tenth step are logged."""
PRIVATE = {
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_SILENT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",  # else a folder is refused in favor of a database, which needs more packages
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
}
"""Settings of the packages with which they send nothing that was not asked for."""


class Trackio(Logger):
    """A logger of trackio, for which Lightning has none.

    Args:
        run: name of the run in the project; one that exists is resumed.
    """

    def __init__(self, run: str) -> None:
        super().__init__()
        self._name = run
        self._run: Any = None

    @property
    def name(self) -> str:
        """The name of the project."""
        return os.environ.get("TRACKIO_PROJECT", PROJECT)

    @property
    def version(self) -> str:
        """The name of the run."""
        return self._name

    def _opened(self, config: dict[str, Any] | None = None) -> Any:
        """Return the run of trackio."""
        if self._run is None:
            import trackio

            with contextlib.redirect_stdout(io.StringIO()):
                self._run = trackio.init(
                    self.name,
                    self._name,
                    config=config,
                    resume="allow",
                    embed=False,
                    auto_log_gpu=False,
                    auto_log_cpu=False,
                )
        return self._run

    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        """Store the configuration; it is given when the run is made."""
        self._opened(dict(params))

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log numbers of a step."""
        self._opened().log(dict(metrics), step=step)

    def finalize(self, status: str) -> None:
        """Write what is left, and close the run."""
        if self._run is not None:
            import trackio

            with contextlib.redirect_stdout(io.StringIO()):
                trackio.finish()  # type: ignore[no-untyped-call]  # trackio has no types
            self._run = None


class Trackers(Callback):
    """A callback that logs epochs and steps to trackers; it runs after an epoch has been saved, and has no state.

    Args:
        run: the run folder.
        loggers: the trackers by name.
    """

    def __init__(self, run: Run, loggers: Mapping[str, Logger]) -> None:
        self.run, self.loggers = run, loggers
        self.plans: list[dict[str, Any]] = []

    @property
    def logged(self) -> int:
        """The number of epochs that were logged."""
        return int(_read(self.run).get("epochs", 0))

    def write(self, metrics: Mapping[str, Any], step: int) -> None:  # not log, which Lightning sets
        """Log numbers to all trackers."""
        for logger in self.loggers.values():
            logger.log_metrics(dict(metrics), step)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the epochs that were saved before a process was killed."""
        self.plans = self.run.read_manifest().get("schedules", [])
        self._log_epochs(pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log the loss and the learning rate of some steps."""
        assert isinstance(pl_module, Learner)
        step = trainer.global_step
        stepped = (batch_idx + 1) % pl_module.stage.accumulate == 0
        if not stepped or (step - 1) % STEPS or not isinstance(outputs, Mapping):
            return
        lr = max(group["lr"] for group in trainer.optimizers[0].param_groups)
        before = sum(plan["steps"] for plan in self.plans[: pl_module.number])
        self.write({"step/loss": float(outputs["loss"]), "step/lr": lr}, before + step)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the epoch that has been saved."""
        self._log_epochs(pl_module)

    def _log_epochs(self, learner: LightningModule) -> None:
        assert isinstance(learner, Learner)
        rows = learner.progress["rows"]
        for row in rows[self.logged :]:
            values = {key: float(value) for key, value in row.items() if key != "selected"}  # which may change later
            named = {key if "/" in key else f"epoch/{key}": value for key, value in values.items()}
            self.write(named, step_of(row, self.plans))
        _write(self.run, epochs=len(rows))

    def log_results(self) -> None:
        """Log the final scores, at the last step."""
        step = sum(plan["steps"] for plan in self.run.read_manifest().get("schedules", []))
        found: dict[str, float] = {}
        for split, entries in self.run.results.items():
            for task, numbers in entries.get("tasks", {}).items() if isinstance(entries, Mapping) else ():
                low, high = (*numbers.get("interval", ()), None, None)[:2]
                dummy = (numbers.get("dummy_baseline") or {}).get("score")
                values = {"score": numbers["score"], "low": low, "high": high, "dummy_baseline": dummy}
                found |= {f"final/{split}/{task}/{key}": value for key, value in values.items() if value is not None}
        if found:
            self.write(found, step)


def step_of(row: Mapping[str, int | float], plans: Sequence[Mapping[str, Any]]) -> int:
    """Return the step, counted over all stages, at the end of an epoch.

    Args:
        row: the epoch.
        plans: the schedule of each stage.

    Examples:
        >>> step_of({"stage": 1, "epoch": 2}, [{"steps": 100, "epochs": 10}, {"steps": 30, "epochs": 3}])
        120
    """
    stage = int(row["stage"])
    before, plan = sum(each["steps"] for each in plans[:stage]), plans[stage]
    return int(before + round(plan["steps"] * row["epoch"] / plan["epochs"]))


@contextmanager
def tracking(
    names: Sequence[str], run: Run, config: Mapping[str, Any] | None, log: Callable[[str], None]
) -> Iterator[list[Trackers]]:
    """Open the trackers of a run, log its final scores at the end of the block, and close them.

    Args:
        names: the trackers (:data:`polyhead.engine.tracker_names.TRACKERS`).
        run: the run folder.
        config: the recipe, which is logged once; None for a run of :func:`polyhead.fit`.
        log: receives a line for each tracker.

    Yields:
        The callback; none without trackers.

    Raises:
        PolyheadError: if a package is not installed.
    """
    if not names:
        yield []
        return
    check_trackers(names)
    for variable, value in PRIVATE.items():
        os.environ.setdefault(variable, value)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)  # that MLflow has made an experiment
    if "id" not in _read(run):
        _write(run, id=token_hex(4))
    loggers: dict[str, Logger] = {}
    status = "failed"
    try:
        for name in names:
            loggers[name] = _open(name, run, config)
            log(f"logger: {name}; {_where(name, run)}")
        trackers = Trackers(run, loggers)
        yield [trackers]
        trackers.log_results()
        status = "success"
    finally:
        for logger in loggers.values():
            logger.finalize(status)
            if isinstance(logger, WandbLogger):  # which leaves the run open, so that a later one would continue it
                logger.experiment.finish(exit_code=int(status != "success"))


def _open(name: str, run: Run, config: Mapping[str, Any] | None) -> Logger:
    """Return a tracker, which continues the run that it has of an interrupted training."""
    known = _read(run)
    folder = str(run.folder)
    logger: Logger
    if name == "tensorboard":
        logger = TensorBoardLogger(folder, name="", version=name)
    elif name == "wandb":
        logger = WandbLogger(experiment=_wandb_run(run, known["id"]))
    elif name == "mlflow":
        place = os.environ.get("MLFLOW_TRACKING_URI") or (run.folder.resolve() / "mlruns").as_uri()
        experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        logger = MLFlowLogger(experiment, run.name, place, run_id=known.get("mlflow"))
        _write(run, mlflow=logger.run_id)
    else:
        logger = Trackio(f"{run.name}-{known['id']}")
    if name not in known.get("configured", []):
        logger.log_hyperparams(dict(flat(config or {})))
        _write(run, configured=[*known.get("configured", []), name])
    return logger


def _wandb_run(run: Run, identifier: str) -> Any:
    """Return the run of W&B; Lightning would start it with a setting that has been removed."""
    import wandb

    found = wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        name=run.name,
        id=identifier,
        dir=str(run.folder),
        mode=None if os.environ.get("WANDB_MODE") else "offline",
        resume="allow",
        settings=wandb.Settings(silent=True, console="off", disable_git=True, save_code=False),
    )
    found.define_metric("trainer/global_step")
    found.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    return found


def _where(name: str, run: Run) -> str:
    """Return how what a tracker has is looked at."""
    folder = run.quoted
    return {
        "tensorboard": f"tensorboard --logdir {folder}",
        "wandb": f"wandb sync {folder}/wandb/offline-run-*",
        "mlflow": f"MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri {folder}/mlruns",
        "trackio": f"trackio show --project {os.environ.get('TRACKIO_PROJECT', PROJECT)}",
    }[name]


def flat(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield all settings of a recipe with their key paths."""
    if isinstance(node, Mapping) or (isinstance(node, list) and any(isinstance(each, Mapping) for each in node)):
        for name, value in node.items() if isinstance(node, Mapping) else enumerate(node):
            yield from flat(value, f"{key}.{name}" if key else str(name))
    else:
        yield key, node if isinstance(node, str | int | float) else str(node)


def _read(run: Run) -> dict[str, Any]:
    return read_json(run.folder / "trackers.json")


def _write(run: Run, **entries: Any) -> None:
    write_json(run.folder / "trackers.json", {**_read(run), **entries})
