"""Weights to begin a stage with, part by part."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from polyhead import checkpoint
from polyhead.engine.optim import check_parts
from polyhead.errors import PolyheadError
from polyhead.nets.model import Model
from polyhead.run import Run

Names = Mapping[str, Sequence[str]]


def initialise(model: Model, init: Mapping[str, str], names: Names) -> None:
    """Load each named part of the model from a run (its ``best.pt``) or a weights file of ours.

    Parts of parts come last, whatever their order.

    Args:
        model: whose heads have been built.
        init: run folder or weights file of each part.
        names: class names of the tasks.

    Raises:
        PolyheadError: as :func:`fitting`.
    """
    for part in sorted(init, key=len):
        tensors = fitting(model, part, init[part], names)
        model.get_submodule(part).load_state_dict(tensors)


def fitting(model: Model, part: str, source: str, names: Names) -> dict[str, Tensor]:
    """The tensors of one part.

    Raises:
        PolyheadError: when the part does not exist here or there, its tensors have other shapes, or a head was made for
            other classes than the task has here.
    """
    check_parts(model, [part], "init")
    path = Path(source)
    try:
        weights = checkpoint.load(path if path.is_file() else Run.open(path).best)
    except PolyheadError as error:
        raise PolyheadError(f"init: {part}: {error}") from error
    _check_names(part, source, {task: entry.get("names", ()) for task, entry in weights.tasks.items()}, names)
    own = {name[len(part) + 1 :]: value for name, value in weights.state.items() if name.startswith(part + ".")}
    wanted = model.get_submodule(part).state_dict()
    wrong = [name for name in wanted if name not in own or own[name].shape != wanted[name].shape]
    more = [name for name in own if name not in wanted]
    if wrong or more:
        what = (
            f"{len(wrong)} of {len(wanted)} tensors are missing or of another shape"
            if wrong
            else f"it has {len(more)} tensors more"
        )
        said = f"{what}, for example {(wrong or more)[0]}"
        raise PolyheadError(
            f"init: part {part!r} of {source} does not fit this model: {said}; the part must be built with the same "
            "settings in both (heads can be named one by one, as heads.TASK)"
        )
    return own


def _check_names(part: str, source: str, theirs: Names, ours: Names) -> None:
    """Refuse a head whose outputs mean other classes."""
    top, _, below = part.partition(".")
    for task in ours if top == "heads" else ():
        known = theirs.get(task)
        if below.partition(".")[0] in ("", task) and known and list(known) != list(ours[task]):
            raise PolyheadError(
                f"init: the head of {task!r} in {source} finds the classes {', '.join(known)}, and the data has "
                f"{', '.join(ours[task])}; give the reader the same 'classes', in that order, or leave the head out"
            )
