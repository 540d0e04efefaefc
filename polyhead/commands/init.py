"""``polyhead init``: look at a folder, check what is in it, and write a recipe to train on it."""

import json
import re
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import yaml

from polyhead.cli import Parser, check_writable
from polyhead.config import recipe
from polyhead.errors import DataError, PolyheadError, few
from polyhead.paths import WEIGHTS, find

if TYPE_CHECKING:
    from polyhead.data.readers.recognize import Layout

BATCH = 8
BACKBONE = "mobilenetv2_100"
WEIGHTS_FILE = "mobilenetv2_100.safetensors"
KINDS = {"classifier": ("Classifier", "classify"), "ssd300": ("SSD300", "ssd"), "unified": ("Segmentation", "light")}
"""Of each model: what its recipe is called, and the preset of transforms."""

VOCS = "    # the numbers in the masks are named as PASCAL VOC's; others: 'labels: [NAME OF 1, NAME OF 2, ...]'"


def parser() -> Parser:
    """What the command takes."""
    command = Parser(
        prog="polyhead init",
        description="Recognise the data in a folder (COCO, VOC, YOLO, Penn-Fudan, masks, one folder per class), check "
        "it, and write a commented recipe. The data is not changed.",
    )
    command.add_argument("folder", metavar="FOLDER", help="where the data lies")
    command.add_argument("--minutes", type=float, help="time for the training, which size and epochs are fitted to")
    command.add_argument("--out", metavar="FILE", help="the recipe to write (default: FOLDER's name + .yaml)")
    command.add_argument(
        "--reader",
        metavar="FORMAT",
        help="the format, where a folder holds several; coco_masks or voc_masks segments where boxes are the default",
    )
    return command


def main(argv: list[str]) -> int:
    """Write a recipe for a folder."""
    given = parser().parse_args(argv)
    if given.minutes is not None and not given.minutes > 0:
        raise PolyheadError(f"--minutes must be positive, got {given.minutes:g}")
    folder = Path(given.folder)
    task = re.sub(r"\W+", "_", folder.resolve().name).strip("_").lower() or "objects"
    out = Path(given.out or f"{task}.yaml")
    check_writable(str(out))
    if out.exists():
        raise PolyheadError(f"{out} exists already and is left as it is; give another file with --out")

    from polyhead.data import doctor
    from polyhead.data.readers.recognize import recognise
    from polyhead.nets.model import nameable

    if yaml.safe_load(task) != task or not nameable(task):  # 2012, no, train
        task = f"data_{task}"
    layout = recognise(folder, given.reader)
    counts = ", ".join(f"{count} {split}" for split, count in layout.counts.items())
    print(f"{folder}: {layout.reader} format, {counts} pictures, classes: {few(layout.classes)}")
    if problems := doctor.check_layout(layout):
        raise DataError(str(folder), problems)
    print("checked: every picture opens, every annotation is sound")
    spec = _model(layout, task)
    size, epochs = 300 if spec["class_path"] == "ssd300" else 224, 40
    why = "Size and epochs are a guess; --minutes 20 fits them to 20 minutes on this machine"
    if given.minutes is not None:
        size, epochs, why = _fit(given.minutes, _model(layout, "task"), layout)
        print(why)
    spec["init_args"]["size"] = size
    out.write_text(_text(out, folder, task, layout, spec, epochs, why), encoding="utf-8")
    recipe.load(out)
    print(f"wrote {out}\nnext: polyhead train {out}")
    return 0


def _model(layout: "Layout", task: str) -> dict[str, Any]:
    """The model for what the folder holds: whole pictures with a class, masks, or boxes."""
    try:
        find(WEIGHTS_FILE, WEIGHTS)
        weights: str | None = WEIGHTS_FILE
    except PolyheadError:
        weights = None
    network = {"backbone": BACKBONE, "weights": weights}
    if layout.reader.endswith("_masks"):
        return {"class_path": "unified", "init_args": {"heads": {task: "segment"}, **network}}
    return {"class_path": "classifier" if layout.reader == "folder" else "ssd300", "init_args": network}


def _fit(minutes: float, spec: dict[str, Any], layout: "Layout") -> tuple[int, int, str]:
    from polyhead.workflows import time_budget

    timed = {**spec, "init_args": {**spec["init_args"], "size": time_budget.TIMED}}
    seconds = time_budget.step_seconds(timed, layout.classes, BATCH)
    return time_budget.choose(minutes, -(-layout.counts["train"] // BATCH), seconds)


def _text(out: Path, folder: Path, task: str, layout: "Layout", spec: dict[str, Any], epochs: int, why: str) -> str:
    """The recipe, with a comment wherever a beginner would ask."""
    arguments = spec["init_args"]
    kind, transforms = KINDS[spec["class_path"]]
    start = "ImageNet weights from POLYHEAD_WEIGHTS" if arguments["weights"] else "none were found; hub downloads some"
    lines = [
        f"# {kind} on {folder}: {layout.counts['train']} training pictures, classes: {few(layout.classes)}.",
        f"#   polyhead train {out}",
        "model:",
        f"  class_path: {spec['class_path']}",
        "  init_args:",
        *([f"    heads: {{{task}: segment}}  # a class for each pixel"] if "heads" in arguments else []),
        f"    backbone: {arguments['backbone']}  # any timm name: resnet50 is slower, and often better",
        f"    weights: {json.dumps(arguments['weights'])}  # {start}",
        f"    size: {arguments['size']}  # side of the network's pictures; more shows smaller objects and takes longer",
        "data:",
        f"  {task}:",
        *_readers(folder, layout),
        *([VOCS] if layout.reader == "voc_masks" else []),
        f"    transforms: {transforms}  # how training pictures are varied",
        f"    batch: {BATCH}",
        "stages:",
        *wrap(why, 110, initial_indent="  # ", subsequent_indent="  # "),
        f"  - epochs: {epochs}",
        "    optimizer: adamw",
        "    lr: 0.001",
        "seed: 0  # same seed, same result on one kind of CPU, nearly so on a GPU",
    ]
    return "\n".join(lines) + "\n"


def _readers(folder: Path, layout: "Layout") -> list[str]:
    """The reader's settings; of val and test only what differs from train."""
    root = str(find(folder))
    given = {
        split: {key: _as_typed(value, root, str(folder)) for key, value in arguments.items()}
        for split, arguments in layout.init_args.items()
    }
    train = given.pop("train")
    lines = [f"    {key}: {_flow(value)}" for key, value in train.items() if key != "split"]
    # A task has a setting named split, too: which share of train becomes val and test.
    own = f"{{class_path: {layout.reader}, init_args: {{split: {_flow(train.get('split'))}}}}}"
    lines.insert(0, f"    reader: {own if 'split' in train else layout.reader}")
    for split, arguments in given.items():
        other = {key: value for key, value in arguments.items() if train.get(key) != value}
        lines.append(f"    {split}: {_flow(other)}")
    cut = [split for split in ("val", "test") if split not in given]
    if cut:
        shares = ", ".join(f"{split}: 0.15" for split in cut)
        lines.append(f"    split: {{{shares}}}  # the folder has no {' and no '.join(cut)} pictures: cut from train")
    return lines


def _flow(value: object) -> str:
    """A value on one line; JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)


def _as_typed(value: object, root: str, typed: str) -> object:
    """A path in the folder as the user typed it, so that the recipe may move with its data."""
    return typed + value[len(root) :] if isinstance(value, str) and value.startswith(root) else value
