"""Initial weights of a stage, part by part (the setting ``init``)."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from polyhead import checkpoint
from polyhead.engine.optim import check_parts
from polyhead.errors import PolyheadError
from polyhead.nets.model import Model
from polyhead.paths import WEIGHTS, find
from polyhead.run import Run

Names = Mapping[str, Sequence[str]]
"""The class names of each task."""


def initialize(model: Model, init: Mapping[str, str], names: Names) -> None:
    """Load parts of the model from runs (their ``best.pt``) or weights files.

    A part within another part (``neck.0`` within ``neck``) is loaded after it, whatever their order in ``init``.

    Args:
        model: the model, with its heads built.
        init: run folder or weights file of each part.
        names: class names of the tasks.

    Raises:
        PolyheadError: see :func:`part_tensors`.
    """
    for part in sorted(init, key=len):
        tensors = part_tensors(model, part, init[part], names)
        model.get_submodule(part).load_state_dict(tensors)


def part_tensors(model: Model, part: str, source: str, names: Names) -> dict[str, Tensor]:
    """Load the tensors of one part, by their names within the part.

    Args:
        model: the model that they must fit.
        part: name of the part.
        source: run folder or weights file.
        names: class names of the tasks.

    Raises:
        PolyheadError: when the part does not exist in the model or in the source, its tensors have other shapes, or
            the head was trained for other classes than those of the task.
    """
    check_parts(model, [part], "init")
    try:
        path = find(source, WEIGHTS)
        path = path if path.is_file() else Run.open(path).best
        weights = checkpoint.load(path)
    except PolyheadError as error:
        raise PolyheadError(f"init: {part}: {error}") from error
    _check_names(part, source, {task: entry.get("names", ()) for task, entry in weights.tasks.items()}, names)
    prefix = f"{part}."
    loaded = {name.removeprefix(prefix): value for name, value in weights.state.items() if name.startswith(prefix)}
    expected = model.get_submodule(part).state_dict()
    missing, unexpected, reshaped = checkpoint.compare(loaded, expected)
    unfit = [name for name in expected if name in {*missing, *reshaped}]
    if unfit or unexpected:
        what = (
            f"{len(unfit)} of {len(expected)} tensors are missing or have another shape"
            if unfit
            else f"it has {len(unexpected)} tensors that the model does not have"
        )
        raise PolyheadError(
            f"init: part {part!r} of {source} does not fit this model: {what}, for example {(unfit or unexpected)[0]}. "
            "Build the part with the same settings in both models (a single head is named heads.TASK)."
        )
    checkpoint.check_values(loaded, expected, path)
    return loaded


def _check_names(part: str, source: str, theirs: Names, ours: Names) -> None:
    """Check that the classes of each loaded head are those of its task, in the same order.

    Raises:
        PolyheadError: for the first head with other classes.
    """
    top, _, below = part.partition(".")
    for task in ours if top == "heads" else ():
        loaded = theirs.get(task)
        if below.partition(".")[0] in ("", task) and loaded and list(loaded) != list(ours[task]):
            raise PolyheadError(
                f"init: the head of {task!r} in {source} predicts the classes {', '.join(loaded)}, but the data has "
                f"{', '.join(ours[task])}. Set the reader's 'classes' to the same list in the same order, or do not "
                "load this head."
            )
