"""The main job on generated pictures: train a detector, measure it on unseen scenes, use it. Offline, in minutes."""

import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from polyhead import recipe
from polyhead.analysis.draw import grid
from polyhead.errors import PolyheadError
from polyhead.predict import load
from polyhead.run import Run, read_json
from polyhead.train.progress import minutes
from polyhead.training import train

WANTED = 0.6
"""AP50 on unseen scenes below which the demo counts as failed."""
SHOWN = 8


def demo(runs: str | Path = "runs", changes: tuple[str, ...] = (), show: Callable[[str], None] = print) -> Run:
    """Train the ``demo`` recipe, check its test score, and draw what it sees on unseen scenes.

    Args:
        runs: the folder that the run folder is made in.
        changes: overrides of the recipe.
        show: where lines for people go.

    Raises:
        PolyheadError: when the test AP50 is below :data:`WANTED`.
    """
    begun = time.monotonic()
    config = recipe.load("demo", [f"runs={runs}", *changes])
    run = train(config, show)
    scenes = recipe.instantiate(config).sources["signs"].test
    assert scenes is not None
    pictures = [Image.fromarray(scenes[index].input.permute(1, 2, 0).numpy()) for index in range(SHOWN)]
    results = load(run.folder).predict(pictures)
    sheet = run.folder / "demo.png"
    grid([result.plot() for result in results], columns=4).save(sheet)
    score = read_json(run.results_json)["test"]["tasks"]["signs"]["score"]
    show(f"detections on {SHOWN} unseen scenes: {sheet}")
    show(f"test AP50 {score:.3f} after {minutes(time.monotonic() - begun)}; everything is in {run.folder}")
    if score < WANTED:
        raise PolyheadError(
            f"the demo reached AP50 {score:.3f} and should reach {WANTED}; please report this with {run.log}"
        )
    return run
