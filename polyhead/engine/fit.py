"""``fit(model, tasks, stages, run)`` trains all stages and can resume at any step."""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import Tensor

from polyhead import checkpoint
from polyhead.contracts.task import Task
from polyhead.engine.checkpointing import Saver
from polyhead.engine.foreign import norm_warning, restore_norms
from polyhead.engine.initialize import Names, initialize, part_tensors
from polyhead.engine.learner import Learner, Row, counted_from_one
from polyhead.engine.optim import freeze, optimizer_of, stage_lr_mult
from polyhead.engine.progress import Progress
from polyhead.engine.resume import identity, load_state
from polyhead.engine.schedule import plan_of, record
from polyhead.engine.stage import Stage, check_tasks, trained_tasks
from polyhead.engine.train_stage import fit_stage
from polyhead.errors import PolyheadError
from polyhead.nets.batch_norm import allow_single_values
from polyhead.nets.model import Model
from polyhead.nets.precision import resolve
from polyhead.rng import derive_seed, fork_rng
from polyhead.run import Run, atomic_write, write_rows
from polyhead.stored import tensor_files
from polyhead.stored.tensor_files import CHECKSUM, checksum


def fit(
    model: Model,
    tasks: Mapping[str, Task],
    stages: Sequence[Stage],
    run: Run,
    *,
    describe: Mapping[str, Any],
    seed: int = 0,
    precision: str = "auto",
    save_seconds: float = 60.0,
    progress: Progress | None = None,
    callbacks: Sequence[Callback] = (),
    after_saving: Sequence[Callback] = (),
) -> Run:
    """Train a model and save everything to the run folder; resume where an interrupted run stopped.

    Weights are saved after every epoch that is selected (``weights/best.pt``), after every epoch (``last.pt``) and for
    every stage (``stage0.pt``…: the selected epoch of the stage). A stage starts from the selected weights of the
    previous one. Where it trains the same tasks, its epochs are selected only if they are better than those weights.

    Args:
        model: the model; the heads of all tasks, and what else depends on the data, are built here.
        tasks: the data of each task, by head name.
        stages: the settings of each stage, in order.
        run: the run folder; if it contains ``resume.ckpt``, training resumes from there.
        describe: the entries that a weights file needs besides tensors to be loaded anywhere
            (:mod:`polyhead.checkpoint`).
        seed: random seed; the same seed gives the same weights (on a CPU).
        precision: ``auto``, or one of Lightning's names (``32-true``, ``bf16-mixed``, ``16-mixed``).
        save_seconds: minimum time between two saves of ``resume.ckpt`` within an epoch; 0 saves after every step.
        progress: the callback that logs the progress, or None.
        callbacks: Lightning callbacks, which run before the state is saved.
        after_saving: callbacks without a state of their own, which run after it has been saved.

    Returns:
        The run.

    Raises:
        PolyheadError: when the settings do not fit the model, or a loss is not finite.
    """
    check_tasks(stages, tasks)
    build_heads(model, tasks, seed)
    model.to(memory_format=torch.channels_last)
    state = load_state(run)
    first = 0 if state is None else int(state["polyhead"]["stage"])
    rows: list[Row] = [] if state is None else counted_from_one(state["polyhead"]["progress"]["rows"])
    _check_progress(run, stages, first, rows)
    run_id = identity(run, state)
    within_first = state is not None and "loops" in state  # else the run is before the first step of a stage
    record(run, [plan_of(model, stage, tasks) for stage in stages], first, within=within_first)
    run.update_manifest(kinds={name: task.kind.name for name, task in tasks.items()}, id=run_id)
    for number in range(first, len(stages)):
        within_stage = within_first and number == first
        if state is not None and number == first:
            prefix = "model."  # the model within the learner
            tensors = {
                name.removeprefix(prefix): value
                for name, value in state["state_dict"].items()
                if name.startswith(prefix)
            }
            checkpoint.fill(model, tensors, run.resume, "Resume with the model that the run was started with.")
        if not within_stage:
            initialize(model, stages[number].init, {name: task.names for name, task in tasks.items()})
            if number == 0 or stages[number].init:  # else the weights come from the stage before
                _prepare_foreign(model, tasks, stages[number], seed, progress)
        learner = _learner(model, tasks, stages, number, seed)
        learner.progress |= {"rows": rows, "time": rows[-1]["time"] if rows else 0.0}
        if not within_stage and _repeats_tasks(stages, number, tasks):
            learner.progress["to_beat"] = _keep_earlier(run, number)
        saver = Saver(run, run_id, dict(describe), save_seconds, progress)
        reporting = [] if progress is None else [progress]
        resume_from = run.resume if within_stage else None
        fit_stage(learner, run, resolve(precision), [*callbacks, *reporting, saver, *after_saving], resume_from)
        rows = _finish_stage(learner, run, run_id, number, len(stages), progress)
    return run


def _prepare_foreign(
    model: Model, tasks: Mapping[str, Task], stage: Stage, seed: int, progress: Progress | None
) -> None:
    """Restore missing statistics of weights that came from elsewhere, and log it and what is wrong with others."""
    trained = {name: task for name, task in tasks.items() if stage.tasks is None or name in stage.tasks}
    restored = restore_norms(model, trained, seed)
    model.train()
    freeze(model, stage_lr_mult(model, stage, trained), trained if stage.freeze_bn_stats else None)
    for line in (restored, norm_warning(model, trained, seed)):
        if line is not None and progress is not None:
            progress.write(line)


def build_heads(model: Model, tasks: Mapping[str, Task], seed: int) -> None:
    """Build the heads, and parts of the trunk, that the model does not have yet.

    Their initial weights are a function of the run's seed. Those of the heads do not depend on the trunk.
    """
    infos = {name: task.info for name, task in tasks.items()}
    inputs = {name: task.inputs_spec for name, task in tasks.items()}
    with fork_rng(seed, "weights"):
        model.build_trunk(infos, inputs)
    torch.manual_seed(derive_seed(seed, "weights"))
    model.build(infos, inputs)
    allow_single_values(model.float())  # float32, also where a program has set another default type


def _check_progress(run: Run, stages: Sequence[Stage], first: int, rows: Sequence[Row]) -> None:
    """Check that the settings of an interrupted or finished run have not become less than what it has done.

    Args:
        run: the run.
        stages: the settings.
        first: index of the stage in which the run is.
        rows: its epochs so far.

    Raises:
        PolyheadError: if they have.
    """
    if first >= len(stages):
        raise PolyheadError(
            f"{run.folder}: the run is in stage {first + 1}, but has the settings of {len(stages)} only. Restore its "
            "stages, or start a new run."
        )
    done = sum(row["stage"] == first for row in rows)
    if done > stages[first].epochs:
        raise PolyheadError(
            f"{run.folder}: stage {first + 1} has trained {done} epochs already, more than its setting epochs="
            f"{stages[first].epochs}. Set stages.{first}.epochs to {done} or more, or start a new run."
        )


def check_stage(model: Model, stage: Stage, names: Names) -> None:
    """Check that the parts that a stage names exist, that their initial weights fit, and that some part is trained.

    Args:
        model: the model, with its heads built.
        stage: a stage of the run.
        names: class names of the tasks.

    Raises:
        PolyheadError: for the first setting that is wrong.
    """
    for part, source in stage.init.items():
        part_tensors(model, part, source, names)
    optimizer_of(model, stage, stage_lr_mult(model, stage, stage.tasks or names), fused=False)


def _learner(model: Model, tasks: Mapping[str, Task], stages: Sequence[Stage], number: int, seed: int) -> Learner:
    """Build the learner of a stage; it scores all tasks trained so far, here or where their heads were loaded from."""
    stage = stages[number]
    trained = trained_tasks(stages[: number + 1], tasks)
    scored = {name: task for name, task in tasks.items() if name in trained}
    return Learner(model, scored, stage, number, seed)


def _repeats_tasks(stages: Sequence[Stage], number: int, tasks: Collection[str]) -> bool:
    """Return whether a stage trains and scores the tasks of the stage before it, and selects its best epoch.

    The scores of the two stages can then be compared.
    """
    if number == 0 or stages[number].checkpoint == "last":
        return False
    trained = [set(stage.tasks or tasks) for stage in stages[number - 1 : number + 1]]
    scored = [trained_tasks(stages[:count], tasks) for count in (number, number + 1)]
    return trained[0] == trained[1] and scored[0] == scored[1]


def _keep_earlier(run: Run, number: int) -> float:
    """Keep the weights of the stage before as those of this one until an epoch is better; return their score."""
    earlier = checkpoint.load(run.stage_weights(number - 1))
    checkpoint.save(run.stage_weights(number), earlier)
    checkpoint.save(run.best, earlier)
    return -math.inf if earlier.score is None else earlier.score


def _finish_stage(
    learner: Learner, run: Run, run_id: str, number: int, count: int, progress: Progress | None
) -> list[Row]:
    """Load the selected weights of the stage, and save the state from which the next stage starts."""
    path = run.stage_weights(number)
    selected = checkpoint.load(path)
    checkpoint.fill(learner.model, selected.state, path)
    checkpoint.save(run.best, selected)  # the same content, again where a resumed run has lost or damaged it
    if progress is not None and selected.stage < number:
        progress.write(
            f"stage {number + 1}/{count}: no epoch is better on val than stage {selected.stage + 1}, whose weights are "
            "kept"
        )
    rows: list[Row] = learner.progress["rows"]
    if number + 1 < count:
        save_between_stages(run, run_id, number + 1, learner.model.state_dict(), rows)
    write_rows(run.results_csv, rows)
    return rows


def save_between_stages(run: Run, run_id: str, stage: int, weights: Mapping[str, Tensor], rows: Sequence[Row]) -> None:
    """Save the state from which a stage starts.

    Args:
        run: the run.
        run_id: its id.
        stage: index of the stage.
        weights: tensors of the model.
        rows: the rows of ``results.csv`` so far.
    """
    state = {f"model.{name}": value for name, value in weights.items()}
    content = {"state_dict": state, "run": run_id, "polyhead": {"stage": stage, "progress": {"rows": list(rows)}}}
    save_atomically({**content, CHECKSUM: checksum(content)}, run.resume)


def save_atomically(content: dict[str, Any], path: Path) -> None:
    """Save with ``torch.save``, such that a failure leaves the old file or the new one, never a partial one."""
    with atomic_write(path) as partial:
        tensor_files.write(content, partial)
