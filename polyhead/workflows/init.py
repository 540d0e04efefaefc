"""Recognize the data in a folder, check it, and write a commented recipe for it."""

import json
import re
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import yaml

from polyhead.config import recipe
from polyhead.errors import DataError, PolyheadError, few, one_line
from polyhead.paths import check_utf8, find
from polyhead.run import write_text

if TYPE_CHECKING:
    from polyhead.data.formats.recognize import DatasetLayout


def init(
    folder: str | Path,
    out: str | Path | None = None,
    minutes: float | None = None,
    reader: str | None = None,
    weights: str | None = None,
    show: Callable[[str], None] = print,
    settings: Mapping[str, Any] | None = None,
) -> Path:
    """Write a recipe for the data in a folder. The data is checked and not changed.

    Up to 5 % of the images may be invalid: the recipe then leaves them out.

    Args:
        folder: the data set: COCO, VOC, YOLO, Penn-Fudan, masks, or one folder per class.
        out: the recipe file to write; see :func:`default_path`.
        minutes: time limit of the training. Image size and epochs are chosen to fit it, by timing a training step.
        reader: the data format, for a folder with data in several formats.
        weights: weights file of the backbone, ``hub`` to download it, or the name of official weights of a detector;
            None looks for files.
        show: called with each line of the report.
        settings: settings of the reader, such as ``{"images": "train2017"}``.

    Returns:
        The recipe file.

    Raises:
        DataError: with every problem in the data.
        PolyheadError: when ``out`` exists, the format is not recognized, or ``minutes`` is not positive.
    """
    if minutes is not None and not minutes > 0:
        raise PolyheadError(f"minutes must be positive, got {minutes:g}")
    folder = Path(folder)
    path = default_path(folder) if out is None else Path(out)
    if path.exists():
        raise PolyheadError(f"{path} already exists and is not overwritten. Give another file with --out.")

    from polyhead.workflows.examine import describe, examine, left_out_lines  # these import torch
    from polyhead.workflows.first_recipe import first_recipe, render

    task = _task_name(folder)
    examined = examine(folder, reader, settings)
    layout = examined.layout
    if examined.problems:
        raise DataError(str(folder), examined.problems, examined.hint)
    for line in (*describe(folder, layout), *left_out_lines(examined)):
        show(one_line(line))
    show(f"checked: all {'other ' if examined.skipped else ''}images can be read, all annotations are valid")
    chosen = first_recipe(
        layout.splits["train"], task, weights=weights, minutes=minutes, missing=3 - len(layout.splits)
    )
    if minutes is not None:
        show(chosen.reason)
    headline = f"{folder}: {layout.counts['train']} training images, classes: {few(layout.classes)}."
    write_text(path, render(path, headline, task, _reader_lines(folder, layout), chosen))
    recipe.load(path)  # checks what was written
    show(f"wrote {path}")
    if command := chosen.zero_shot(path):
        show(f"COCO has all classes: '{command}' scores its weights before any training, which may be enough")
    return path


def default_path(folder: str | Path) -> Path:
    """Return the recipe file for a folder: the folder's name with the suffix ``.yaml``, in the current folder."""
    return Path(f"{_identifier(Path(folder))}.yaml")


def _identifier(folder: Path) -> str:
    """Return the name of a folder in lower case, with underscores for what is not a letter or digit."""
    return re.sub(r"\W+", "_", folder.resolve().name).strip("_").lower() or "objects"


def _task_name(folder: Path) -> str:
    """Return a task name for a folder, prefixed where YAML or the model cannot use the plain name (2012, no, train)."""
    from polyhead.nets.model import is_valid_task_name

    name = _identifier(folder)
    return name if yaml.safe_load(name) == name and is_valid_task_name(name) else f"data_{name}"


def _reader_lines(folder: Path, layout: "DatasetLayout") -> list[str]:
    """Return the reader's settings, after what was assumed; for val and test only settings that differ from train."""
    from polyhead.workflows.first_recipe import SPLIT_OFF

    root = str(find(folder))
    given = {
        split: {key: _as_given(value, root, str(folder)) for key, value in arguments.items()}
        for split, arguments in layout.init_args.items()
    }
    train = given.pop("train")
    lines = [f"    {key}: {_flow(value)}" for key, value in train.items() if key != "split"]
    # 'split' is also a setting of the task (fractions of train for val and test), so the reader's needs the full form.
    full = f"{{class_path: {layout.reader}, init_args: {{split: {_flow(train.get('split'))}}}}}"
    lines.insert(0, f"    reader: {full if 'split' in train else layout.reader}")
    for split, arguments in given.items():
        differing = {key: value for key, value in arguments.items() if train.get(key) != value}
        lines.append(f"    {split}: {_flow(differing)}")
    missing = [split for split in ("val", "test") if split not in given]
    if missing:
        fractions = ", ".join(f"{split}: {SPLIT_OFF}" for split in missing)
        lines.append(
            f"    split: {{{fractions}}}  # the folder has no {' and no '.join(missing)} images: split from train"
        )
    comments = (wrap(note, 110, initial_indent="    # ", subsequent_indent="    # ") for note in layout.notes)
    return [*chain.from_iterable(comments), *lines]


def _flow(value: object) -> str:
    """Return a value on one line; JSON is valid YAML, but for letters that YAML does not allow in a file."""
    text = check_utf8(json.dumps(value, ensure_ascii=False))
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _as_given(value: object, root: str, folder: str) -> object:
    """Return a path below ``root`` as the user wrote its folder, so that the recipe can move with its data."""
    return folder + value[len(root) :] if isinstance(value, str) and value.startswith(root) else value
