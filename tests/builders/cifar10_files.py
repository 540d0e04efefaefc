"""CIFAR-10's files, written as its authors pickled them."""

import struct
from pathlib import Path


def text(value: str) -> bytes:
    """A string as Python 2 pickled it, and its place in the memo."""
    return b"U" + bytes([len(value)]) + value.encode() + b"q\x07"


def batch(labels: list[int], pixels: bytes) -> bytes:
    """A batch as its authors pickled it (the array's frame, which is not read, left out)."""
    listed = b"".join(b"K" + bytes([label]) for label in labels)
    told = text("batch_label") + text("training batch 1 of 5") + text("labels") + b"]q\x03(" + listed + b"e"
    return b"\x80\x02}q\x01(" + told + text("data") + b"T" + struct.pack("<i", len(pixels)) + pixels + b"u."


def write_cifar10(root: Path) -> Path:
    """Three training pictures in two batches, one test picture, two classes."""
    names = text("label_names") + b"]q\x02(" + text("cat") + text("dog") + b"e" + text("num_vis") + b"M\x00\x0c"
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "batches.meta").write_bytes(b"\x80\x02}q\x01(" + names + b"u.")
    (folder / "data_batch_1").write_bytes(batch([1, 0], bytes(range(256)) * 12 + b"\xff" * 3072))
    (folder / "data_batch_2").write_bytes(batch([1], b"\x07" * 3072))
    (folder / "test_batch").write_bytes(batch([0], b"\x09" * 3072))
    return folder
