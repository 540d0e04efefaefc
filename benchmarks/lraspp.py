"""Train torchvision's LR-ASPP on the segmentation task of a recipe, as a reference for our segmentation head.

    python benchmarks/lraspp.py unified_small [--task seg] [key=value ...]

Backbone, weights, data, image size, loss, and the first stage that the task learns in are the recipe's; only what
comes after the backbone is torchvision's (``LRASPPHead``, Howard et al. 2019, "Searching for MobileNetV3", section 6.4:
levels of strides 8 and 32, 128 channels). It is trained and measured by Polyhead's own engine, so ``polyhead compare``
and ``polyhead evaluate`` take its run.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torchvision.models.segmentation.lraspp import LRASPPHead

from polyhead.config import overrides, recipe
from polyhead.contracts.classes import allow
from polyhead.errors import PolyheadError
from polyhead.nets.backbones.timm import Timm
from polyhead.nets.heads.segment import PixelLogits, Segment
from polyhead.nets.model import Model
from polyhead.nets.pyramids import canvas_of
from polyhead.run import Run
from polyhead.types import Pyramid, PyramidSpec, TaskInfo
from polyhead.workflows.train import train

SHARED = ("backbone", "weights", "size", "mean", "std")


class LrAspp(Segment):
    """torchvision's LR-ASPP head on the finest and the coarsest level; losses and decoding are those of Segment."""

    def __init__(self, spec: PyramidSpec, info: TaskInfo) -> None:
        super().__init__(spec, info)
        self.last = LRASPPHead(spec.channels[0], spec.channels[-1], len(info.names), 128)

    def forward(self, pyramid: Pyramid) -> PixelLogits:
        """Return the logits of each cell of the finest level."""
        logits: Tensor = self.last({"low": pyramid.levels[0], "high": pyramid.levels[-1]})
        return PixelLogits(logits.float(), canvas_of(pyramid))


def lraspp(
    backbone: str = "mobilenetv2_100",
    weights: str | None = None,
    size: int = 224,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Model:
    """Return LR-ASPP on a timm backbone; the arguments are those of :func:`polyhead.models.unified`."""
    return Model(Timm(backbone, weights, (8, 32), mean=mean, std=std), [], LrAspp, (size, size))


def reference(config: dict[str, Any], task: str) -> dict[str, Any]:
    """Return the resolved recipe of the reference for one task of a resolved recipe.

    Raises:
        PolyheadError: when there is no such task, or no stage that it learns in.
    """
    stages = [stage for stage in config["stages"] if task in (stage["tasks"] or config["data"])]
    if task not in config["data"] or not stages:
        raise PolyheadError(f"the recipe does not train a task {task!r}; give one of {', '.join(config['data'])}")
    given = {key: value for key, value in config["model"]["init_args"].items() if key in SHARED}
    model = {"class_path": "benchmarks.lraspp.lraspp", "init_args": given}
    lr_mult = {part: rate for part, rate in stages[0]["lr_mult"].items() if part.split(".")[0] == "backbone"}
    stage = {**stages[0], "tasks": [task], "lr_mult": lr_mult, "continual": []}
    name = f"{config['name']}_lraspp"
    own = {"model": model, "data": {task: config["data"][task]}, "stages": [stage], "name": name}
    return recipe.resolve({**config, **own}, (), name)


def main(argv: Sequence[str]) -> Run:
    """Train the reference for a task of a recipe."""
    words, changes = overrides.separate(argv, ("--task", "--help", "-h"))
    parser = argparse.ArgumentParser(
        description=__doc__,
        usage="lraspp.py RECIPE [--task NAME] [key=value ...]",
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        "recipe", help="with a task that segments: a name that 'polyhead recipes' lists, or a YAML file"
    )
    parser.add_argument("--task", default="seg", help="the task that segments (default: %(default)s)")
    given = parser.parse_args(words)
    allow(["benchmarks"])
    try:
        run = train(reference(recipe.load(given.recipe, changes), given.task))
    except PolyheadError as error:
        parser.error(str(error))
    return run


if __name__ == "__main__":
    main(sys.argv[1:])
