"""Recognize the data in a folder, check it, and write a commented recipe for it."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import yaml

from polyhead.config import recipe
from polyhead.errors import DataError, PolyheadError, few
from polyhead.paths import WEIGHTS, find

if TYPE_CHECKING:
    from polyhead.data.formats.recognize import DatasetLayout

BATCH, EPOCHS = 8, 40
BACKBONE = "mobilenetv2_100"
WEIGHTS_FILE = "mobilenetv2_100.safetensors"
KINDS = {"classifier": ("Classifier", "classify"), "ssd300": ("SSD300", "ssd"), "unified": ("Segmentation", "light")}
"""For each model: the name in the headline of its recipe, and the transform preset."""

VOC_NAMES = "    # mask values are named as in PASCAL VOC; for other classes: 'labels: [NAME OF 1, NAME OF 2, ...]'"


def init(
    folder: str | Path,
    out: str | Path | None = None,
    minutes: float | None = None,
    reader: str | None = None,
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

    from polyhead.workflows.examine import describe, examine, left_out_lines  # imports torch

    task = _task_name(folder)
    examined = examine(folder, reader, settings)
    layout = examined.layout
    if examined.problems:
        raise DataError(str(folder), examined.problems, examined.hint)
    for line in (*describe(folder, layout), *left_out_lines(examined)):
        show(line)
    show(f"checked: all {'other ' if examined.skipped else ''}images can be read, all annotations are valid")
    model = _model(layout, task)
    size, epochs = 300 if model["class_path"] == "ssd300" else 224, EPOCHS
    reason = "Size and epochs are defaults; --minutes 20 chooses them to fit 20 minutes on this machine"
    if minutes is not None:
        size, epochs, reason = _fit_time(minutes, _model(layout, "task"), layout)
        show(reason)
    model["init_args"]["size"] = size
    path.write_text(render(path, folder, task, layout, model, epochs, reason), encoding="utf-8")
    recipe.load(path)  # checks what was written
    show(f"wrote {path}")
    return path


def default_path(folder: str | Path) -> Path:
    """Return the recipe file for a folder: the folder's name with the suffix ``.yaml``, in the current folder."""
    return Path(f"{_identifier(Path(folder))}.yaml")


def render(
    path: Path, folder: Path, task: str, layout: "DatasetLayout", model: dict[str, Any], epochs: int, reason: str
) -> str:
    """Return the text of a recipe, with comments for beginners.

    Args:
        path: the recipe file, for its usage line.
        folder: the data, as the user wrote it.
        task: name of the task.
        layout: what the folder holds.
        model: ``{class_path, init_args}``.
        epochs: number of epochs.
        reason: why size and epochs were chosen.
    """
    arguments = model["init_args"]
    title, transforms = KINDS[model["class_path"]]
    origin = "ImageNet weights from POLYHEAD_WEIGHTS" if arguments["weights"] else "no local file found; hub downloads"
    lines = [
        f"# {title} on {folder}: {layout.counts['train']} training images, classes: {few(layout.classes)}.",
        f"#   polyhead train {path}",
        "model:",
        f"  class_path: {model['class_path']}",
        "  init_args:",
        *([f"    heads: {{{task}: segment}}  # a class for each pixel"] if "heads" in arguments else []),
        f"    backbone: {arguments['backbone']}  # any timm name: resnet50 is slower and often better",
        f"    weights: {json.dumps(arguments['weights'])}  # {origin}",
        f"    size: {arguments['size']}  # image size in pixels; a larger size shows smaller objects and takes longer",
        "data:",
        f"  {task}:",
        *_reader_lines(folder, layout),
        *([VOC_NAMES] if layout.reader == "voc_masks" and not _names_masks(layout) else []),
        f"    transforms: {transforms}  # augmentation of the training images",
        f"    batch: {BATCH}",
        "stages:",
        *wrap(reason, 110, initial_indent="  # ", subsequent_indent="  # "),
        f"  - epochs: {epochs}",
        "    optimizer: adamw",
        "    lr: 0.001",
        "seed: 0  # the same seed gives the same result on the same type of CPU, and nearly the same on a GPU",
    ]
    return "\n".join(lines) + "\n"


def _names_masks(layout: "DatasetLayout") -> bool:
    """Return whether the classes of VOC masks were found in a file."""
    return not {"labels", "colors"}.isdisjoint(layout.init_args["train"])


def _identifier(folder: Path) -> str:
    """Return the name of a folder in lower case, with underscores for what is not a letter or digit."""
    return re.sub(r"\W+", "_", folder.resolve().name).strip("_").lower() or "objects"


def _task_name(folder: Path) -> str:
    """Return a task name for a folder, prefixed where YAML or the model cannot use the plain name (2012, no, train)."""
    from polyhead.nets.model import is_valid_task_name

    name = _identifier(folder)
    return name if yaml.safe_load(name) == name and is_valid_task_name(name) else f"data_{name}"


def _model(layout: "DatasetLayout", task: str) -> dict[str, Any]:
    """Return the model for the kind of annotations: masks, a class for each image, or boxes."""
    try:
        find(WEIGHTS_FILE, WEIGHTS)
        weights: str | None = WEIGHTS_FILE
    except PolyheadError:
        weights = None
    backbone = {"backbone": BACKBONE, "weights": weights}
    kind = layout.splits["train"].kind
    if kind == "segmentation":
        return {"class_path": "unified", "init_args": {"heads": {task: "segment"}, **backbone}}
    return {"class_path": "classifier" if kind == "classification" else "ssd300", "init_args": backbone}


def _fit_time(minutes: float, model: dict[str, Any], layout: "DatasetLayout") -> tuple[int, int, str]:
    """Time a training step on this machine and return size, epochs and the reason for them."""
    from polyhead.workflows import time_budget

    timed = {**model, "init_args": {**model["init_args"], "size": time_budget.TIMED_SIZE}}
    seconds = time_budget.step_seconds(timed, layout.classes, BATCH)
    return time_budget.choose(minutes, -(-layout.counts["train"] // BATCH), seconds)


def _reader_lines(folder: Path, layout: "DatasetLayout") -> list[str]:
    """Return the reader's settings; for val and test only those that differ from train."""
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
        fractions = ", ".join(f"{split}: 0.15" for split in missing)
        lines.append(
            f"    split: {{{fractions}}}  # the folder has no {' and no '.join(missing)} images: split from train"
        )
    return lines


def _flow(value: object) -> str:
    """Return a value on one line; JSON is valid YAML."""
    return json.dumps(value, ensure_ascii=False)


def _as_given(value: object, root: str, folder: str) -> object:
    """Return a path below ``root`` as the user wrote its folder, so that the recipe can move with its data."""
    return folder + value[len(root) :] if isinstance(value, str) and value.startswith(root) else value
