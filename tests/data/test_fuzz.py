"""Readers survive mutated annotation files: a message that names what is wrong, or a sound reading."""

import os
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from polyhead.data.doctor import check
from polyhead.data.formats.recognize import FORMATS, recognize
from polyhead.errors import PolyheadError

FILES = {
    "coco": "annotations/instances_train.json",
    "coco_masks": "annotations/instances_train.json",
    "labelme": "0.json",
    "labelme_masks": "0.json",
    "box_csv": "train/_annotations.csv",
}
"""The file of each format that is mutated."""
VALUES = (
    "1e999",
    "NaN",
    "-1",
    "null",
    "[]",
    "{}",
    '"x"',
    "9" * 400,
    "9" * 5000,
    "true",
    "0.5",
    '""',
    "[[1, 2]]",
    "1e-300",
)
"""What replaces a number or a text."""
MUTANTS = int(os.environ.get("POLYHEAD_MUTANTS", "30"))


def mutate(data: bytes, choose: random.Random) -> bytes:
    """Return a file with one or a few random faults."""
    kind = choose.randrange(6)
    if kind == 0:
        return data[: choose.randrange(len(data))]
    if kind == 1:
        flipped = bytearray(data)
        for _ in range(choose.randint(1, 5)):
            flipped[choose.randrange(len(data))] ^= 1 << choose.randrange(8)
        return bytes(flipped)
    if kind == 2:
        return data.decode().encode(choose.choice(["utf-16", "utf-32", "utf-16-le", "utf-7", "utf-8-sig"]))
    if kind == 3:
        return data.replace(b"[", b"[" * choose.choice([2, 5000, 200_000]), 1) + b"," * choose.randrange(9)
    places = list(re.finditer(rb'-?\d+(\.\d+)?|"[^"]*"|[a-z]+', data))
    for place in sorted(choose.sample(places, choose.randint(1, 3)), key=lambda each: -each.start()):
        data = data[: place.start()] + choose.choice(VALUES).encode() + data[place.end() :]
    return data


@pytest.mark.slow
@pytest.mark.parametrize("kind", FILES)
def test_mutated_files(kind: str, tiny: Callable[[str], Path]) -> None:
    root = tiny(kind)
    file = root / FILES[kind]
    data = file.read_bytes()
    outcomes: Counter[str] = Counter()
    for seed in range(MUTANTS):
        file.write_bytes(mutate(data, random.Random(seed)))
        for found in (True, False):
            try:
                reader = recognize(root, kind).splits["train"] if found else FORMATS[kind].reader(root)
                outcomes["problems" if check(reader) else "sound"] += 1
            except PolyheadError as error:
                outcomes["message" if str(root) in str(error) else f"no place: {error}"] += 1
    assert outcomes.keys() <= {"message", "problems", "sound"}
    assert outcomes["message"] + outcomes["problems"] > MUTANTS
