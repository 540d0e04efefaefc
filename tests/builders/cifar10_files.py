"""Write tiny CIFAR-10 files in the form in which its authors pickled them."""

import struct
from pathlib import Path


def text(value: str) -> bytes:
    """Return a string as Python 2 pickled it, with its memo index."""
    return b"U" + bytes([len(value)]) + value.encode() + b"q\x07"


def batch(labels: list[int], pixels: bytes) -> bytes:
    """Return a batch as its authors pickled it, without the frame of the array, which is not read."""
    listed = b"".join(b"K" + bytes([label]) for label in labels)
    head = text("batch_label") + text("training batch 1 of 5") + text("labels") + b"]q\x03(" + listed + b"e"
    return b"\x80\x02}q\x01(" + head + text("data") + b"T" + struct.pack("<i", len(pixels)) + pixels + b"u."


def write_cifar10(root: Path) -> Path:
    """Write three training images in two batches and one test image, of two classes; return their folder."""
    names = text("label_names") + b"]q\x02(" + text("cat") + text("dog") + b"e" + text("num_vis") + b"M\x00\x0c"
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "batches.meta").write_bytes(b"\x80\x02}q\x01(" + names + b"u.")
    (folder / "data_batch_1").write_bytes(batch([1, 0], bytes(range(256)) * 12 + b"\xff" * 3072))
    (folder / "data_batch_2").write_bytes(batch([1], b"\x07" * 3072))
    (folder / "test_batch").write_bytes(batch([0], b"\x09" * 3072))
    return folder
