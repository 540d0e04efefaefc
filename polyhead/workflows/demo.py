"""The main job on generated pictures: one network, two data sets, a head for each; measured and used on unseen scenes.

Offline, in minutes.
"""

import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from polyhead.config import recipe
from polyhead.engine.progress import minutes
from polyhead.errors import PolyheadError
from polyhead.plotting.draw import grid
from polyhead.run import Run, read_json
from polyhead.workflows.predict import load
from polyhead.workflows.result import plot
from polyhead.workflows.train import train

WANTED = 0.6
"""AP50 of each head on unseen scenes below which the demo counts as failed."""
SHOWN = 4
"""Unseen scenes of each data set that are drawn."""


def demo(runs: str | Path = "runs", changes: tuple[str, ...] = (), show: Callable[[str], None] = print) -> Run:
    """Train the ``demo`` recipe, check its test scores, and draw what its heads see in unseen scenes.

    Args:
        runs: the folder that the run folder is made in.
        changes: overrides of the recipe.
        show: where lines for people go.

    Raises:
        PolyheadError: when the test AP50 of a head is below :data:`WANTED`.
    """
    begun = time.monotonic()
    config = recipe.load("demo", [f"runs={runs}", *changes])
    run = train(config, show)
    tests = [source.test for source in recipe.instantiate(config).sources.values()]
    scenes = [test[index].input for test in tests if test is not None for index in range(SHOWN)]
    pictures = [Image.fromarray(scene.permute(1, 2, 0).numpy()) for scene in scenes]
    sheet = run.folder / "demo.png"
    grid([plot(results) for results in load(run.folder).stream(pictures, conf=0.4, across=0.5)], columns=SHOWN).save(
        sheet
    )
    scores = {task: numbers["score"] for task, numbers in read_json(run.results_json)["test"]["tasks"].items()}
    said = ", ".join(f"{task} {score:.3f}" for task, score in scores.items())
    show(f"what both heads see in {len(pictures)} unseen scenes: {sheet}")
    show(f"test AP50: {said} after {minutes(time.monotonic() - begun)}; everything is in {run.folder}")
    if min(scores.values()) < WANTED:
        raise PolyheadError(f"the demo should reach AP50 {WANTED} with each head; please report this with {run.log}")
    return run
