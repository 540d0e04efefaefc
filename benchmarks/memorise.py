"""Learn eight real pictures by heart: what a detector that can learn at all must be able to do.

    python benchmarks/memorise.py [--steps 600] [--size 300]

Pictures are the first eight of coco128 with all of COCO's 80 classes, without augmentation; the score is on the same
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
from polyhead.types import Annotation, Batch, Kind

COUNT = 8


class ByHeart:
    """A task whose training, validation and test are the same few pictures, all of them in every step."""

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
    def train(self, steps: int, position: Callable[[], int], stage: int, quiet: int) -> Iterable[Batch]:
        """The pictures once a step."""
        return self._loader(steps)

    def only(self, places: Sequence[int], batch: int) -> "ByHeart":
        """The same task with these pictures alone."""
        part = copy(self)
        part.samples = [self.samples[place] for place in places]
        part.known = [self.known[place] for place in places]
        part.batch = batch
        return part

    def evaluation(self, split: str) -> Iterable[Batch]:  # pylint: disable=unused-argument  # as above
        """The pictures."""
        return self._loader(1)

    def truths(self, split: str) -> Sequence[Annotation]:  # pylint: disable=unused-argument  # as above
        """Their truth."""
        return self.known

    def kinds(self, split: str) -> Sequence[Collection[Kind]]:
        """Their classes, which nothing is chosen by here."""
        return [set() for _ in self.truths(split)]

    def mask(self, split: str, ident: str) -> Tensor:
        """Boxes have none."""
        raise PolyheadError(f"picture {ident!r} of {split} has no mask")

    def _loader(self, steps: int) -> "DataLoader[Batch]":
        """The one batch again and again."""
        return DataLoader([collate(self.samples)] * steps, batch_size=None)  # type: ignore[arg-type]  # takes lists, too


def main(argv: Sequence[str]) -> int:
    """Train, and say how much is known by heart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=600, help="training steps of all eight pictures (default: 600)")
    parser.add_argument("--size", type=int, default=300, help="side of the pictures (default: 300)")
    given = parser.parse_args(argv)
    model = ssd300("mobilenetv2_100", "mobilenetv2_100.safetensors", given.size, mean=[0.5] * 3, std=[0.5] * 3)
    stage = Stage(epochs=given.steps // 20, ratio=20.0, lr=0.002, weight_decay=0.0, val_every=2)
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(folder, "by_heart")
        fit(model, {"coco": ByHeart(given.size)}, [stage], run, describe={}, seed=0)
        rows = [row for row in read_rows(run.results_csv) if row["val/coco/ap50"]]
    for row in rows:
        print(
            f"step {20 * (int(row['epoch']) + 1)}: AP50 {float(row['val/coco/ap50']):.3f}, {float(row['time']):.0f} s"
        )
    best = max(float(row["val/coco/ap50"]) for row in rows)
    print(f"best AP50 {best:.3f} on {COUNT} pictures seen in training")
    return 0 if best >= 0.95 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
