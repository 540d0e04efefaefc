"""Read CIFAR-10 from the pickle files that its authors publish.

Loading a pickle can run code. These files are therefore never unpickled: their opcodes are read one by one, and only
numbers and strings are taken from them.
"""

import pickletools
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from polyhead.contracts.reader import Reader
from polyhead.errors import InvalidFileError, PolyheadError
from polyhead.paths import find
from polyhead.types import ClassLabel, Entry

SIDE = 32
ROW = 3 * SIDE * SIDE
KEYS = frozenset(["batch_label", "labels", "data", "filenames", "label_names", "num_cases_per_batch", "num_vis"])


class Cifar10(Reader):
    """Images of 32 x 32 pixels for classification.

    Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images". All pixels are held in memory.

    Args:
        root: the folder ``cifar-10-batches-py`` of the archive, or the folder that contains it.
        split: ``"train"`` reads every ``data_batch_*`` that exists, ``"test"`` reads ``test_batch``.

    Raises:
        PolyheadError: if the folder has none of these files.
    """

    kind = "classification"

    def __init__(self, root: str | Path, split: Literal["train", "test"] = "train") -> None:
        folder = find(root)
        inner = folder / "cifar-10-batches-py"
        folder = inner if inner.is_dir() else folder
        files = sorted(folder.glob("data_batch_*")) if split == "train" else [folder / "test_batch"]
        if not files or not (folder / "batches.meta").is_file():
            raise PolyheadError(
                f"{folder}: is not CIFAR-10 (expected the files batches.meta, data_batch_1 to data_batch_5 and "
                "test_batch). Correct root."
            )
        self.problems, self.skipped = [], []
        self.names = []
        self._files = [str(path) for path in files]
        pixels, labels, self._ids = [torch.zeros(0, 3, SIDE, SIDE, dtype=torch.uint8)], list[int](), list[str]()
        try:
            self.names = [str(name) for key, name in _values(folder / "batches.meta") if key == "label_names"]
            for path in files:
                images, classes = _batch(path, len(self.names))
                pixels.append(images)
                labels += classes
                self._ids += [f"{path.name}/{number:05d}" for number in range(len(classes))]
        except InvalidFileError as error:
            self.problems.append(error.problem)
        self.categories = [*self.names]
        self._pixels, self._labels = torch.cat(pixels), labels  # uint8 [n, 3, 32, 32]
        self.digest = sha256(self._pixels.numpy().tobytes()).hexdigest()

    def __len__(self) -> int:
        return len(self._ids)

    def entry(self, index: int) -> Entry:
        """Return the id of one image."""
        return Entry(self._ids[range(len(self))[index]], bytes=3 * SIDE * SIDE)

    def raw(self, index: int) -> Tensor:
        """Return the pixels of one image, uint8 ``[3, 32, 32]``."""
        return self._pixels[range(len(self))[index]].clone()

    def target(self, index: int) -> ClassLabel:
        """Return the class of one image."""
        return ClassLabel(torch.tensor(self._labels[range(len(self))[index]]))


def _batch(path: Path, classes: int) -> tuple[Tensor, list[int]]:
    """Read one batch file.

    Args:
        path: the file.
        classes: number of classes.

    Returns:
        Pixels, uint8 ``[n, 3, 32, 32]``, and ``n`` labels.

    Raises:
        InvalidFileError: if the numbers of labels and images differ, or a label is not one of the classes.
    """
    values = [*_values(path)]
    labels = [label for key, label in values if key == "labels" and isinstance(label, int)]
    # "data" also holds the short strings of the pickled array's frame; the pixels are the longest one
    rows = max((value for key, value in values if key == "data" and isinstance(value, str)), key=len, default="")
    if not labels or len(rows) != len(labels) * ROW:
        what = f"expected {ROW:,} bytes of pixels for each label, got {len(labels)} labels and {len(rows):,} bytes"
        raise InvalidFileError(path, what, "copy the file again from its source")
    if max(labels) >= classes:
        what = f"expected labels of the {classes} classes in batches.meta, got label {max(labels)}"
        raise InvalidFileError(path, what, "copy the files again from their source")
    pixels = torch.frombuffer(bytearray(rows, "latin-1"), dtype=torch.uint8)
    return pixels.reshape(-1, 3, SIDE, SIDE), labels  # each row is 1,024 red, green and blue values


def _values(path: Path) -> Iterator[tuple[str, int | str]]:
    """Yield every number and string of a pickled dictionary, each with the key before it; run none of its code.

    Raises:
        InvalidFileError: if the file cannot be read or is not a pickle.
    """
    key = ""
    try:
        for opcode, value, _ in pickletools.genops(path.read_bytes()):
            if isinstance(value, str) and value in KEYS:
                key = value
            elif isinstance(value, int | str) and "PUT" not in opcode.name:  # the argument of PUT is a memo index
                yield key, value
    except OSError as error:
        remedy = "check that the file exists and that you have permission to read it"
        raise InvalidFileError(path, f"cannot be read ({error.strerror})", remedy) from error
    except (ValueError, IndexError) as error:
        what = f"is not a complete pickle file ({error})"
        raise InvalidFileError(path, what, "copy the file again from its source") from error
