"""CIFAR-10 as its authors give it out: pickles of labels and of rows of 3,072 bytes.

A pickle can run code when it is loaded. These are never loaded: their instructions are read one by one, and numbers and
strings are taken out of them.
"""

import pickletools
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from polyhead.contracts.reader import Reader, sample
from polyhead.errors import FileFault, PolyheadError
from polyhead.paths import find
from polyhead.types import Annotation, Sample

SIDE = 32
ROW = 3 * SIDE * SIDE
KEYS = frozenset(["batch_label", "labels", "data", "filenames", "label_names", "num_cases_per_batch", "num_vis"])


class Cifar10(Reader):
    """Pictures of 32 x 32 pixels for classification; ``value`` is the class, an int64 scalar.

    Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images". All pixels are held in memory.

    Args:
        root: the folder ``cifar-10-batches-py`` of the archive, or the one that it lies in.
        split: ``"train"`` reads every ``data_batch_*`` that is there, ``"test"`` the ``test_batch``.
    """

    def __init__(self, root: str | Path, split: Literal["train", "test"] = "train") -> None:
        folder = find(root)
        inner = folder / "cifar-10-batches-py"
        folder = inner if inner.is_dir() else folder
        files = sorted(folder.glob("data_batch_*")) if split == "train" else [folder / "test_batch"]
        if not files or not (folder / "batches.meta").is_file():
            raise PolyheadError(
                f"{folder}: not CIFAR-10; expected the files batches.meta, data_batch_1 to data_batch_5 and test_batch"
            )
        self.problems, self.skipped = [], []
        self.names = []
        self._files = [str(path) for path in files]
        pixels, labels, self._ids = [torch.zeros(0, 3, SIDE, SIDE, dtype=torch.uint8)], list[int](), list[str]()
        try:
            self.names = [str(name) for key, name in _told(folder / "batches.meta") if key == "label_names"]
            for path in files:
                rows, own = _batch(path, len(self.names))
                pixels.append(rows)
                labels += own
                self._ids += [f"{path.name}/{number:05d}" for number in range(len(own))]
        except FileFault as fault:
            self.problems.append(fault.problem)
        self.categories = [*self.names]
        self._pixels, self._labels = torch.cat(pixels), labels
        self.digest = sha256(self._pixels.numpy().tobytes()).hexdigest()

    def __len__(self) -> int:
        return len(self._ids)

    def annotation(self, index: int) -> Annotation:
        """The class of one picture."""
        index = range(len(self))[index]
        none = torch.zeros(0)
        return Annotation(
            id=self._ids[index],
            path="",
            size=(SIDE, SIDE),
            boxes=none.reshape(0, 4),
            labels=none.long(),
            ignore=none.bool(),
            areas=none,
            annotated=torch.ones(len(self.names), dtype=torch.bool),
            value=torch.tensor(self._labels[index]),
        )

    def __getitem__(self, index: int) -> Sample:
        """One picture with its class."""
        return sample(self.annotation(index), self._pixels[range(len(self))[index]].clone())


def _batch(path: Path, classes: int) -> tuple[Tensor, list[int]]:
    """Pixels, uint8 ``[n, 3, 32, 32]``, and labels of one batch.

    Raises:
        FileFault: when the file has not as many labels as pictures, or a label that is no class.
    """
    told = [*_told(path)]
    labels = [label for key, label in told if key == "labels" and isinstance(label, int)]
    rows = max((value for key, value in told if key == "data" and isinstance(value, str)), key=len, default="")
    if not labels or len(rows) != len(labels) * ROW:
        what = f"found {len(labels)} labels and {len(rows):,} bytes of pixels, expected {ROW:,} bytes a label"
        raise FileFault(path, what, "copy the file again from its source")
    if max(labels) >= classes:
        what = f"found label {max(labels)}, and batches.meta names {classes} classes"
        raise FileFault(path, what, "copy the files again from their source")
    pixels = torch.frombuffer(bytearray(rows, "latin-1"), dtype=torch.uint8)
    return pixels.reshape(-1, 3, SIDE, SIDE), labels


def _told(path: Path) -> Iterator[tuple[str, int | str]]:
    """Every number and string of a pickled dictionary, each with the last of its keys; nothing of it is run.

    Raises:
        FileFault: when the file cannot be read, or is no pickle.
    """
    key = ""
    try:
        for instruction, value, _ in pickletools.genops(path.read_bytes()):
            if isinstance(value, str) and value in KEYS:
                key = value
            elif isinstance(value, int | str) and "PUT" not in instruction.name:  # those number places of the memo
                yield key, value
    except OSError as fault:
        raise FileFault(path, f"cannot be read ({fault.strerror})", "see that it exists and may be read") from fault
    except (ValueError, IndexError) as fault:
        raise FileFault(path, f"is no whole pickle ({fault})", "copy the file again from its source") from fault
