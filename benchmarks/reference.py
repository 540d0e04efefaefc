"""Train torchvision's SSD on the data of a recipe, as a reference for Polyhead's SSD.

    python benchmarks/reference.py ssd_penn_fudan --seed 1 [key=value ...]

The backbone, weights, levels, splits, image size, batch size and number of epochs are those of the recipe. AdamW at
1e-3 with OneCycle, a flip and light color jitter are what a careful torchvision user would choose. The best epoch is
chosen on val, as in Polyhead, and test is read once. ``polyhead compare`` accepts the folder that this script writes.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
import yaml
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import tv_tensors as tv
from torchvision.models.detection.ssd import SSD
from torchvision.transforms import v2

from benchmarks.torchvision_ssd import ssd
from polyhead.config import overrides, recipe
from polyhead.contracts.reader import Reader
from polyhead.data.loading.source import TaskData
from polyhead.data.loading.streams import Decoded
from polyhead.data.loading.workers import begin_worker
from polyhead.data.splits.make import SPLITS
from polyhead.engine.progress import Log
from polyhead.errors import PolyheadError
from polyhead.modalities.image import Image
from polyhead.nets.backbones.timm import Timm
from polyhead.nets.necks.ssd_extras import SsdExtras
from polyhead.rng import derive_seed, fork_rng
from polyhead.run import Run, plain, write_rows, write_text
from polyhead.types import Detections
from polyhead.workflows.tasks import open_tasks
from polyhead.workflows.train import describe_run

LR = 1e-3
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
LOOK = v2.ToDtype(torch.float32, scale=True)
JITTER = v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.02)
AUGMENT = v2.Compose([v2.RandomHorizontalFlip(), JITTER, LOOK])

Item = tuple[Tensor, dict[str, Tensor], str]


class Images(Dataset[Item]):
    """Images and targets in the format of torchvision's detectors: label 0 is background, ignored boxes are removed."""

    def __init__(self, reader: Reader, transform: v2.Transform) -> None:
        self.read, self.count, self.transform = Decoded(reader, Image()), len(reader), transform

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Item:
        sample = self.read(index)
        known = ~sample.target.ignore
        boxes = tv.BoundingBoxes(sample.target.boxes[known], format="XYXY", canvas_size=sample.target.size)
        image, target = self.transform(sample.input, {"boxes": boxes, "labels": sample.target.labels[known] + 1})
        return (
            image.as_subclass(Tensor),
            {name: value.as_subclass(Tensor) for name, value in target.items()},
            sample.meta.id,
        )


def main(argv: Sequence[str]) -> int:
    """Train the reference and print its run folder."""
    words, changes = overrides.separate(argv, ("--help", "-h"))
    parser = argparse.ArgumentParser(
        description=__doc__,
        usage="reference.py RECIPE [--seed N] [key=value ...]",
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("recipe", help="a recipe of ssd300: a name that 'polyhead recipes' lists, or a YAML file")
    given = parser.parse_args(words)
    try:
        run = train(recipe.load(given.recipe, changes))
    except PolyheadError as error:
        parser.error(str(error))
    print(f"next: polyhead compare {run.folder} RUN")
    return 0


def train(config: dict[str, Any]) -> Run:
    """Train and evaluate the reference for a resolved recipe with one task, in a new run folder."""
    seed = int(config["seed"])
    with fork_rng(seed, "weights"):
        parts = recipe.instantiate(config)
        parts.model.build({})
    with fork_rng(seed, "weights"):
        parts.model.build_trunk(parts.sources)
    backbone, size = parts.model.backbone, parts.model.size
    if len(parts.sources) != 1 or not any(isinstance(neck, SsdExtras) for neck in parts.model.neck):
        raise PolyheadError("the reference needs a recipe of ssd300 with one task, such as ssd_penn_fudan")
    assert isinstance(backbone, Timm)
    assert size is not None, "a model of images"
    epochs = sum(stage.epochs for stage in parts.stages)
    tasks = open_tasks(parts.sources, size, seed)
    name, task = next(iter(tasks.items()))
    torch.manual_seed(derive_seed(seed, "rival"))  # "rival" is part of the random key
    model = ssd(backbone, size, len(task.names), scaled=True).to(DEVICE)
    run = Run.create(config["runs"], f"{config['name']}_reference")
    how = {"model": "torchvision.models.detection.SSD", "epochs": epochs, "optimizer": "adamw", "lr": LR}
    how |= {"schedule": "onecycle", "transforms": "flip, light color jitter", "seed": seed}
    write_text(run.config, yaml.safe_dump({"reference": how, "recipe": config}, sort_keys=False))
    settings = replace(parts.settings, precision="32-true")
    run.update_manifest(**describe_run(parts._replace(model=model, settings=settings), tasks))
    log = Log(run)
    log(f"run folder: {run.folder}; {', '.join(f'{len(task.readers[part])} {part}' for part in SPLITS)} images")
    fit(model, name, task, epochs, run, log)
    for split in ("val", "test"):
        numbers = measure(model, name, task, split, run)
        run.update_results(**{split: {"tasks": {name: numbers}}})
        low, high = numbers["interval"]
        log(f"{split}: AP50 {numbers['score']:.3f} [{low:.3f}, {high:.3f}], AP {numbers['coco']['ap']:.3f}")
    return run


def fit(model: SSD, name: str, task: TaskData, epochs: int, run: Run, log: Log) -> None:
    """Train, score each epoch on val, and load the weights of the best epoch into the model."""
    loader = batches(task, "train")
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=LR, total_steps=epochs * len(loader))
    begun = time.monotonic()
    rows: list[dict[str, Any]] = []
    best, best_state = -1.0, model.state_dict()
    for epoch in range(epochs):
        model.train()
        sums = torch.zeros(2)
        for images, targets, _ in loader:
            moved = [{column: value.to(DEVICE) for column, value in target.items()} for target in targets]
            losses = model([image.to(DEVICE) for image in images], moved)
            total = losses["bbox_regression"] + losses["classification"]
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
            schedule.step()
            sums += torch.stack([losses["bbox_regression"], losses["classification"]]).detach().cpu()
        box, kind = (sums / len(loader)).tolist()
        scores = task.kind.score(task.targets("val"), predict(model, task, "val"))
        row = {"stage": 0, "epoch": epoch + 1, "time": time.monotonic() - begun, "train/loss": box + kind}
        row |= {f"train/{name}/box": box, f"train/{name}/class": kind}
        row |= {f"val/{name}/{metric}": value for metric, value in scores.items()}
        rows.append({**row, "lr": schedule.get_last_lr()[0]})
        write_rows(run.results_csv, rows)
        if scores["ap50"] > best:
            best, best_state = scores["ap50"], deepcopy(model.state_dict())
        log(
            f"epoch {epoch + 1}/{epochs} {row['time'] / (epoch + 1):.1f} s each | train loss {box + kind:.3f} "
            f"box {box:.3f} class {kind:.3f} | val ap50 {scores['ap50']:.3f} ap {scores['ap']:.3f}"
        )
    model.load_state_dict(best_state)


def batches(task: TaskData, split: str) -> DataLoader[Item]:
    """Return the batches of a split; training batches are always full, and as many as in Polyhead."""
    learning = split == "train"
    data = Images(task.readers[split], AUGMENT if learning else LOOK)
    count = -(-len(data) // task.batch) * task.batch
    workers = min(2, os.cpu_count() or 1, task.workers)
    return DataLoader(
        data,
        batch_size=task.batch,
        sampler=RandomSampler(data, num_samples=count) if learning else None,
        num_workers=workers,
        collate_fn=columns,
        persistent_workers=learning and workers > 0,
        worker_init_fn=begin_worker,
    )


def columns(items: list[Item]) -> list[Any]:
    """Return lists of images, targets and ids; images of different sizes are not stacked."""
    return [list(column) for column in zip(*items, strict=True)]


@torch.no_grad()
def predict(model: SSD, task: TaskData, split: str) -> dict[str, Detections]:
    """Return the detections of every image of a split, by id, in original pixels."""
    model.eval()
    found: dict[str, Detections] = {}
    for images, _, ids in batches(task, split):
        for name, output in zip(ids, model([image.to(DEVICE) for image in images]), strict=True):
            found[name] = Detections(output["boxes"].cpu(), output["scores"].cpu(), output["labels"].cpu() - 1)
    return found


def measure(model: SSD, name: str, task: TaskData, split: str, run: Run) -> dict[str, Any]:
    """Store the predictions in the run and return the numbers that ``polyhead evaluate`` gives."""
    targets, found = task.targets(split), predict(model, task, split)
    task.kind.save(run.predictions_path(split, name), targets, found)
    numbers = {"kind": task.kind.name, **task.kind.report(targets, found, task.targets("train"))}
    result: dict[str, Any] = plain({**numbers, "split": split, "images": len(targets)})
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
