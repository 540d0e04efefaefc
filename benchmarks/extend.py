"""Measure what a third data set costs two earlier ones whose folder is gone, on their probe and on their test set.

    python benchmarks/extend.py FOLDER [--scenes 500] [--test 1000] [--epochs 4] [--seed 0]

Writes two generated data sets (fruit and road signs, as COCO files) into the new FOLDER, trains the demo's network with
a head for each, deletes the data, and lets `polyhead extend` teach the model a third one (shapes). Then the old test
sets are written again, and the model before and after is measured on all of their scenes. The goal is that no older
head loses more than 5 %, and that the probe, which is all that a user would have, tells the same within its interval.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from polyhead import cli
from polyhead.analysis import forgetting
from polyhead.config import recipe
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import SPLITS, write_coco
from polyhead.run import Run, write_text
from polyhead.workflows.evaluate import score_split
from polyhead.workflows.predict import load
from polyhead.workflows.tasks import open_tasks

OLD, NEW = {"fruit": "signs", "signs": "fruit"}, "shapes"
"""Each older domain with the one whose objects are in its scenes, too, without labels; and the later one."""
SIZE = 160


def main(argv: Sequence[str]) -> int:
    """Write the data, train, delete the data, extend, evaluate; return the exit code of the first failed command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="a folder that does not exist yet")
    parser.add_argument("--scenes", type=int, default=500, help="training scenes of each data set (default: 500)")
    parser.add_argument("--test", type=int, default=1000, help="test scenes of each data set (default: 1000)")
    parser.add_argument("--epochs", type=int, default=4, help="of each training (default: 4)")
    parser.add_argument("--seed", type=int, default=0, help="of both trainings (default: 0)")
    given = parser.parse_args(argv)
    folder = given.folder.resolve()
    folder.mkdir(parents=True)
    counts = {"train": given.scenes, "val": 100, "test": given.test}
    for domain in (*OLD, NEW):
        write(folder, domain, counts)
    words = [f"data.{domain}={settings(folder / 'data' / domain)}" for domain in OLD]
    both = [f"runs={folder}", f"stages.0.epochs={given.epochs}", f"seed={given.seed}"]
    code = cli.main(["train", "demo", *words, *both, "name=two"])
    for domain in OLD:
        shutil.rmtree(folder / "data" / domain)
    later = [f"{key}={value}" for key, value in settings(folder / "data" / NEW).items()]
    code = code or cli.main(["extend", str(folder / "two"), "--task", NEW, "--data", *later, "--", *both, "name=three"])
    if code:
        return code
    for domain in OLD:
        write(folder, domain, counts)
    before, after = (measured(folder, name) for name in ("two", "three"))
    print(f"on all {given.test} test scenes of each older data set, written again:")
    losses = forgetting.drops_from_baselines(str(after), {domain: [str(before)] for domain in OLD})
    print(forgetting.text(losses, 0.05))
    return 0


def write(folder: Path, domain: str, counts: dict[str, int]) -> None:
    """Write one data set; every call writes the same files."""
    for seed, split in enumerate(SPLITS):
        scenes = Scenes(counts[split], domain, seed, SIZE, mixed=OLD.get(domain))
        write_coco(scenes, folder / "data" / domain, split)


def settings(root: Path) -> dict[str, Any]:
    """Return the settings of such a data set in a recipe."""
    parts: dict[str, Any] = {
        split: {"annotations": f"annotations/instances_{split}.json", "images": split} for split in SPLITS
    }
    train = parts.pop("train")
    return {"reader": "coco", "root": str(root), **train, **parts, "batch": 4}


def measured(folder: Path, name: str) -> Path:
    """Evaluate the model of a run on the complete test sets of the earlier tasks, as a new run."""
    run = Run.create(folder, f"{name}_on_all")
    config = recipe.load(folder / "two" / "config.yaml")
    write_text(run.config, recipe.dump(config))
    model = load(folder / name).model
    tasks = open_tasks(recipe.sources(config), model.size, int(config["seed"]))
    run.update_results(test=score_split(model, tasks, "test", run))
    return run.folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
