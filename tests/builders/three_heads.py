"""A run with a head of each kind and data of its own, whose weights are random: full of mistakes, and made at once."""

from pathlib import Path
from typing import Any

import yaml
from builders.untrained_run import write

from polyhead.config import recipe
from polyhead.models import ssd300
from polyhead.run import Run, write_text

SCENES: dict[str, Any] = {
    "reader": "scenes",
    "count": 4,
    "size": 64,
    "val": {"count": 4, "seed": 1},
    "test": {"count": 8, "seed": 2},
    "workers": 0,
}
ARGUMENTS: dict[str, Any] = {
    "backbone": "test_resnet",
    "size": 64,
    "width": 16,
    "heads": {"seg": "segment", "cls": "classify"},
}
RECIPE: dict[str, Any] = {
    "model": {"class_path": "ssd300", "init_args": {**ARGUMENTS, "weights": None}},
    "data": {
        "det": {**SCENES, "domain": "signs"},
        "seg": {**SCENES, "target": "masks"},
        "cls": {**SCENES, "target": "times"},
    },
    "stages": [{"epochs": 1}],
    "precision": "32-true",
}


def three_heads(folder: Path) -> Run:
    """Write a run with the heads ``det``, ``seg`` and ``cls`` into a folder, and return it."""
    run = Run(folder / "three")
    file = folder / "three.yaml"
    file.write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
    config = recipe.load(file)
    names = {name: list(source.reader.names) for name, source in recipe.sources(config).items()}
    write(run.best, names, ssd300, **ARGUMENTS)
    write_text(run.config, recipe.dump(config))
    run.update_manifest(precision=RECIPE["precision"])  # without it, CPUs with bfloat16 would use that
    return run
