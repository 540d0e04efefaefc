"""Weights to begin a stage with, part by part."""

from collections.abc import Mapping
from pathlib import Path

from polyhead import checkpoint
from polyhead.errors import PolyheadError
from polyhead.nets.model import Model
from polyhead.run import Run
from polyhead.train.optim import check_parts


def initialise(model: Model, init: Mapping[str, str]) -> None:
    """Load each named part of the model from a run (its ``best.pt``) or a weights file of ours.

    Raises:
        PolyheadError: when a part does not exist here or there, or its tensors have other shapes.
    """
    check_parts(model, init, "init")
    for part, source in init.items():
        path = Path(source)
        state = checkpoint.load(path if path.is_file() else Run.open(path).best).state
        own = {name[len(part) + 1 :]: value for name, value in state.items() if name.startswith(part + ".")}
        target = model.get_submodule(part)
        wanted = target.state_dict()
        wrong = [name for name in wanted if name not in own or own[name].shape != wanted[name].shape]
        if wrong or len(own) != len(wanted):
            example = f", for example {wrong[0]}" if wrong else ""
            raise PolyheadError(
                f"init: part {part!r} of {source} does not fit this model: {len(wrong)} of {len(wanted)} tensors are "
                f"missing or of another shape{example}; the part must be built with the same settings in both"
            )
        target.load_state_dict(own)
