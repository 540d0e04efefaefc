"""Read the files of tensors that Polyhead has written (weights, and the state to resume from).

They are zip archives of ``torch.save`` without compression, with a checksum of each record, and are read with
``weights_only=True``, which runs no code. They also have a checksum of their tensors, which is wrong where another
program has changed one.
"""

import hashlib
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from polyhead.errors import few

CHECKSUM = "checksum"
"""The entry of a file with the checksum of its content."""
ZIP = b"PK\x03\x04"
_FOREIGN = "it does not consist of plain tensors, and other content is not loaded"


class DamagedError(ValueError):
    """A file that cannot be read; the message says what is wrong, without the name of the file."""


class ForeignError(DamagedError):
    """A file of something else, such as one with code in it."""


def read(path: Path) -> Any:
    """Read a file of tensors; they are on the CPU.

    Raises:
        DamagedError: if it is damaged.
        ForeignError: if it is not an archive of tensors and plain types.
    """
    with path.open("rb") as file:
        start = file.read(len(ZIP))
    if start and start != ZIP:
        raise ForeignError(_FOREIGN)
    _check_archive(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # about sparse tensors, which are refused anyway
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ForeignError(_FOREIGN) from error
    except Exception as error:  # a damaged pickle can raise anything
        raise DamagedError(f"it cannot be read ({type(error).__name__})") from error


def _check_archive(path: Path) -> None:
    """Check the records of an archive: that they are complete, not compressed, and have their checksums.

    Raises:
        DamagedError: for the first that is not.
    """
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
            # What is not compressed cannot fill the memory with more than the size of the file.
            compressed = any(each.compress_type != zipfile.ZIP_STORED for each in records)
            if compressed or sum(each.file_size for each in records) > size:
                raise DamagedError("its records are compressed or overlap")
            wrong = archive.testzip()
    except DamagedError:
        raise
    except Exception as error:  # a damaged archive can raise anything
        raise DamagedError(f"{size} bytes") from error
    if wrong is not None:
        raise DamagedError(f"the checksum of its record {wrong!r} is wrong")


def write(content: Any, path: Path) -> None:
    """Save with ``torch.save``, such that the bytes do not depend on the name of the file."""
    with path.open("wb") as file:
        torch.save(content, file)


def check_checksum(content: Mapping[str, Any], checked: Mapping[str, Any]) -> None:
    """Check the checksum in a file; files of older versions have none.

    Args:
        content: the content of the file, with the checksum.
        checked: the part of it that the checksum is of.

    Raises:
        DamagedError: if it is wrong.
    """
    if CHECKSUM in content and content[CHECKSUM] != checksum(checked):
        odd = [name for name, value in checked.items() if isinstance(value, Tensor) and _is_odd(value)]
        named = f", and not finite or not real numbers are {few(odd, 3)}" if odd else ""
        raise DamagedError(f"the checksum of its tensors is wrong{named}")


def _is_odd(value: Tensor) -> bool:
    """Return whether a tensor is hardly one of weights: not finite, complex, or of integers (which counters may be)."""
    counts = not value.is_floating_point() and not value.ndim
    return not counts and (not value.is_floating_point() or not bool(value.isfinite().all()))


def checksum(content: Any) -> str:
    """Return a SHA-256 checksum of nested tensors and plain values, on whatever device they are.

    Raises:
        DamagedError: if the values are nested too deeply, or a tensor has no values in order, such as a sparse one.
    """
    digest = hashlib.sha256()
    try:
        _add(digest, content)
    except RecursionError as error:
        raise DamagedError("its content is nested too deeply") from error
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", value: Any) -> None:
    """Add a value to a checksum."""
    if isinstance(value, Mapping):
        digest.update(b"{")
        for key, each in value.items():
            digest.update(f"{key!r}:".encode())
            _add(digest, each)
    elif isinstance(value, list | tuple):
        digest.update(b"[")
        for each in value:
            _add(digest, each)
    elif isinstance(value, Tensor):
        if not _is_plain(value):
            raise DamagedError(f"it holds a tensor that is not a plain one ({value.layout}, {value.device.type})")
        digest.update(f"{value.dtype}{list(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    else:
        digest.update(f"{value!r};".encode())


def _is_plain(value: Tensor) -> bool:
    """Return whether a tensor holds its values in order."""
    return value.layout == torch.strided and value.device.type != "meta" and not value.is_quantized


def check_tensors(state: Mapping[str, Any]) -> None:
    """Check that a state dict has plain tensors only, none of them larger than its data.

    Raises:
        DamagedError: for the first that is something else.
    """
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise DamagedError(f"{name} is not a tensor")
        if not _is_plain(value) or value.device.type != "cpu":
            raise DamagedError(f"{name} is not a plain tensor")
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise DamagedError(f"{name} is larger than its data")
