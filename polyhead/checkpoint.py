"""Read and write weights files.

A file contains tensors and plain types only, and a checksum of the tensors (:mod:`polyhead.stored.tensor_files`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from polyhead.errors import PolyheadError, few
from polyhead.run import Run, atomic_write
from polyhead.stored import tensor_files
from polyhead.stored.shape import fault
from polyhead.stored.tensor_files import CHECKSUM, DamagedError, ForeignError

FORMAT = 2
REMEDY = "Use weights/best.pt of a run of 'polyhead train'."

OPERATING = "operating"
"""The entry of a task that has its operating point (:class:`polyhead.contracts.operating.Point`)."""
_TASK = {
    "names": [str],
    "categories?": [(int, str)],
    "counts?": {str: float},
    "target?": {str: Any},
    "kind?": str,
    "modality?": {"name": str, "state": {str: Any}},
    f"{OPERATING}?": {
        "split": str,
        "precision": (float, None),
        "threshold": (float, None),
        "thresholds": [float],
        "own": [bool],
        "temperature": float,
    },
}
SHAPE = {
    "state": {str: Any},
    "model": {"class_path?": str, "init_args?": {str: Any}},
    "tasks": {str: _TASK},
    "stage": int,
    "epoch": int,
    "score": (float, None),
    "seed": int,
    CHECKSUM + "?": str,
}
"""The shape of the content of a weights file (:mod:`polyhead.stored.shape`)."""
_SHAPE_1 = {
    **SHAPE,
    "tasks": {str: {"names": [str], "fit?": (str, None)}},
    "eval": {"size": [int], "fit?": (str, None)},
}
"""The same of format 1."""
SPARE = 2
"""How many times as many parameters as a file has may be made while the model for it is built: parts are replaced."""


class Checkpoint(NamedTuple):
    """The content of a weights file.

    Attributes:
        state: the model's tensors by name, including buffers (such as mean and std of the images).
        model: ``{class_path, init_args}``, from which :func:`polyhead.config.recipe.build_model` builds the model.
        tasks: ``{task: {names, categories, kind, modality: {name, state}, operating}}``: class names, the data's own id
            of each class, the kind of task, the modality with the state of its preprocessing, and in ``best.pt`` of a
            finished run the operating point.
        stage: index of the stage in which these weights were reached, from 0.
        epoch: index of the epoch within the stage, from 0.
        score: score on the validation split; None without one.
        seed: seed of the run.
    """

    state: dict[str, Tensor]
    model: dict[str, Any]
    tasks: dict[str, dict[str, Any]]
    stage: int = 0
    epoch: int = 0
    score: float | None = None
    seed: int = 0


def save(path: Path, checkpoint: Checkpoint | Mapping[str, Any]) -> None:
    """Write a weights file atomically.

    Args:
        path: the file to write.
        checkpoint: its content. A mapping may lack ``model`` and ``tasks``, for a model that was not built from a
            recipe.
    """
    entries = checkpoint._asdict() if isinstance(checkpoint, Checkpoint) else dict(checkpoint)
    content = Checkpoint(**{"model": {}, "tasks": {}, **entries})
    state = tensor_files.checksum(content.state)
    with atomic_write(path) as partial:
        tensor_files.write({"format": FORMAT, CHECKSUM: state, **content._asdict()}, partial)


def load(path: Path) -> Checkpoint:
    """Read a weights file; the tensors are on the CPU.

    Raises:
        PolyheadError: if the file is missing, damaged, of a newer format, or not a weights file of Polyhead.
    """
    content = _read(path)
    if not isinstance(content, dict):
        raise PolyheadError(f"{path} is not a Polyhead weights file: it contains a {type(content).__name__}. {REMEDY}")
    if "pytorch-lightning_version" in content:
        raise PolyheadError(
            f"{path} is a Lightning checkpoint for resuming a run, not a weights file. Use weights/best.pt of its run."
        )
    if content and all(isinstance(value, Tensor) for value in content.values()):
        raise PolyheadError(
            f"{path} is a bare state dict of {len(content)} tensors: it does not contain the model and the class "
            f"names. {REMEDY}"
        )
    form = content.get("format")
    if not isinstance(form, int) or isinstance(form, bool) or form < 1:
        raise PolyheadError(f"{path} is not a Polyhead weights file: it has no format number. {REMEDY}")
    if form > FORMAT:
        raise PolyheadError(
            f"{path} was written by a newer Polyhead (format {form}, this version reads up to {FORMAT}). Upgrade "
            "polyhead."
        )
    expected = (*Checkpoint._fields, "eval") if form == 1 else Checkpoint._fields
    missing = [name for name in expected if name not in content]
    if missing:
        raise PolyheadError(f"{path} is an incomplete weights file: it lacks {', '.join(missing)}. {REMEDY}")
    if what := fault(content, _SHAPE_1 if form == 1 else SHAPE):
        raise damaged(path, what)
    try:
        tensor_files.check_tensors(content["state"])
        tensor_files.check_checksum(content, content["state"])
    except DamagedError as error:
        raise damaged(path, str(error)) from error
    if form == 1:
        content = _upgrade(content)
    return Checkpoint(**{name: content[name] for name in Checkpoint._fields})


def damaged(path: Path, what: str) -> PolyheadError:
    """Return the error for a damaged weights file or ``resume.ckpt``, with how it can be written again.

    Args:
        path: the file.
        what: what is wrong with it.
    """
    if path.name == Run(path.parent).resume.name:
        return PolyheadError(
            f"{path}: cannot be read; it may be truncated ({what}). Restore it, or delete it to start the run from the "
            "beginning."
        )
    run = Run(path.parent.parent)
    again = f" 'polyhead train --resume {run.folder}' writes it again." if path == run.best else ""
    return PolyheadError(
        f"{path} is damaged or truncated ({what}). Copy it again, or use another file of its folder."
        f"{again if run.resume.is_file() else ''}"
    )


def _upgrade(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a file of format 1, whose tasks were all of images, in the form of today."""
    preprocessing = content["eval"]
    tasks = {
        task: {
            **{key: value for key, value in entry.items() if key != "fit"},
            "modality": {
                "name": "image",
                # Files of the first versions have one fit for all tasks.
                "state": {"size": preprocessing.get("size"), "fit": entry.get("fit") or preprocessing.get("fit")},
            },
        }
        for task, entry in content["tasks"].items()
    }
    return {**content, "tasks": tasks}


class Differences(NamedTuple):
    """Names of the tensors of a state dict that do not fit those that are expected.

    Attributes:
        missing: expected tensors that the state dict lacks.
        unexpected: tensors that are not expected.
        reshaped: tensors that have another shape than expected.
    """

    missing: list[str]
    unexpected: list[str]
    reshaped: list[str]


def compare(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> Differences:
    """Compare the names and shapes of a state dict with those that are expected; all lists are empty where they fit."""
    return Differences(
        missing=[name for name in expected if name not in state],
        unexpected=[name for name in state if name not in expected],
        reshaped=[name for name in expected if name in state and state[name].shape != expected[name].shape],
    )


def fill(model: nn.Module, state: Mapping[str, Tensor], path: Path, remedy: str = REMEDY) -> None:
    """Load the tensors of a weights file into a model that was built for them.

    Args:
        model: the model.
        state: the tensors by name.
        path: the weights file, for the error message.
        remedy: what to do where they do not fit, for the error message.

    Raises:
        PolyheadError: if a tensor is missing, unexpected, or has another shape or kind of numbers.
    """
    expected = model.state_dict()
    missing, unexpected, reshaped = compare(state, expected)
    faults = [f"{name} is missing" for name in missing]
    faults += [f"{name} is not in the model" for name in unexpected]
    faults += [
        f"{name} has shape {tuple(state[name].shape)} instead of {tuple(expected[name].shape)}" for name in reshaped
    ]
    if faults:
        raise PolyheadError(f"{path}: the tensors do not fit the model: {few(faults, 3)}. {remedy}")
    check_values(state, expected, path)
    model.load_state_dict(dict(state))


def check_values(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path) -> None:
    """Check that tensors hold the kind of numbers that a model has in their place, and finite ones.

    Args:
        state: tensors by name, all of which are expected.
        expected: those of the model.
        path: the file that they are from, for the error message.

    Raises:
        PolyheadError: if they do not.
    """
    kinds = {name: (value, expected[name]) for name, value in state.items()}
    faults = [f"{name} is {a.dtype} instead of {b.dtype}" for name, (a, b) in kinds.items() if _kind(a) != _kind(b)]
    if faults:
        raise damaged(path, few(faults, 3))
    if unusable := [name for name, (a, b) in kinds.items() if not a.isfinite().all() and b.isfinite().all()]:
        raise damaged(path, f"it holds weights that are not finite: {few(unusable, 3)}")


def _kind(value: Tensor) -> str:
    """Return the kind of numbers of a tensor; weights may be stored in another precision."""
    return "floating" if value.is_floating_point() else "complex" if value.is_complex() else "integer"


@contextmanager
def built_for(state: Mapping[str, Tensor], path: Path) -> Iterator[None]:
    """Refuse, within the block, to build a model that is much larger than the tensors of its weights file.

    Raises:
        PolyheadError: when the model would have too many parameters, or cannot be built.
    """
    limit = SPARE * sum(value.numel() for value in state.values()) + 2**24
    count = 0

    def add(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal count
        if parameter is not None and not nn.parameter.is_lazy(parameter) and not parameter.is_meta:
            count += parameter.numel()  # tensors on the device meta take no memory
        if count > limit:
            raise damaged(
                path, f"its model has more parameters than the file: {type(module).__name__}.{name} is too large"
            )

    hook = nn.modules.module.register_module_parameter_registration_hook(add)
    try:
        yield
    except PolyheadError as error:
        raise PolyheadError(str(error) if str(path) in str(error) else f"{path}: {error}") from error
    except Exception as error:  # settings that no model can be built from raise anything
        what = " ".join(str(error).split())
        raise damaged(path, f"its model cannot be built, {type(error).__name__}: {what:.200}") from error
    finally:
        hook.remove()


def _read(path: Path) -> Any:
    if not path.is_file():
        raise PolyheadError(_absent(path))
    try:
        return tensor_files.read(path)
    except ForeignError as error:
        raise PolyheadError(f"{path} is not a Polyhead weights file: {error}. {REMEDY}") from error
    except DamagedError as error:
        raise damaged(path, str(error)) from error


def _absent(path: Path) -> str:
    """Return the message for a weights file that does not exist, with the nearest file that does."""
    run = path.parent.parent
    if path.parent.name != "weights" or not run.is_dir():
        return f"weights file {path} does not exist. {REMEDY}"
    others = sorted(other.name for other in path.parent.glob("*.pt"))
    if others:
        nearest = path.with_name("last.pt" if "last.pt" in others else others[0])
        return f"run {run} has no weights/{path.name}, only {', '.join(others)}. Use {nearest}."
    return (
        f"run {run} has no weights yet because its first epoch did not finish. Resume it with "
        f"'polyhead train --resume {run}'."
    )
