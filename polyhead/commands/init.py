"""``polyhead init``: recognize and check the data in a folder, and write a recipe for it."""

import argparse
import shlex

from polyhead.cli import Parser, check_writable
from polyhead.config.overrides import separate
from polyhead.data.formats.settings import parse_settings
from polyhead.data.io.yaml_files import load_yaml
from polyhead.workflows.init import default_path, init

_OWN = ("--minutes", "--out", "--reader", "--weights", "--help", "-h")

EPILOG = """\
key=value gives a setting of the reader, for example:

  images=train2017   classes=cat,dog   on_bad=skip   --reader png_masks masks=labels
"""


def parser() -> Parser:
    """Return the argument parser; settings of the reader are separated before."""
    command = Parser(
        prog="polyhead init",
        usage="polyhead init FOLDER [--minutes N] [--out FILE] [--reader FORMAT] [--weights FILE] [key=value ...]",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
    command.add_argument(
        "--weights",
        metavar="FILE",
        help="pretrained weights of a timm network, 'hub' to download them, or yolox_nano for boxes (default: those "
        "found in the current folder, POLYHEAD_WEIGHTS or the cache folder; for boxes, YOLOX's are preferred)",
    )
    return command


def main(argv: list[str]) -> int:
    """Write a recipe for a folder and return the exit code."""
    words, changes = separate(argv, _OWN)
    given = parser().parse_args(words)
    out = given.out or str(default_path(given.folder))
    check_writable(out)
    path = init(given.folder, out, given.minutes, given.reader, given.weights, settings=parse_settings(changes))
    if load_yaml(path)["model"]["init_args"]["weights"] is None:
        print(
            "no pretrained weights were found: training starts from random weights; 'init --weights hub' downloads some"
        )
    print(f"next: polyhead train {shlex.quote(str(path))}")
    return 0
