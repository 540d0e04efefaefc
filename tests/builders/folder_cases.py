"""Random data folders as people keep them, and what must be found in them.

A case is a function that writes a folder with the random choices of a :class:`Variant` and returns what is expected.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from polyhead.contracts.reader import Reader
from polyhead.data.formats.recognize import recognize
from polyhead.errors import PolyheadError

WORDS = (
    "helmet", "vest", "Bolt", "rust spot", "crack", "тигр", "Apfel-grün", "left_arm", "ketchup", "R2D2", "ear of corn",
    "naïve", "screw.M4", "WBC", "ladder", "glove", "猫", "pot hole", "sign_50", "buoy",
)  # fmt: skip
"""Class names as people write them: capitals, spaces, dots, other scripts."""
STEMS = ("IMG", "DSC", "frame", "photo of", "снимок", "a.b", "Scan-", "img_v2.final", "0", "größe")
"""Beginnings of file names."""
FAST, ALL = 3, 20
"""Variants of a case in ``make test``, and with ``make test-slow``."""

variants = pytest.mark.parametrize(
    "seed", [*range(FAST), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(FAST, ALL))]
)
"""Run a test with the seed of each variant."""

Box = tuple[str, tuple[float, float, float, float]]
"""A class name and an xyxy box in pixels."""


class Expected(NamedTuple):
    """What must be found in a folder, or the message for it.

    Attributes:
        reader: the format.
        classes: the class names in order.
        targets: for each split and each image (its file name without ending) its boxes, its mask (class numbers), or
            the name of its class.
        notes: patterns, each of which must be in a note.
        message: a pattern that the error or a problem must match; then nothing else is expected.
        ask: the format to ask for (``--reader``), where it is not the default one.
        settings: settings of the reader that the user gives.
    """

    reader: str = ""
    classes: Sequence[str] = ()
    targets: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    notes: Sequence[str] = ()
    message: str = ""
    ask: str | None = None
    settings: Mapping[str, Any] = MappingProxyType({})


class Variant:
    """The random choices of one variant of a case.

    Args:
        seed: the same seed makes the same choices.
        folder: where the case writes.
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self.random = random.Random(seed)
        self.folder = folder

    def classes(self, least: int = 2, most: int = 4, words: Sequence[str] = WORDS) -> list[str]:
        """Return different class names."""
        return self.random.sample(list(words), self.random.randint(least, most))

    def stems(self, least: int = 4, most: int = 7) -> list[str]:
        """Return different file names without endings."""
        start = self.random.choice(STEMS)
        count = self.random.randint(least, most)
        return [f"{start}{number}" for number in self.random.sample(range(1, 1000), count)]

    def suffix(self, *choices: str) -> str:
        """Return the ending of image files, by default .jpg, .png, .jpeg or .JPG."""
        return self.random.choice(choices or (".jpg", ".png", ".jpeg", ".JPG"))

    def letters(self, word: str) -> str:
        """Return a word in lower case, in capitals or with a capital at its beginning."""
        return self.random.choice((word.lower(), word.upper(), word.capitalize()))

    def image(self, name: str, size: tuple[int, int] | None = None) -> tuple[int, int]:
        """Write an image of random noise to a relative path; return width and height."""
        width, height = size or (self.random.randrange(40, 90), self.random.randrange(40, 90))
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(self.random.randrange(1 << 30)).integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(noise).save(path)
        return width, height

    def write(self, name: str, text: str) -> None:
        """Write a text file to a relative path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def mask(self, name: str, values: np.ndarray, mode: str = "L") -> None:
        """Write a mask (uint8 ``[h, w]``, or ``[h, w, 3]`` with mode RGB) to a relative path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(values)
        if mode == "P":
            image = Image.fromarray(values, "L").convert("P")
            image.putpalette([number for entry in range(256) for number in (entry * 37 % 256, entry * 91 % 256, entry)])
            image.putdata(values.flatten().tolist())
        image.save(path)

    def boxes(self, size: tuple[int, int], classes: Sequence[str], least: int = 1, most: int = 4) -> list[Box]:
        """Return random boxes of whole pixels inside an image of this width and height."""
        width, height = size
        found = []
        for _ in range(self.random.randint(least, most)):
            x1, y1 = self.random.randrange(width - 12), self.random.randrange(height - 12)
            x2, y2 = self.random.randrange(x1 + 6, width), self.random.randrange(y1 + 6, height)
            found.append((self.random.choice(list(classes)), (float(x1), float(y1), float(x2), float(y2))))
        return found


Case = Callable[[Variant], Expected]


def check_case(case: Case, seed: int, folder: Path) -> None:
    """Write one variant of a case, and compare what is found with what is expected."""
    expected = case(Variant(seed, folder))
    if expected.message:
        found = _message(expected, folder)
        assert re.search(expected.message, found), found
        return
    layout = recognize(folder, expected.ask, expected.settings)
    assert layout.reader == expected.reader
    for split, reader in layout.splits.items():
        assert not reader.problems, f"{split}: {reader.problems}"
        assert reader.names == list(expected.classes), split
    assert {split: found_targets(reader) for split, reader in layout.splits.items()} == {
        split: {stem: _comparable(target) for stem, target in targets.items()}
        for split, targets in expected.targets.items()
    }
    for pattern in expected.notes:
        assert any(re.search(pattern, note) for note in layout.notes), (pattern, layout.notes)


def _message(expected: Expected, folder: Path) -> str:
    """Return the message for a folder: why it is not read, or the problems of its readers."""
    try:
        layout = recognize(folder, expected.ask, expected.settings)
    except PolyheadError as error:
        return str(error)
    return "\n".join(str(problem) for reader in layout.splits.values() for problem in reader.problems)


def found_targets(reader: Reader) -> dict[str, Any]:
    """Return the targets of a reader by file name without ending, in a form that can be compared."""
    found = {}
    for index in range(len(reader)):
        target, stem = reader.target(index), Path(reader.entry(index).files[0]).stem
        assert stem not in found, f"two images {stem}"
        if reader.kind == "detection":
            pairs = zip(target.labels.tolist(), target.boxes.tolist(), strict=True)
            found[stem] = _comparable([(reader.names[label], tuple(box)) for label, box in pairs])
        elif reader.kind == "segmentation":
            found[stem] = _comparable(target.classes.numpy())
        else:
            found[stem] = _comparable(reader.names[int(target.label)])
    return found


def _comparable(target: Any) -> Any:
    """Return a target so that equal ones compare equal: boxes to a tenth of a pixel and in order, masks as lists."""
    if isinstance(target, np.ndarray):
        return target.tolist()
    if isinstance(target, str):
        return target
    return sorted((name, tuple(round(number, 1) + 0.0 for number in box)) for name, box in target)
