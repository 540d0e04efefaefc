"""Train a recipe, or resume the run that an earlier call has left, as a notebook needs that is run again."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from polyhead.errors import PolyheadError
from polyhead.run import Run
from polyhead.workflows.preflight import resolved
from polyhead.workflows.run_settings import changed_settings
from polyhead.workflows.study_runs import remove_leftovers
from polyhead.workflows.train import resume, train


def train_or_resume(
    source: str | Path | Mapping[str, Any], *, show: Callable[[str], None] = print, **settings: Any
) -> Run:
    """Train a recipe in the run folder of its name; an interrupted run is resumed, a finished one stays as it is.

    Args:
        source: path or name of a recipe, or its content.
        show: receives the lines to print.
        settings: overrides, as for :func:`polyhead.train`.

    Returns:
        The finished run.

    Raises:
        PolyheadError: if the run was started with other settings; otherwise as :func:`polyhead.train`.
    """
    config = resolved(source, [f"{key}={json.dumps(value, default=str)}" for key, value in settings.items()])
    run = Run(Path(config["runs"]) / str(config["name"]))
    remove_leftovers(run.folder)
    if not run.config.is_file():
        return train(config, show=show)
    if changed := changed_settings(run.folder, config):
        raise PolyheadError(
            f"run {str(run.folder)!r} was started with other settings ({', '.join(changed)}). Give the run another "
            "name with name=NAME, or delete its folder."
        )
    if "finished" in run.read_manifest():
        show(f"{run.folder} is finished already")
        return run
    return resume(run.folder, show)
