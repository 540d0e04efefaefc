"""Train with one's own parts from Python: any torch data set, any ``nn.Module`` as the backbone, one's own head."""

from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

from polyhead.config.recipe import Parts
from polyhead.config.settings import Settings
from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError
from polyhead.nets.model import Model
from polyhead.run import Run
from polyhead.workflows.own_task import Task, check_forms
from polyhead.workflows.train import resume_parts, train_parts

__all__ = ["Task", "fit"]


def fit(
    model: Model,
    tasks: Mapping[str, Task],
    *,
    epochs: int = 10,
    lr: float = 1e-3,
    stages: Sequence[Stage] | None = None,
    name: str = "fit",
    runs: str | Path = "runs",
    seed: int = 0,
    precision: str = "auto",
    exemplar_mib: float = 0.0,
    resume: str | Path | None = None,
    show: Callable[[str], None] = print,
) -> Run:
    """Train a model on one's own data; this leaves the same run folder as a recipe does, without ``config.yaml``.

    Args:
        model: a new model for each call; its heads are built here.
        tasks: the data of each head, by name.
        epochs: epochs of the only stage, if ``stages`` is None.
        lr: its learning rate.
        stages: the stages of the training, in order.
        name: name of the run folder.
        runs: the folder in which it is made.
        seed: seed of all random choices of the training. The initial weights of a network that is given are its own:
            seed torch before it is built.
        precision: ``auto``, or a precision name of Lightning.
        exemplar_mib: MiB of samples that the run stores per task and split; 0 stores none.
        resume: folder of an interrupted run that the same call has made, with a model built by the same code; it
            resumes where it stopped.
        show: receives the lines to print.

    Returns:
        The finished run. Predict with ``polyhead.load(run.folder, model)``, where ``model`` is built by the same code.

    Raises:
        PolyheadError: when the model and the data do not fit each other, or a loss is not finite.

    Examples:
        >>> points = torch.randn(100, 2)
        >>> data = torch.utils.data.TensorDataset(points, (points[:, 0] > 0).long())
        >>> model = polyhead.Model(torch.nn.Linear(2, 8), [], polyhead.Classify)
        >>> tasks = {"side": polyhead.Task(data, ["left", "right"])}
        >>> run = polyhead.fit(model, tasks, epochs=1, show=lambda line: None)
        >>> run.results["test"]["tasks"]["side"]["images"]
        15
    """
    _check_call(model, tasks, stages, {"epochs": epochs, "lr": lr})
    show(f"reading the data of {', '.join(tasks)}")
    parts = Parts(
        model=model,
        sources={task: each.source(task) for task, each in tasks.items()},
        stages=[Stage(epochs=epochs, lr=lr)] if stages is None else list(stages),
        settings=Settings(seed, precision, name, str(runs), exemplar_mib),  # type: ignore[arg-type]  # checked by resolve()
    )
    check_forms(parts.sources)
    if resume is None:
        return train_parts(parts, show)
    run = Run.open(resume)
    _check_resumed(run, parts)
    return resume_parts(parts, run, show)


def _check_call(model: Any, tasks: Any, stages: Any, numbers: Mapping[str, Any]) -> None:
    """Check the types of the arguments, and that the model is new.

    Raises:
        PolyheadError: for the first that is wrong.
    """
    if not isinstance(model, Model):
        raise PolyheadError(
            f"model: expected a polyhead.Model, got {type(model).__name__}. Build one from any network: "
            "polyhead.Model(network, [], polyhead.Classify)."
        )
    if model.heads:
        raise PolyheadError(
            f"model: expected a new model, got one that was trained or loaded (heads {', '.join(model.heads)}), which "
            "would be trained on. Build a new model for each fit."
        )
    if not isinstance(tasks, Mapping) or not tasks:
        raise PolyheadError(f"tasks: expected data by task name, {{'side': polyhead.Task(...)}}, got {tasks!r:.80}")
    for name, task in tasks.items():
        if not isinstance(name, str) or not isinstance(task, Task):
            got = f"{type(name).__name__}: {type(task).__name__}"
            raise PolyheadError(f"tasks: expected names and data, {{'side': polyhead.Task(...)}}, got {{{got}}}")
    listed = isinstance(stages, Sequence) and bool(stages) and all(isinstance(each, Stage) for each in stages)
    if stages is not None and not listed:
        raise PolyheadError(f"stages: expected a list of polyhead.Stage, got {stages!r:.80}")
    for name, value in numbers.items():
        if not isinstance(value, Real):
            raise PolyheadError(f"{name}: expected a number, got {value!r}")


def _check_resumed(run: Run, parts: Parts) -> None:
    """Check that a run was started with the same tasks, names, kinds and seed.

    Raises:
        PolyheadError: for the first that differs.
    """
    if run.config.is_file():
        raise PolyheadError(
            f"run {str(run.folder)!r} was trained from a recipe. Resume it with 'polyhead train --resume {run.quoted}'."
        )
    manifest = run.read_manifest()
    known, kinds = manifest.get("data", {}), manifest.get("kinds", {})
    readers = {name: source.reader for name, source in parts.sources.items()}
    pairs = [("tasks", sorted(known), sorted(readers)), ("seed", manifest.get("seed"), parts.settings.seed)]
    for name, reader in readers.items():
        pairs.append((f"names of task {name!r}", known.get(name, {}).get("names", reader.names), reader.names))
        pairs.append((f"kind of task {name!r}", kinds.get(name, reader.kind), reader.kind))
    for what, before, now in pairs:
        if before != now:
            raise PolyheadError(
                f"run {str(run.folder)!r} cannot be resumed: {what}: started with {before}, got {now}. Give the same "
                "arguments as in the first call, or start a new run without resume."
            )
