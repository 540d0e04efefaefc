"""Train a finished run further, as a new stage."""

import re
from collections.abc import Sequence
from copy import deepcopy

from polyhead.config import recipe
from polyhead.errors import PolyheadError
from polyhead.run import Run, write_json, write_text
from polyhead.workflows.schedule_plot import schedule_file


def more_epochs(changes: Sequence[str]) -> int:
    """Return the number in ``epochs=N``, the only override with which a run can be resumed.

    Raises:
        PolyheadError: for any other override.
    """
    for change in changes:
        if not re.fullmatch(r"epochs=\d+", change):
            raise PolyheadError(
                f"--resume uses the recipe and settings that the run started with. Remove {change!r}. (epochs=N trains "
                "a finished run N epochs further; --new-schedule changes the settings of the epochs that are left.)"
            )
    return int(changes[-1].partition("=")[2])


def add_stage(run: Run, epochs: int) -> str:
    """Add a stage to the recipe of a finished run: its last one again, with some number of epochs.

    It starts with the best weights so far, and replaces them only with better ones. Resuming the run trains it.

    Args:
        run: the run.
        epochs: epochs of the new stage.

    Returns:
        A line for the log.

    Raises:
        PolyheadError: if the run is not finished, cannot be resumed, or has no recipe.
    """
    run.require_recipe(f"Give polyhead.fit(..., stages=[...], resume={str(run.folder)!r}) one stage more.")
    manifest = run.read_manifest()
    if "finished" not in manifest:
        raise PolyheadError(
            f"{run.folder} is not finished, and an interrupted training keeps its settings. Finish it with 'polyhead "
            f"train --resume {run.folder}'; epochs={epochs} can then train it {epochs} epochs further."
        )
    if not run.resume.is_file():
        raise PolyheadError(f"{run.folder} cannot be trained further: it has no {run.resume.name}. Start a new run.")
    config = recipe.load(run.config)
    last = {**deepcopy(config["stages"][-1]), "epochs": epochs, "init": {}}
    stages = [*config["stages"], last]
    longer = recipe.resolve({**config, "stages": stages}, [], config["name"])
    write_json(run.manifest, {key: value for key, value in manifest.items() if key != "finished"})
    write_text(run.config, recipe.dump(longer))
    schedule_file(run).unlink(missing_ok=True)  # of fewer stages
    return f"stage {len(stages)} is new: {epochs} more epochs with the settings of stage {len(stages) - 1}"
