"""``fit(model, tasks, stages) -> run``: the whole of training, stage after stage, resumable at any step."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.utilities import CombinedLoader

from polyhead import checkpoint
from polyhead.contracts.task import Task
from polyhead.engine.checkpointing import Saver
from polyhead.engine.continual import Keep
from polyhead.engine.initialize import Names, fitting, initialise
from polyhead.engine.learner import Learner, Row
from polyhead.engine.optim import optimizer_of, stage_rates
from polyhead.engine.progress import Progress
from polyhead.engine.stage import Stage, check_tasks, learnt
from polyhead.errors import PolyheadError
from polyhead.nets.model import Model
from polyhead.nets.precision import resolve
from polyhead.rng import key
from polyhead.run import Run, whole, write_rows


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
) -> Run:
    """Train a model and leave everything in the run folder; goes on where a killed run stopped.

    Weights files are written at every better epoch (``weights/best.pt``), at every epoch (``last.pt``) and for every
    stage (``stage0.pt``…: the stage's best). A stage begins with the best weights of the one before it.

    Args:
        model: heads for all tasks are built here.
        tasks: the data of each task, by head name.
        stages: settings, in order.
        run: the folder; when it holds ``resume.ckpt``, training goes on from there.
        describe: what a weights file must hold beside tensors to be loaded anywhere (:mod:`polyhead.checkpoint`).
        seed: same seed, same weights (on a CPU); another seed, others.
        precision: ``auto``, or one of Lightning's names (``32-true``, ``bf16-mixed``, ``16-mixed``).
        save_seconds: least time between two writes of ``resume.ckpt`` inside an epoch; 0 writes after every step.
        progress: what shows the training to a person.
        callbacks: Lightning callbacks, called before the state is saved.

    Raises:
        PolyheadError: when the settings do not fit the model, or a loss is not finite.
    """
    check_tasks(stages, tasks)
    build_heads(model, tasks, seed)
    model.to(memory_format=torch.channels_last)
    state = _resume_state(run)
    first = 0 if state is None else int(state["polyhead"]["stage"])
    rows: list[Row] = [] if state is None else list(state["polyhead"]["progress"]["rows"])
    for number in range(first, len(stages)):
        inside = state is not None and number == first and "loops" in state
        if state is not None and number == first:
            own = {name[6:]: value for name, value in state["state_dict"].items() if name.startswith("model.")}
            model.load_state_dict(own)
        if not inside:
            initialise(model, stages[number].init, {name: task.names for name, task in tasks.items()})
        learner = _learner(model, tasks, stages, number, seed)
        learner.progress |= {"rows": rows, "time": rows[-1]["time"] if rows else 0.0}
        saver = Saver(run, dict(describe), save_seconds, progress)
        shown = [] if progress is None else [progress]
        with _quiet():
            _fit_stage(learner, run, resolve(precision), [*callbacks, *shown, saver], run.resume if inside else None)
        rows = _close_stage(learner, run, number, len(stages))
    return run


def build_heads(model: Model, tasks: Mapping[str, Task], seed: int) -> None:
    """Make the head of every task that has none yet; its first weights are a function of the run's seed."""
    torch.manual_seed(key(seed, "weights"))
    model.build({name: task.names for name, task in tasks.items()})


def check_stage(model: Model, stage: Stage, names: Names) -> None:
    """Refuse what a stage says of parts that the model does not have, cannot begin with, or that leave none to learn.

    Args:
        model: whose heads have been built.
        stage: any of the run's.
        names: class names of the tasks.

    Raises:
        PolyheadError: for the first such setting.
    """
    for part, source in stage.init.items():
        fitting(model, part, source, names)
    optimizer_of(model, stage, stage_rates(model, stage, stage.tasks or names), fused=False)


def _learner(model: Model, tasks: Mapping[str, Task], stages: Sequence[Stage], number: int, seed: int) -> Learner:
    """The learner of one stage; it scores every task that has learnt so far, here or where its head is from."""
    stage = stages[number]
    known = learnt(stages[: number + 1], tasks)
    scored = {name: task for name, task in tasks.items() if name in known}
    return Learner(model, scored, stage, number, seed)


def _fit_stage(learner: Learner, run: Run, precision: str, callbacks: list[Callback], state: Path | None) -> None:
    """Train one stage, from its beginning or from a saved state."""
    stage, tasks = learner.stage, learner.tasks
    trainer = Trainer(
        accelerator="auto",
        devices=1,
        precision=precision,  # type: ignore[arg-type]  # checked by resolve()
        max_epochs=stage.epochs,
        check_val_every_n_epoch=stage.val_every,
        accumulate_grad_batches=stage.accumulate,
        gradient_clip_val=stage.clip,
        callbacks=callbacks,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=run.folder,
    )

    def position() -> int:
        return int(trainer.fit_loop.total_batch_idx) + 1

    quiet = round(stage.mixing * learner.steps * stage.epochs)
    loaders = {name: tasks[name].train(learner.steps, position, learner.number, quiet) for name in learner.learning}
    for keep in stage.keep:
        loaders |= keep.streams(learner.older, learner.steps, position, learner.number, learner.seed)
    note_memory(run, learner.number, stage.keep)
    try:
        trainer.fit(
            learner,
            CombinedLoader(loaders, "max_size"),
            [task.evaluation("val") for task in tasks.values()],
            ckpt_path=state,
            weights_only=True,
        )
    except SystemExit as stop:  # so Lightning ends on Ctrl-C
        raise KeyboardInterrupt from stop


def note_memory(run: Run, number: int, keeps: Sequence[Keep]) -> None:
    """Note in the manifest how many pictures, and bytes, of each older task a stage replays."""
    memory = {task: held for keep in keeps for task, held in keep.memory().items()}
    if memory:
        told = {task: {"pictures": len(held.places), "bytes": held.bytes} for task, held in memory.items()}
        run.update_manifest(replayed={**run.read_manifest().get("replayed", {}), f"stage{number}": told})


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what Lightning says about itself, and about things that are meant here."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)  # adverts, and what our own progress says
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")  # one a core is right
        warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")  # nothing is logged there
        warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")  # frozen parts are
        warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")  # Lightning 2.6.6 on torch 2.15
        yield


def _close_stage(learner: Learner, run: Run, number: int, count: int) -> list[Row]:
    """Take the stage's best weights, and write the state from which the next stage begins."""
    best = run.stage_weights(number)
    checkpoint.fill(learner.model, checkpoint.load(best).state, best)
    rows: list[Row] = learner.progress["rows"]
    if number + 1 < count:
        state = {f"model.{name}": value for name, value in learner.model.state_dict().items()}
        save_atomically(
            {"state_dict": state, "polyhead": {"stage": number + 1, "progress": {"rows": rows}}}, run.resume
        )
    write_rows(run.results_csv, rows)
    return rows


def save_atomically(content: dict[str, Any], path: Path) -> None:
    """``torch.save``, whole or not at all."""
    with whole(path) as partial:
        torch.save(content, partial)


def _resume_state(run: Run) -> dict[str, Any] | None:
    if not run.resume.is_file():
        return None
    try:
        loaded: dict[str, Any] = torch.load(run.resume, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, UnpicklingError) as error:
        raise PolyheadError(
            f"{run.resume} cannot be read, perhaps it was cut short; restore it, or delete it to begin the run again"
        ) from error
    return loaded
