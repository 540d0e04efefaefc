"""Mutated files are read or refused with a message; nothing else happens."""

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from polyhead.data.doctor import check
from polyhead.data.formats.recognize import recognize
from polyhead.errors import PolyheadError

Tiny = Callable[[str], Path]
KINDS = ("png_masks", "voc_masks", "folder", "oxford_pets", "oxford_pets_masks", "cifar10")
CLASS_FILES = {
    "labelmap.txt": "# label:color_rgb:parts:actions\nbackground:0,0,0::\nroad:128,64,128::\ncar:0,0,142::\n",
    "class_names.txt": "__ignore__\n_background_\nroad\ncar\n",
    "_classes.csv": "Pixel Value, Class\n0, background\n1, road\n2, car\n",
    "class_dict.csv": "name,r,g,b\nbackground,0,0,0\nroad,128,64,128\ncar,0,0,142\n",
    "codes.txt": "background\nroad\ncar\n",
    "label_colors.txt": "0 0 0\tbackground\n128 64 128\troad\n0 0 142\tcar\n",
}
PIECES = (
    b"NaN",
    b"1e999",
    b"-1",
    b"9" * 400,
    b"\xff\xfe",
    b"\0",
    b"[" * 3000,
    b"\n\n",
    b"../../x",
    "ü".encode("latin-1"),
)


def mutate(root: Path, chance: random.Random) -> None:
    """Change one to three files in a folder at random."""
    for path in chance.choices(sorted(path for path in root.rglob("*") if path.is_file()), k=chance.randint(1, 3)):
        data = bytearray(path.read_bytes())
        kind = chance.randrange(5)
        at = chance.randrange(len(data) + 1)
        if kind == 0:
            data = data[:at]
        elif kind == 1:
            for _ in range(chance.randint(1, 20)):
                if data:
                    data[chance.randrange(len(data))] = chance.randrange(256)
        elif kind == 2:
            data[at:at] = chance.choice(PIECES)
        elif kind == 3:
            data = bytearray(chance.choice(PIECES))
        else:
            data = data + data
        path.write_bytes(bytes(data))


def check_mutant(kind: str, seed: int, root: Path) -> None:
    """Mutate a data set and read it."""
    chance = random.Random(seed)
    if kind == "png_masks" and seed % 2:
        name = chance.choice(sorted(CLASS_FILES))
        (root / "classes.txt").unlink()
        (root / name).write_text(CLASS_FILES[name])
    mutate(root, chance)
    with suppress(PolyheadError):
        layout = recognize(root, kind)
        for reader in layout.splits.values():
            for problem in check(reader):
                assert problem.what
                assert problem.remedy


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("kind", KINDS)
def test_mutants(kind: str, seed: int, tiny: Tiny) -> None:
    check_mutant(kind, seed, tiny(kind))
