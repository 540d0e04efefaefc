"""Read and write weights files.

A file contains tensors and plain types only. It is read with ``weights_only=True`` and cannot run code.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from polyhead.errors import PolyheadError, few
from polyhead.run import atomic_write

FORMAT = 1
_ZIP = b"PK\x03\x04"
_REMEDY = "Use weights/best.pt of a run of 'polyhead train'."


class Checkpoint(NamedTuple):
    """The content of a weights file.

    Attributes:
        state: the model's tensors by name, including buffers (such as mean and std of the images).
        model: ``{class_path, init_args}``, from which :func:`polyhead.config.recipe.build_model` builds the model.
        tasks: ``{task: {names, categories}}``: class names, and the data's own id of each class.
        eval: ``{size: [h, w], fit}``: the preprocessing of images.
        stage: index of the stage in which these weights were reached, from 0.
        epoch: index of the epoch within the stage, from 0.
        score: score on the validation split; None without one.
        seed: seed of the run.
    """

    state: dict[str, Tensor]
    model: dict[str, Any]
    tasks: dict[str, dict[str, Any]]
    eval: dict[str, Any]
    stage: int = 0
    epoch: int = 0
    score: float | None = None
    seed: int = 0


def save(path: Path, checkpoint: Checkpoint | Mapping[str, Any]) -> None:
    """Write a weights file atomically.

    Args:
        path: the file to write.
        checkpoint: its content. A mapping may lack ``model``, ``tasks`` and ``eval``, for a model that was not built
            from a recipe.
    """
    entries = checkpoint._asdict() if isinstance(checkpoint, Checkpoint) else dict(checkpoint)
    content = Checkpoint(**{"model": {}, "tasks": {}, "eval": {}, **entries})
    with atomic_write(path) as partial:
        torch.save({"format": FORMAT, **content._asdict()}, partial)


def load(path: Path) -> Checkpoint:
    """Read a weights file; the tensors are on the CPU.

    Raises:
        PolyheadError: if the file is missing, damaged, of a newer format, or not a weights file of Polyhead.
    """
    content = _read(path)
    if not isinstance(content, dict):
        raise PolyheadError(f"{path} is not a Polyhead weights file: it contains a {type(content).__name__}. {_REMEDY}")
    if "pytorch-lightning_version" in content:
        raise PolyheadError(
            f"{path} is a Lightning checkpoint for resuming a run, not a weights file. Use weights/best.pt of its run."
        )
    if content and all(isinstance(value, Tensor) for value in content.values()):
        raise PolyheadError(
            f"{path} is a bare state dict of {len(content)} tensors: it does not contain the model and the class "
            f"names. {_REMEDY}"
        )
    form = content.get("format")
    if not isinstance(form, int):
        raise PolyheadError(f"{path} is not a Polyhead weights file: it has no format number. {_REMEDY}")
    if form > FORMAT:
        raise PolyheadError(
            f"{path} was written by a newer Polyhead (format {form}, this version reads up to {FORMAT}). Upgrade "
            "polyhead."
        )
    missing = [name for name in Checkpoint._fields if name not in content]
    if missing:
        raise PolyheadError(f"{path} is an incomplete weights file: it lacks {', '.join(missing)}. {_REMEDY}")
    return Checkpoint(**{name: content[name] for name in Checkpoint._fields})


def fill(model: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load the tensors of a weights file into a model that was built for them.

    Args:
        model: the model.
        state: the tensors by name.
        path: the weights file, for the error message.

    Raises:
        PolyheadError: if a tensor is missing, unexpected or has another shape.
    """
    expected = model.state_dict()
    faults = [f"{name} is missing" for name in expected if name not in state]
    faults += [f"{name} is not in the model" for name in state if name not in expected]
    faults += [
        f"{name} has shape {tuple(state[name].shape)} instead of {tuple(expected[name].shape)}"
        for name in expected
        if name in state and state[name].shape != expected[name].shape
    ]
    if faults:
        raise PolyheadError(f"{path}: the tensors do not fit the model: {few(faults, 3)}. {_REMEDY}")
    model.load_state_dict(dict(state))


def _read(path: Path) -> Any:
    if not path.is_file():
        raise PolyheadError(_absent(path))
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise anything
        size = path.stat().st_size
        with path.open("rb") as file:
            zipped = file.read(len(_ZIP)) == _ZIP
        if size == 0 or (zipped and not isinstance(error, pickle.UnpicklingError)):
            raise PolyheadError(
                f"{path} is damaged or truncated ({size} bytes). Copy it again, or use another file of its folder."
            ) from error
        raise PolyheadError(
            f"{path} is not a Polyhead weights file: it does not consist of plain tensors, and other content is not "
            f"loaded. {_REMEDY}"
        ) from error


def _absent(path: Path) -> str:
    """Return the message for a weights file that does not exist, with the nearest file that does."""
    run = path.parent.parent
    if path.parent.name != "weights" or not run.is_dir():
        return f"weights file {path} does not exist. {_REMEDY}"
    others = sorted(other.name for other in path.parent.glob("*.pt"))
    if others:
        nearest = path.with_name("last.pt" if "last.pt" in others else others[0])
        return f"run {run} has no weights/{path.name}, only {', '.join(others)}. Use {nearest}."
    return (
        f"run {run} has no weights yet because its first epoch did not finish. Resume it with "
        f"'polyhead train --resume {run}'."
    )
