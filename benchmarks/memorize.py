"""Overfit eight real images: a check that any working detector passes.

    python benchmarks/memorize.py [--model ssd300] [--steps 600] [--size 300] [--seed 0]

Models are SSD300 on a pretrained MobileNetV2, and from random weights YOLOX-nano, and YOLOv3 with a quarter of its
channels and half of its blocks. Images are the first eight of coco128 with all of COCO's 80 classes, without
augmentation; the score is on the same eight, so it says that losses, matching and decoding fit together, and nothing
else. The goal is AP50 of 0.95.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from copy import copy
from pathlib import Path

from torch.utils.data import DataLoader

from polyhead.contracts.kind import Targets
from polyhead.contracts.reader import Subset
from polyhead.contracts.sizes import SideAt
from polyhead.data.loading.streams import Collate, Decoded
from polyhead.data.readers.yolo import Yolo
from polyhead.engine.fit import fit
from polyhead.engine.stage import Stage
from polyhead.kinds import kind_of
from polyhead.modalities.image import Image
from polyhead.models import ssd300, yolov3, yolox
from polyhead.nets.model import Model
from polyhead.rng import fork_rng
from polyhead.run import Run, read_rows
from polyhead.types import Batch, ShownClass, TaskInfo

COUNT = 8
MODELS: dict[str, Callable[[int], Model]] = {
    "ssd300": lambda size: ssd300(
        "mobilenetv2_100", "mobilenetv2_100.safetensors", size, mean=[0.5] * 3, std=[0.5] * 3
    ),
    "yolov3": lambda size: yolov3(size=size, width=0.25, depth=0.5),
    "yolox": lambda size: yolox(size=size),
}
SIZES = {"ssd300": 300, "yolov3": 320, "yolox": 320}


class ByHeart:
    """A task whose training, validation and test are the same few images, all of them in every step."""

    def __init__(self, size: int) -> None:
        self.reader = Subset(Yolo("coco128"), range(COUNT))
        self.name, self.kind, self.names, self.batch = "coco", kind_of("detection"), self.reader.names, COUNT
        modality = Image()
        modality.restore({"size": [size, size], "fit": "stretch"})
        self.inputs_spec, self.info = modality.spec(), TaskInfo(self.reader.names, self.reader.categories)
        self.collate, read = Collate(self.kind, modality), Decoded(self.reader, modality)
        self.samples = [modality.eval(read(index)) for index in range(COUNT)]
        self.known = Targets.of(self.kind, self.reader)

    def __len__(self) -> int:
        return len(self.samples)

    def train(
        self, steps: int, position: Callable[[], int], stage: int, mix_until: int, side: SideAt | None = None
    ) -> Iterable[Batch]:
        """Return the images once per step."""
        del position, stage, mix_until, side
        return self._loader(steps)

    def subset(self, indices: Sequence[int], batch: int) -> "ByHeart":
        """Return the same task with these images only."""
        part = copy(self)
        part.reader = Subset(self.reader, indices)
        part.samples = [self.samples[index] for index in indices]
        part.known = Targets.of(self.kind, part.reader)
        part.batch = batch
        return part

    def few(self, count: int, *, augmented: bool = True) -> Batch:  # pylint: disable=unused-argument  # as below
        """Return the first images, which are never augmented."""
        return next(iter(self.subset(range(count), count).evaluation("train")))

    def evaluation(self, split: str) -> Iterable[Batch]:  # pylint: disable=unused-argument  # what every task is asked
        """Return the images."""
        return self._loader(1)

    def targets(self, split: str) -> Targets:  # pylint: disable=unused-argument  # as above
        """Return the targets of the images."""
        return self.known

    def shown_classes(self, split: str) -> Sequence[Collection[ShownClass]]:
        """Return no classes: nothing is chosen by class here."""
        return [set() for _ in self.targets(split).ids]

    def stored_bytes(self, index: int) -> int:
        """Return the size of an image's file."""
        return sum(Path(file).stat().st_size for file in self.reader.entry(index).files)

    def _loader(self, steps: int) -> "DataLoader[Batch]":
        """Return the same batch for each step."""
        return DataLoader([self.collate(self.samples)] * steps, batch_size=None)  # type: ignore[arg-type]  # takes lists, too


def main(argv: Sequence[str]) -> int:
    """Train, and print the AP50 on the training images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", choices=list(MODELS), default="ssd300", help="the network (default: ssd300)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the run (default: 0)")
    parser.add_argument("--steps", type=int, default=600, help="training steps of all eight images (default: 600)")
    parser.add_argument("--size", type=int, help="side of the images (default: 300, and 320 of YOLOv3 and YOLOX)")
    given = parser.parse_args(argv)
    size = given.size or SIZES[given.model]
    with fork_rng(given.seed, "weights"):
        model = MODELS[given.model](size)
    stage = Stage(epochs=given.steps // 20, epoch_scale=20.0, lr=0.002, weight_decay=0.0, val_every=2)
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(folder, "by_heart")
        fit(model, {"coco": ByHeart(size)}, [stage], run, describe={}, seed=given.seed)
        rows = [row for row in read_rows(run.results_csv) if row["val/coco/ap50"]]
    for row in rows:
        print(f"step {20 * int(row['epoch'])}: AP50 {float(row['val/coco/ap50']):.3f}, {float(row['time']):.0f} s")
    best = max(float(row["val/coco/ap50"]) for row in rows)
    print(f"best AP50 {best:.3f} on {COUNT} images seen in training, {given.model}, seed {given.seed}")
    return 0 if best >= 0.95 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
