"""Damaged annotation files give a clear message or a sound reading: no other exception, and no long wait."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from polyhead.data.doctor import check
from polyhead.data.formats.recognize import recognize
from polyhead.errors import PolyheadError

KINDS = {"yolo": (".txt", ".yaml"), "yolo_masks": (".txt", ".yaml"), "voc": (".xml", ".txt")}
"""The endings of the files that are damaged, for each format."""
WORDS = (
    b"nan", b"-inf", b"1e999", b"9" * 400, b"-1", b"0", b"0.5", b"1e-320", b"", b"[" * 3000, b"{" * 3000, b"<a>" * 3000,
    b"&x;", b"null", b"true", b"'", b'"', b"\xff\xfe", b"\x00", b"\r", "тигр".encode(), b"../../etc/passwd",
    b"/" * 5000, b"a" * 300, b"*x", b"!!python/object:os.system", b"- - -", b"2024-13-45", b"0x1F", b"images/train",
    b"a/" * 3000, b"\\\\server\\x", b"&a [*a, *a]", b"<![CDATA[", b"</annotation>", b"\xe2\x80\xa8",
)  # fmt: skip


def truncate(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def flip(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 3, 20]) if data else 0):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def replace_word(data: bytes, chance: random.Random) -> bytes:
    """Replace or extend something at a random place by a word of another type, size or encoding."""
    start = chance.randrange(len(data) + 1)
    return data[:start] + chance.choice(WORDS) + data[start + chance.choice([0, 1, 4]) :]


def replace_number(data: bytes, chance: random.Random) -> bytes:
    digits = [index for index, byte in enumerate(data) if chr(byte).isdigit()]
    if not digits:
        return data
    start = chance.choice(digits)
    return data[:start] + chance.choice(WORDS) + data[start + 1 :]


def recode(data: bytes, chance: random.Random) -> bytes:
    return data.decode("utf-8", "replace").encode(chance.choice(["utf-16", "utf-16-le", "utf-32", "utf-7"]))


def repeat(data: bytes, chance: random.Random) -> bytes:
    return data * chance.choice([2, 50])


MUTATIONS: list[Callable[[bytes, random.Random], bytes]] = [
    truncate, flip, replace_word, replace_word, replace_number, replace_number, recode, repeat
]  # fmt: skip


def read_all(root: Path, kind: str) -> str:
    """Read a folder as its users do, and return what is reported."""
    try:
        layout = recognize(root, kind)
        problems = [problem for reader in layout.splits.values() for problem in check(reader)]
    except PolyheadError as error:
        return str(error)
    return "\n".join([*map(str, problems), *layout.notes])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(30))
def test_mutants(kind: str, seed: int, tiny: Callable[[str], Path]) -> None:
    root, chance = tiny(kind), random.Random(f"{kind} {seed}")
    files = sorted(path for path in root.rglob("*") if path.suffix in KINDS[kind])
    for path in chance.sample(files, chance.choice([1, 1, 2])):
        data = path.read_bytes()
        for _ in range(chance.choice([1, 1, 2])):
            data = chance.choice(MUTATIONS)(data, chance)
        path.write_bytes(data)
    started = time.monotonic()
    report = read_all(root, kind)
    assert time.monotonic() - started < 30
    assert "Traceback" not in report
    assert all(len(line) < 2000 for line in report.splitlines()), "a message repeats the content of a file"
