"""The demo: trains one network with two heads on two generated data sets and tests it on unseen scenes.

It needs no network connection and takes minutes.
"""

import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from polyhead.config import recipe
from polyhead.engine.progress import format_duration
from polyhead.errors import PolyheadError
from polyhead.plotting.draw import grid
from polyhead.run import Run
from polyhead.workflows.predict import load
from polyhead.workflows.result import plot
from polyhead.workflows.train import train

MIN_AP50 = 0.6
"""AP50 on unseen scenes that each head must reach."""
SHOWN = 4
"""Unseen scenes of each data set that are drawn."""


def demo(runs: str | Path = "runs", changes: tuple[str, ...] = (), show: Callable[[str], None] = print) -> Run:
    """Train the ``demo`` recipe, check its test scores, and draw the predictions on unseen scenes.

    Args:
        runs: the parent of the run folder.
        changes: overrides ``key=value`` of the recipe.
        show: receives the lines to print.

    Returns:
        The run.

    Raises:
        PolyheadError: when the test AP50 of a head is below :data:`MIN_AP50`.
    """
    start = time.monotonic()
    config = recipe.load("demo", [f"runs={runs}", *changes])
    run = train(config, show=show)
    tests = [source.test for source in recipe.instantiate(config).sources.values()]
    scenes = [test[index].input for test in tests if test is not None for index in range(SHOWN)]
    images = [Image.fromarray(scene.permute(1, 2, 0).numpy()) for scene in scenes]
    sheet = run.folder / "demo.png"
    found = load(run.folder).stream(images, conf=0.4, across=0.5)
    drawings = [drawn for results in found if (drawn := plot(results))]
    grid(drawings, columns=SHOWN).save(sheet)
    scores = {task: numbers["score"] for task, numbers in run.results["test"]["tasks"].items()}
    listed = ", ".join(f"{task} {score:.3f}" for task, score in scores.items())
    show(f"predictions of both heads on {len(images)} unseen scenes: {sheet}")
    show(f"test AP50: {listed} after {format_duration(time.monotonic() - start)}; run folder: {run.folder}")
    if min(scores.values()) < MIN_AP50:
        raise PolyheadError(
            f"demo: each head should reach an AP50 of {MIN_AP50}, got {listed}. Please report this with {run.log}."
        )
    return run
