"""Give the rest of an interrupted stage a schedule of its own, as a new stage."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from polyhead import checkpoint
from polyhead.config import recipe
from polyhead.engine.fit import save_between_stages
from polyhead.engine.resume import identity, load_state
from polyhead.errors import PolyheadError
from polyhead.run import Run, write_json, write_text
from polyhead.workflows.schedule_plot import schedule_file

FREE = ("batch", "workers")
"""Settings of the data that may change."""


def new_schedule(run: Run, changes: Sequence[str] = ()) -> str:
    """End the stage that a run is in, and add its remaining epochs as a new stage.

    The new stage starts from the best weights so far. What was trained since the last whole epoch is lost. Resuming the
    run trains the new stage.

    Args:
        run: the run. Its recipe (``config.yaml``) may have been edited.
        changes: overrides of the recipe: of its stages, batch sizes and workers.

    Returns:
        A line for the log.

    Raises:
        PolyheadError: if another process trains the run, other settings are changed, no epoch of the stage is finished
            yet, or none is left to train.
    """
    run.require_recipe(f"Give polyhead.fit(..., stages=[...], resume={str(run.folder)!r}) one stage more.")
    with run.locked():
        return _end_stage(run, changes)


def _end_stage(run: Run, changes: Sequence[str]) -> str:
    """Write the recipe and the state of a run whose stage ends here; see :func:`new_schedule`."""
    state = load_state(run)
    number = 0 if state is None else int(state["polyhead"]["stage"])
    rows = [] if state is None else state["polyhead"]["progress"]["rows"]
    done = sum(row["stage"] == number for row in rows)
    if state is None or done == 0:
        raise PolyheadError(
            f"{run.folder}: stage {number + 1} has finished no epoch yet, so there is nothing to keep. Start a new run "
            f"with 'polyhead train {run.quoted}/config.yaml'."
        )
    config = recipe.load(run.config, changes)
    _check_changed(recipe.load(run.config), config, changes)
    stages = config["stages"]
    left = stages[number]["epochs"] - done
    if left > 0:
        ended, rest = ({**deepcopy(stages[number]), "epochs": epochs} for epochs in (done, left))
        stages = [*stages[:number], ended, {**rest, "init": {}}, *stages[number + 1 :]]
        config = recipe.resolve({**config, "stages": stages}, [], config["name"])
    elif left < 0 or number + 1 == len(stages):
        raise PolyheadError(
            f"{run.folder}: stage {number + 1} has trained {done} epochs, and its setting is epochs="
            f"{stages[number]['epochs']}, so none is left for a new schedule. Set stages.{number}.epochs in "
            f"{run.config} to more than {done}."
        )
    write_text(run.config, recipe.dump(config))
    schedule_file(run).unlink(missing_ok=True)
    # A kill between the two files leaves a stage of exactly the epochs that are done, of which this is the rest.
    weights = checkpoint.load(run.stage_weights(number))
    save_between_stages(run, identity(run, state), number + 1, weights.state, rows)
    write_json(run.manifest, {key: value for key, value in run.read_manifest().items() if key != "finished"})
    return f"stage {number + 1} ends after {done} epochs; the rest is stage {number + 2}, with a schedule of its own"


def _check_changed(before: Mapping[str, Any], after: Mapping[str, Any], changes: Sequence[str]) -> None:
    """Check that only stages, batch sizes and workers are changed: all else would not be the same training.

    Raises:
        PolyheadError: if not.
    """

    def fixed(config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that must stay the same."""
        data = {
            task: {key: value for key, value in entry.items() if key not in FREE}
            for task, entry in config["data"].items()
        }
        return {**config, "data": data, "stages": None}

    if fixed(before) != fixed(after):
        raise PolyheadError(
            f"--new-schedule: expected settings of the stages, {' or '.join(FREE)}, got {', '.join(changes)}. Start a "
            "new run for other settings."
        )
