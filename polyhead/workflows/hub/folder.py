"""Write and read a model that can be shared: a folder with ``model.safetensors``, ``config.json`` and a model card.

``config.json`` has everything of a weights file (:mod:`polyhead.checkpoint`) that is not a tensor. It is data: what it
names is imported only from packages that the user allows.
"""

import os
import shutil
from pathlib import Path
from secrets import token_hex
from typing import Any

import polyhead
from polyhead import checkpoint
from polyhead.checkpoint import Checkpoint
from polyhead.errors import PolyheadError
from polyhead.paths import make_folder
from polyhead.run import PARTIAL, plain, replace
from polyhead.stored import tensor_files
from polyhead.stored.run_files import PRECISIONS
from polyhead.stored.tensor_files import CHECKSUM, DamagedError
from polyhead.stored.text_files import damaged, read_json
from polyhead.workflows.hub_access import NEW
from polyhead.workflows.space.public import json_bytes, private_part

WEIGHTS, CONFIG, README = "model.safetensors", "config.json", "README.md"
FILES = (WEIGHTS, CONFIG, README)
LIBRARY = "polyhead"
FORMAT = 1
REMEDY = "Download or copy the folder again, or write it with polyhead.save_pretrained."
_WEIGHTS_ONLY = ("state", CHECKSUM + "?")
SHAPE = {
    "library_name": frozenset([LIBRARY]),
    "format": int,
    "precision": PRECISIONS,
    CHECKSUM: str,
    **{key: shape for key, shape in checkpoint.SHAPE.items() if key not in _WEIGHTS_ONLY},
}
"""The shape of ``config.json``."""


def write(folder: Path, weights: Checkpoint, precision: str, card: str) -> None:
    """Write a model into a folder; files of an earlier one are replaced, and others stay.

    Args:
        folder: the folder; it is made if there is none.
        weights: its tensors and what describes it, without private paths.
        precision: precision of its predictions.
        card: the model card.

    Raises:
        PolyheadError: if the folder has files of something else, the disk is full, or a text names a private path.
    """
    _check_folder(folder)
    described = {key: value for key, value in weights._asdict().items() if key != "state"}
    content = {
        "library_name": LIBRARY,
        "format": FORMAT,
        "polyhead": polyhead.__version__,
        "precision": precision,
        CHECKSUM: _checksum(weights.state),
        **described,
    }
    texts = {CONFIG: json_bytes(plain(content)), README: card.encode("utf-8", "backslashreplace")}
    for name, text in texts.items():
        if found := private_part(text.decode()):
            where = "model_card.md" if name == README else "the settings of its model or data"
            raise PolyheadError(
                f"{name} would name {found!r}, which may be private. Remove it from {where}, and save the model again."
            )
    make_folder(folder)
    part = folder / f".{token_hex(4)}.{os.getpid()}{PARTIAL}"
    try:
        part.mkdir()
        _save_tensors(weights, part / WEIGHTS)
        for name, text in texts.items():
            (part / name).write_bytes(text)
        for name in FILES:
            replace(part / name, folder / name)
    except OSError as error:
        raise PolyheadError(
            f"{folder}: the model cannot be written ({error.strerror or error}). Give another folder, or free some "
            "space."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def read(folder: Path) -> tuple[Checkpoint, str]:
    """Read a model from a folder; no code of it is run.

    Returns:
        The weights with what describes them, and the precision of predictions.

    Raises:
        PolyheadError: if a file is missing, damaged, of a newer format, or of another program.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise PolyheadError(f"{folder} has no {name}. {REMEDY}")
    config = folder / CONFIG
    content = read_config(config)
    if content["format"] > FORMAT:
        raise PolyheadError(
            f"{config} was written by a newer Polyhead (format {content['format']}, this version reads up to "
            f"{FORMAT}). Upgrade polyhead."
        )
    state = _load_tensors(folder / WEIGHTS)
    try:
        tensor_files.check_tensors(state)
    except DamagedError as error:
        raise damaged(folder / WEIGHTS, str(error), REMEDY) from error
    if _checksum(state) != content[CHECKSUM]:
        raise damaged(folder / WEIGHTS, f"its tensors are not those that {CONFIG} was written for", REMEDY)
    fields = {key: content[key] for key in Checkpoint._fields if key != "state"}
    return Checkpoint(state=state, **fields), content["precision"]


def read_config(path: Path) -> dict[str, Any]:
    """Read ``config.json``.

    Raises:
        PolyheadError: if it is damaged, or of another program.
    """
    content = read_json(path, {"library_name?": Any}, REMEDY)
    if content.get("library_name") != LIBRARY:
        raise PolyheadError(
            f"{path} is not of a Polyhead model: expected library_name {LIBRARY!r}, got "
            f"{content.get('library_name')!r}. Load the model with the library that it was made with."
        )
    return read_json(path, SHAPE, REMEDY)


def _check_folder(folder: Path) -> None:
    """Check that a model may be written into a folder.

    Raises:
        PolyheadError: if it is a file, or has files that are not of such a model.
    """
    if folder.is_file():
        raise PolyheadError(f"{str(folder)!r} is a file. Give a folder for the model.")
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if CONFIG in found:
        read_config(folder / CONFIG)
    elif found - NEW - {".git"}:
        raise PolyheadError(f"{str(folder)!r} is not empty, and has no model of Polyhead. Give a new folder.")


def _checksum(state: dict[str, Any]) -> str:
    """Return the checksum of tensors in any order, as safetensors does not store theirs."""
    return tensor_files.checksum(dict(sorted(state.items())))


def _save_tensors(weights: Checkpoint, path: Path) -> None:
    from safetensors.torch import save

    # Tensors that share their memory are refused.
    content = save({name: value.clone().contiguous() for name, value in weights.state.items()}, {"format": "pt"})
    path.write_bytes(content)  # safetensors' own files cannot be read by other users


def _load_tensors(path: Path) -> dict[str, Any]:
    """Return the tensors of a file.

    Raises:
        PolyheadError: if it is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise damaged(path, f"{type(error).__name__}: {' '.join(str(error).split()):.200}", REMEDY) from error
