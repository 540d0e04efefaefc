"""Weights files: what they hold, how they are written, and what is said when one cannot be used.

A file holds tensors and plain types only, so it is read with ``weights_only=True`` and cannot run code.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from polyhead.errors import PolyheadError, few
from polyhead.run import whole

FORMAT = 1
_ZIP = b"PK\x03\x04"


class Checkpoint(NamedTuple):
    """What a weights file holds.

    Attributes:
        state: the model's tensors by name, buffers (the pictures' mean and std among them) included.
        model: ``{class_path, init_args}``, from which :func:`polyhead.config.recipe.build_model` makes it again.
        tasks: ``{task: {names, categories}}``: class names, and the data's own id of each class.
        eval: ``{size: [h, w], fit}``: how pictures are prepared.
        stage: in which these weights were reached, from 0.
        epoch: likewise, within the stage.
        score: on the validation set, when there was one.
        seed: of the run.
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
    """Write a weights file, whole or not at all; what describes a model that no recipe builds may be left out."""
    entries = checkpoint._asdict() if isinstance(checkpoint, Checkpoint) else dict(checkpoint)
    content = Checkpoint(**{"model": {}, "tasks": {}, "eval": {}, **entries})
    with whole(path) as partial:
        torch.save({"format": FORMAT, **content._asdict()}, partial)


def load(path: Path) -> Checkpoint:
    """Read a weights file; its tensors lie on the CPU.

    Raises:
        PolyheadError: when the file is missing, damaged, too new, or something else than a weights file of ours.
    """
    content = _read(path)
    if not isinstance(content, dict):
        raise PolyheadError(f"{path} is no Polyhead weights file: it holds a {type(content).__name__}; {_REMEDY}")
    if "pytorch-lightning_version" in content:
        raise PolyheadError(
            f"{path} is a Lightning checkpoint, which is for going on with a training; give weights/best.pt of its run"
        )
    if content and all(isinstance(value, Tensor) for value in content.values()):
        raise PolyheadError(
            f"{path} is a bare state dict of {len(content)} tensors: it does not say which model and classes they are "
            f"of; {_REMEDY}"
        )
    form = content.get("format")
    if not isinstance(form, int):
        raise PolyheadError(f"{path} is no Polyhead weights file: it has no format number; {_REMEDY}")
    if form > FORMAT:
        raise PolyheadError(
            f"{path} was written by a newer Polyhead (format {form}, this one reads up to {FORMAT}); upgrade polyhead"
        )
    missing = [name for name in Checkpoint._fields if name not in content]
    if missing:
        raise PolyheadError(f"{path} is no complete weights file: it lacks {', '.join(missing)}; {_REMEDY}")
    return Checkpoint(**{name: content[name] for name in Checkpoint._fields})


def fill(model: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Put the tensors of a weights file into a model that was built for them.

    Raises:
        PolyheadError: when a tensor is missing, left over or of another shape.
    """
    wanted = model.state_dict()
    faults = [f"{name} is missing" for name in wanted if name not in state]
    faults += [f"{name} is not in the model" for name in state if name not in wanted]
    faults += [
        f"{name} is {tuple(state[name].shape)}, not {tuple(wanted[name].shape)}"
        for name in wanted
        if name in state and state[name].shape != wanted[name].shape
    ]
    if faults:
        raise PolyheadError(f"{path}: its tensors do not fit its model: {few(faults, 3)}; {_REMEDY}")
    model.load_state_dict(dict(state))


_REMEDY = "give weights/best.pt of a run that 'polyhead train' left behind"


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
                f"{path} is damaged or cut short ({size} bytes); copy it again, or use another file of its folder"
            ) from error
        raise PolyheadError(
            f"{path} is no Polyhead weights file: it does not hold plain tensors, and nothing else is loaded; {_REMEDY}"
        ) from error


def _absent(path: Path) -> str:
    run = path.parent.parent
    if path.parent.name != "weights" or not run.is_dir():
        return f"weights file {path} does not exist; {_REMEDY}"
    others = sorted(other.name for other in path.parent.glob("*.pt"))
    if others:
        nearest = path.with_name("last.pt" if "last.pt" in others else others[0])
        return f"run {run} has no weights/{path.name}, only {', '.join(others)}; give {nearest}"
    return f"run {run} has no weights yet: its first epoch did not end; 'polyhead train --resume {run}' goes on with it"
