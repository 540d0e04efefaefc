"""Overfit eight real images: a check that any working detector passes.

    python benchmarks/memorize.py [--steps 600] [--size 300]

Images are the first eight of coco128 with all of COCO's 80 classes, without augmentation; the score is on the same
eight, so it says that losses, matching and decoding fit together, and nothing else. The goal is AP50 of 0.95.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from copy import copy

from torch import Tensor
from torch.utils.data import DataLoader

from polyhead.data.augment.transforms import Eval
from polyhead.data.loading.streams import collate
from polyhead.data.readers.yolo import Yolo
from polyhead.data.splits.stratify import subset
from polyhead.engine.fit import fit
from polyhead.engine.stage import Stage
from polyhead.errors import PolyheadError
from polyhead.models import ssd300
from polyhead.run import Run, read_rows
from polyhead.types import Annotation, Batch, ShownClass

COUNT = 8


class ByHeart:
    """A task whose training, validation and test are the same few images, all of them in every step."""

    def __init__(self, size: int) -> None:
        whole = Yolo("coco128")
        reader = subset(whole, [whole.annotation(index).id for index in range(COUNT)])
        look = Eval((size, size))
        self.name, self.names, self.batch = "coco", reader.names, COUNT
        self.samples = [look(reader[index]) for index in range(COUNT)]
        self.known = [reader.annotation(index) for index in range(COUNT)]

    def __len__(self) -> int:
        return len(self.samples)

    # pylint: disable-next=unused-argument  # what every task is asked
    def train(self, steps: int, position: Callable[[], int], stage: int, mix_until: int) -> Iterable[Batch]:
        """Return the images once per step."""
        return self._loader(steps)

    def subset(self, indices: Sequence[int], batch: int) -> "ByHeart":
        """Return the same task with these images only."""
        part = copy(self)
        part.samples = [self.samples[index] for index in indices]
        part.known = [self.known[index] for index in indices]
        part.batch = batch
        return part

    def evaluation(self, split: str) -> Iterable[Batch]:  # pylint: disable=unused-argument  # as above
        """Return the images."""
        return self._loader(1)

    def targets(self, split: str) -> Sequence[Annotation]:  # pylint: disable=unused-argument  # as above
        """Return the targets of the images."""
        return self.known

    def shown_classes(self, split: str) -> Sequence[Collection[ShownClass]]:
        """Return no classes: nothing is chosen by class here."""
        return [set() for _ in self.targets(split)]

    def mask(self, split: str, image_id: str) -> Tensor:
        """Raise an error: box data has no masks."""
        raise PolyheadError(f"image {image_id!r} of {split} has no mask")

    def _loader(self, steps: int) -> "DataLoader[Batch]":
        """Return the same batch for each step."""
        return DataLoader([collate(self.samples)] * steps, batch_size=None)  # type: ignore[arg-type]  # takes lists, too


def main(argv: Sequence[str]) -> int:
    """Train, and print the AP50 on the training images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=600, help="training steps of all eight images (default: 600)")
    parser.add_argument("--size", type=int, default=300, help="side of the images (default: 300)")
    given = parser.parse_args(argv)
    model = ssd300("mobilenetv2_100", "mobilenetv2_100.safetensors", given.size, mean=[0.5] * 3, std=[0.5] * 3)
    stage = Stage(epochs=given.steps // 20, epoch_scale=20.0, lr=0.002, weight_decay=0.0, val_every=2)
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(folder, "by_heart")
        fit(model, {"coco": ByHeart(given.size)}, [stage], run, describe={}, seed=0)
        rows = [row for row in read_rows(run.results_csv) if row["val/coco/ap50"]]
    for row in rows:
        print(
            f"step {20 * (int(row['epoch']) + 1)}: AP50 {float(row['val/coco/ap50']):.3f}, {float(row['time']):.0f} s"
        )
    best = max(float(row["val/coco/ap50"]) for row in rows)
    print(f"best AP50 {best:.3f} on {COUNT} images seen in training")
    return 0 if best >= 0.95 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
