"""``polyhead init``: recognize and check the data in a folder, and write a recipe for it."""

import yaml

from polyhead.cli import Parser, check_writable
from polyhead.workflows.init import default_path, init


def parser() -> Parser:
    """Return the argument parser."""
    command = Parser(
        prog="polyhead init",
        description="Recognize the data in a folder (COCO, VOC, YOLO, Penn-Fudan, masks, one folder per class), check "
        "it, and write a commented recipe. The data is not changed.",
    )
    command.add_argument("folder", metavar="FOLDER", help="folder of the data set")
    command.add_argument(
        "--minutes", type=float, help="longest training time in minutes; image size and epochs are chosen to fit it"
    )
    command.add_argument("--out", metavar="FILE", help="the recipe to write (default: FOLDER's name + .yaml)")
    command.add_argument(
        "--reader",
        metavar="FORMAT",
        help="data format, for a folder with several; coco_masks, yolo_masks or voc_masks for segmentation instead of "
        "detection",
    )
    return command


def main(argv: list[str]) -> int:
    """Write a recipe for a folder and return the exit code."""
    given = parser().parse_args(argv)
    out = given.out or str(default_path(given.folder))
    check_writable(out)
    path = init(given.folder, out, given.minutes, given.reader)
    if yaml.safe_load(path.read_text(encoding="utf-8"))["model"]["init_args"]["weights"] is None:
        print("no pretrained weights were found: training starts from random weights unless you add model.weights=hub")
    print(f"next: polyhead train {path}")
    return 0
