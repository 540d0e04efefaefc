"""Seeded damages of the files in a run folder: of their bytes, and of what they contain."""

import io
import json
import struct
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

LONG = 10**7
"""A number that is large, but valid in many places."""
ODD: tuple[Any, ...] = (
    None,
    "text",
    "",
    -1,
    0,
    1e300,
    10**30,
    True,
    [],
    {},
    [[]],
    {"a": 1},
    0.5,
    "../x",
    "\ud83d\ude00",
    10**7,
)
"""Values of another type or size than expected."""
DEEP = 100_000
"""Levels of the deepest nesting."""


class Draw:
    """Random choices from a seed.

    Args:
        seed: the seed.
    """

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def below(self, count: int) -> int:
        """Return a whole number from 0 to ``count - 1``."""
        return int(torch.randint(count, (), generator=self.generator))

    def one(self, choices: Sequence[Any]) -> Any:
        """Return one of the choices."""
        return choices[self.below(len(choices))]


def mutate(path: Path, draw: Draw, others: Sequence[Path]) -> str:
    """Damage a file in a random way, and return how.

    Args:
        path: the file.
        draw: the random choices.
        others: files of another run, one of which may take its place.
    """
    own = {".json": json_value, ".yaml": yaml_value, ".csv": csv_cell, ".npz": npz_array, ".pt": entry, ".ckpt": entry}
    ways: list[Callable[[Path, Draw], str]] = [flipped, truncated, overwritten, *[own[path.suffix]] * 5, nested]
    way = draw.below(len(ways) + 1)
    if way < len(ways):
        return ways[way](path, draw)
    # a file of the same kind from another run is whole, so it is no damage
    source = draw.one([each for each in others if each.name != path.name and each.suffix != ".pt"])
    path.write_bytes(source.read_bytes())
    return f"{source.name} in its place"


def flipped(path: Path, draw: Draw) -> str:
    """Flip one bit."""
    data = bytearray(path.read_bytes() or b"0")  # an empty file gets a byte
    index, bit = draw.below(len(data)), draw.below(8)
    data[index] ^= 1 << bit
    path.write_bytes(data)
    return f"bit {bit} of byte {index} flipped"


def truncated(path: Path, draw: Draw) -> str:
    """Cut the file off."""
    data = path.read_bytes()
    size = draw.below(len(data) + (not data))
    path.write_bytes(data[:size])
    return f"cut to {size} bytes"


def overwritten(path: Path, draw: Draw) -> str:
    """Overwrite some bytes with others, which are hardly UTF-8."""
    data = bytearray(path.read_bytes())
    start = draw.below(len(data) + (not data))
    data[start : start + 16] = bytes(draw.below(256) for _ in range(16))
    path.write_bytes(data)
    return f"16 bytes from {start} overwritten"


def nested(path: Path, draw: Draw) -> str:
    """Write brackets only, very deeply nested, or nothing at all."""
    text = draw.one(["[" * DEEP, '{"a":' * DEEP, "a: [" * 5000, "", "null", "[]", '"text"', "3", '"open'])
    path.write_text(text, encoding="utf-8")
    return f"replaced by {text[:9]!r}"


def changed(tree: Any, draw: Draw, odd: Sequence[Any] = ODD) -> tuple[Any, str]:
    """Return a tree of values with one of them deleted, or replaced by an odd one; and where."""
    places: list[tuple[Any, Any, str]] = []

    def gather(node: Any, where: str) -> None:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            places.append((node, key, f"{where}.{key}"))
            if isinstance(value, dict | list):
                gather(value, f"{where}.{key}")

    gather(tree, "")
    node, key, where = draw.one(places)
    if draw.below(4) == 0:
        del node[key]
        return tree, f"{where} deleted"
    value = draw.one([each for each in odd if not _same(each, node[key])])
    node[key] = value
    return tree, f"{where} replaced by {str(value)[:40]!r}"


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and not isinstance(one, torch.Tensor) and bool(one == other)


def json_value(path: Path, draw: Draw) -> str:
    """Change one value of a JSON file."""
    tree, how = changed(json.loads(path.read_text(encoding="utf-8")), draw, [*ODD, float("nan"), float("inf")])
    path.write_text(json.dumps(tree), encoding="utf-8")
    return how


def yaml_value(path: Path, draw: Draw) -> str:
    """Change one value of a YAML file, or add a date that does not exist."""
    if draw.below(8) == 0:
        path.write_text(f"{path.read_text(encoding='utf-8')}\nseed: 2026-02-31\n", encoding="utf-8")
        return "an impossible date"
    odd = [value for value in ODD if not isinstance(value, int) or value < LONG]  # a setting may ask for so much work
    tree, how = changed(yaml.safe_load(path.read_text(encoding="utf-8")), draw, odd)
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return how


def csv_cell(path: Path, draw: Draw) -> str:
    """Change one cell of a CSV file: the header, too; or remove the header, or repeat or cut a line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    number, way = draw.below(len(lines)), draw.below(5)
    cells = lines[number].split(",")
    if way == 0:
        del lines[0]
    elif way == 1:
        lines[number] = ",".join(cells[: draw.below(len(cells))])
    elif way == 2:
        lines[number] += ",1,2"
    else:
        cells[draw.below(len(cells))] = draw.one(
            ["word", "-1", "1e999", "nan", '"open', "x" * 200_000, "1_0", "\0", " 1"]
        )
        lines[number] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"way {way} in line {number}"


def npz_array(path: Path, draw: Draw) -> str:
    """Change one array of a file of stored predictions, or how it is packed."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    name, way = draw.one(sorted(arrays)), draw.below(8)
    array = arrays[name]
    if way == 0:
        del arrays[name]
    elif way == 1:
        arrays[name] = array.astype(array.dtype.newbyteorder(">"))
    elif way == 2:
        arrays[name] = array[:-1]
    elif way == 3 and array.dtype.kind in "if":
        arrays[name] = array + 1000
    elif way == 4:
        arrays[name] = array.astype(np.str_)
    elif way == 5 and array.dtype.kind == "f":
        arrays[name] = np.full_like(array, np.nan)
    elif way == 6:
        return _header(path, draw)
    else:
        return _packing(path, draw)
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return f"way {way} of {name}"


def _header(path: Path, draw: Draw) -> str:
    """Write an array whose header does not fit its data."""
    head = draw.one(
        [
            b"{'descr': '<f4', 'fortran_order': False, 'shape': (10000000000000,), }",
            b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
            b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
            b"{'descr': 'nothing', 'fortran_order': False, 'shape': (1,), }",
            b"{'descr': ",
            b"(" * 300,
        ]
    )
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head) + 1) + head + b"\n" + b"\0" * 8
    _repack(path, draw, content)
    return f"header {head[:60]!r}"


def _repack(path: Path, draw: Draw, content: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files[draw.one(sorted(files))] = content
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, each in files.items():
            archive.writestr(name, each)
    path.write_bytes(data.getvalue())


def _packing(path: Path, draw: Draw) -> str:
    """Mark the first entry as encrypted, or as packed with a method that nobody knows."""
    data = bytearray(path.read_bytes())
    offset, value = draw.one([(6, 1), (8, 99)])
    central = data.index(b"PK\x01\x02")
    data[offset : offset + 2] = data[central + offset + 2 : central + offset + 4] = struct.pack("<H", value)
    path.write_bytes(data)
    return f"{value} at {offset} of the archive's entry"


def entry(path: Path, draw: Draw) -> str:
    """Change one value of a weights file or of ``resume.ckpt``, and save it as torch does."""
    content = torch.load(path, weights_only=True)
    tensors = [
        torch.zeros(3),
        torch.zeros(2, 2).to_sparse(),
        torch.empty(2, device="meta"),
        torch.zeros(1).expand(10**9),
        torch.zeros(2, dtype=torch.complex64),
    ]
    if draw.below(2) == 0:
        content, how = changed(content, draw, [*ODD, *tensors])
    else:
        state = content["state" if "state" in content else "state_dict"]
        name = draw.one(sorted(state))
        value = state[name]
        ways = [value.cfloat(), value.long(), value.float() * float("nan"), value + 1, value[None], *tensors, "text"]
        state[name] = draw.one(ways)
        how = f"{name} replaced"
    torch.save(content, path)
    return how
