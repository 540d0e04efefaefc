"""Damage the files of small data sets in many ways, and call `data check` with every reader.

    python -m benchmarks.hostile_data WORK [--tries 200] [--seed 0] [--only READER ...]

Each try damages one file of a copy of a sound data set, chosen at random, annotations more often than images. It must
be answered with a message and exit code 2 ("clean"), or be read ("sound"). Anything else is a fault: a traceback, or a
command that takes longer than a minute. Prints each fault, a line for each reader, and the peak of the memory.
"""

import argparse
import contextlib
import io
import json
import resource
import shutil
import signal
import struct
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.mutants import ODD, Draw, changed, flipped, overwritten, truncated
from polyhead.cli import main as polyhead
from polyhead.data.synthetic.scenes import Scenes
from polyhead.data.synthetic.writers import write_coco, write_folder, write_voc, write_yolo

SECONDS = 60
"""A command that takes longer hangs."""
FAULTS = ("traceback", "hang", "other")
IMAGES = {".png", ".jpg"}
NUMBERS = (b"nan", b"-1", b"1e999", b"9" * 400, b"", b"\x00", b'"', b"<", b"0x1", "٣".encode(), b"1,5", b"../../x")
"""What may stand in place of a number in a text."""


def scenes(count: int = 4) -> Scenes:
    """Return small generated scenes."""
    return Scenes(count, domain="fruit", size=48)


def labelme(folder: Path) -> None:
    """Write images with LabelMe's files beside them."""
    for number in range(4):
        write_image(folder / f"p{number}.png")
        corners = [[4, 4], [30, 4], [30, 30], [4, 30]]
        shapes: list[dict[str, Any]] = [
            {"label": "box", "points": corners[::2], "shape_type": "rectangle", "group_id": None, "flags": {}},
            {"label": "leaf", "points": corners, "shape_type": "polygon", "group_id": 1, "flags": {}},
            {"label": "leaf", "points": [[20, 20], [26, 20]], "shape_type": "circle", "group_id": None, "flags": {}},
        ]
        size = {"imageHeight": 40, "imageWidth": 48}
        document: dict[str, Any] = {
            "version": "5.5.0",
            "flags": {},
            "shapes": shapes,
            "imagePath": f"p{number}.png",
            "imageData": None,
        }
        (folder / f"p{number}.json").write_text(json.dumps({**document, **size}, indent=1), encoding="utf-8")


def box_csv(folder: Path) -> None:
    """Write images and a table of boxes."""
    rows = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    for number in range(4):
        write_image(folder / f"p{number}.png")
        rows += [f"p{number}.png,48,40,cat,2,3,20,30", f"p{number}.png,48,40,dog,10,10,40,38"]
    (folder / "train_labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def yolo_masks(folder: Path) -> None:
    """Write YOLO's files with outlines."""
    write_yolo(scenes(), folder, "train")
    for path in (folder / "labels" / "train").glob("*.txt"):
        path.write_text("0 .1 .1 .5 .1 .5 .6 .1 .6\n1 .6 .6 .9 .6 .9 .9\n", encoding="utf-8")


def png_masks(folder: Path) -> None:
    """Write images, masks of numbers, and the names of the classes."""
    for number in range(4):
        write_image(folder / "images" / f"p{number}.png")
        write_mask(folder / "masks" / f"p{number}.png", classes=3)
    (folder / "classes.txt").write_text("sky\nroad\n", encoding="utf-8")


def voc_masks(folder: Path) -> None:
    """Write the folders of VOC with masks, and CVAT's names of the classes."""
    for number in range(4):
        write_image(folder / "JPEGImages" / f"p{number}.png")
        write_mask(folder / "SegmentationClass" / f"p{number}.png", classes=2)
    lists = folder / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("p0\np1\np2\np3\n", encoding="utf-8")
    names = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ntool:1,1,1::\n"
    (folder / "labelmap.txt").write_text(names, encoding="utf-8")


def penn_fudan(folder: Path) -> None:
    """Write images and masks of people."""
    for number in range(4):
        write_image(folder / "PNGImages" / f"p{number}.png")
        write_mask(folder / "PedMasks" / f"p{number}_mask.png", classes=3)


def oxford_pets(folder: Path) -> None:
    """Write images, trimaps and the lists of the Oxford-IIIT Pet data set."""
    rows = []
    for number in range(4):
        write_image(folder / "images" / f"beagle_{number}.jpg")
        write_mask(folder / "annotations" / "trimaps" / f"beagle_{number}.png", classes=3, first=1)
        rows.append(f"beagle_{number} 1 2 1\n")
    for name, part in {"list": rows, "trainval": rows[:2], "test": rows[2:]}.items():
        (folder / "annotations" / f"{name}.txt").write_text("".join(part), encoding="utf-8")


def cifar10(folder: Path) -> None:
    """Write CIFAR-10's files in the form in which Python 2 pickled them, as far as it is read."""

    def text(value: str) -> bytes:
        return b"U" + bytes([len(value)]) + value.encode() + b"q\x07"

    folder = folder / "cifar-10-batches-py"
    folder.mkdir()
    names = text("label_names") + b"]q\x03(" + text("cat") + text("dog") + b"e"
    (folder / "batches.meta").write_bytes(b"\x80\x02}q\x01(" + names + b"u.")
    for number_of_batch, name in enumerate([*(f"data_batch_{each}" for each in range(1, 6)), "test_batch"]):
        pixels = bytes((each * (number_of_batch + 3)) % 251 for each in range(2 * 3072))
        labels = text("labels") + b"]q\x03(K\x00K\x01e"
        data = text("data") + b"T" + struct.pack("<i", len(pixels)) + pixels
        (folder / name).write_bytes(b"\x80\x02}q\x01(" + labels + data + b"u.")


WRITERS: dict[str, Callable[[Path], None]] = {
    "coco": lambda folder: write_coco(scenes(), folder),
    "coco_masks": lambda folder: write_coco(scenes(), folder),
    "voc": lambda folder: write_voc(scenes(), folder),
    "yolo": lambda folder: write_yolo(scenes(), folder),
    "yolo_masks": yolo_masks,
    "folder": lambda folder: write_folder(Scenes(4, domain="fruit", size=48, target="times"), folder),
    "labelme": labelme,
    "labelme_masks": labelme,
    "box_csv": box_csv,
    "png_masks": png_masks,
    "voc_masks": voc_masks,
    "penn_fudan": penn_fudan,
    "oxford_pets": oxford_pets,
    "oxford_pets_masks": oxford_pets,
    "cifar10": cifar10,
}
"""For each reader, a function that writes a data set into a folder."""


def write_image(path: Path) -> None:
    """Write a gray image of 48 by 40 pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (48, 40), "gray").save(path)


def write_mask(path: Path, classes: int, first: int = 0) -> None:
    """Write a mask of the same size with vertical stripes of class numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stripes = first + np.arange(48, dtype=np.uint8) * classes // 48
    Image.fromarray(np.tile(stripes.astype(np.uint8), (40, 1))).save(path)


def damage(folder: Path, draw: Draw) -> str:
    """Damage one file of a data set, and return which and how."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    texts = [path for path in files if path.suffix not in IMAGES]
    path = draw.one(texts if texts and draw.below(4) else files)
    ways: list[Callable[[Path, Draw], str]] = [flipped, truncated, overwritten]
    if path.suffix not in IMAGES:
        ways += [json_value, json_value] if path.suffix == ".json" else [number, number, lines, lines]
    ways.append(replaced)
    return f"{path.relative_to(folder)}: {draw.one(ways)(path, draw)}"


def json_value(path: Path, draw: Draw) -> str:
    """Replace or delete a value of a JSON file."""
    tree, where = changed(json.loads(path.read_text(encoding="utf-8")), draw, ODD)
    path.write_text(json.dumps(tree), encoding="utf-8")
    return where


def number(path: Path, draw: Draw) -> str:
    """Replace some bytes of a text, most often a number, by what is none."""
    data = path.read_bytes()
    places = [index for index, byte in enumerate(data) if chr(byte).isdigit()] or [0]
    at, new = draw.one(places), draw.one(NUMBERS)
    path.write_bytes(data[:at] + new + data[at + 1 :])
    return f"{new[:9]!r} at byte {at}"


def lines(path: Path, draw: Draw) -> str:
    """Repeat, delete, split or encode lines."""
    found = path.read_bytes().split(b"\n")
    at = draw.below(len(found))
    way = draw.below(4)
    if way == 0:
        found[at:at] = [found[at]] * 1000
    elif way == 1:
        del found[at]
    elif way == 2:
        found[at] = b" ".join(reversed(found[at].split()))
    data = b"\n".join(found)
    path.write_bytes(data.decode("utf-8", "replace").encode("utf-16") if way == 3 else data)
    return f"{('repeated', 'deleted', 'reversed', 'UTF-16')[way]}, line {at + 1}"


def replaced(path: Path, draw: Draw) -> str:
    """Write something else in the place of a file."""
    content = draw.one([b"", b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe" * 500, b"0 " * 500_000, b"<a>" * 10_000])
    path.write_bytes(content)
    return f"replaced by {content[:9]!r}"


class HangError(BaseException):
    """Ends a command that takes too long; nothing catches it."""


def attempt(words: Sequence[str]) -> tuple[str, str]:
    """Call a command in this process; returns the outcome and what it printed."""

    def hang(*_: object) -> None:
        raise HangError

    shown = io.StringIO()
    signal.signal(signal.SIGALRM, hang)
    signal.alarm(SECONDS)
    try:
        with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
            code = polyhead(words)
    except HangError:
        return "hang", ""
    except Exception:  # noqa: BLE001  # pylint: disable=broad-exception-caught  # what is looked for
        return "traceback", traceback.format_exc()
    finally:
        signal.alarm(0)
    text = shown.getvalue()
    if "Traceback" in text or (code == 2 and "polyhead: error: " not in text):
        return "other", text
    return {0: "sound", 2: "clean"}.get(code, "other"), text


def campaign(reader: str, work: Path, tries: int, seed: int) -> Counter[str]:
    """Try damages of the data set of a reader, print the faults, and return how often each outcome came."""
    whole, copy = work / f"{reader}-whole", work / reader
    whole.mkdir(parents=True)
    WRITERS[reader](whole)
    words = ["data", "check", "--reader", reader]
    outcome, text = attempt([*words[:2], str(whole), *words[2:]])
    if outcome != "sound":
        raise SystemExit(f"{reader}: the whole data set is not read: {text}")
    counts: Counter[str] = Counter()
    for number_of_try in range(tries):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(whole, copy)
        how = damage(copy, Draw(seed * 100_000 + number_of_try))
        outcome, text = attempt([*words[:2], str(copy), *words[2:]])
        counts[outcome] += 1
        if outcome in FAULTS:
            print(f"{reader}, try {number_of_try}, {how}: {outcome}\n{text[-2000:]}", flush=True)
    return counts


def main(argv: Sequence[str]) -> int:
    """Run the campaign; returns 0 if there was no fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, metavar="WORK", help="a new folder for the data sets")
    parser.add_argument("--tries", type=int, default=200, help="for each reader (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="of the damages (default: 0)")
    parser.add_argument("--only", nargs="+", metavar="READER", choices=WRITERS, default=[*WRITERS])
    given = parser.parse_args(argv)
    totals: Counter[str] = Counter()
    for reader in given.only:
        counts = campaign(reader, given.work, given.tries, given.seed)
        print(f"{reader}: {', '.join(f'{count} {outcome}' for outcome, count in sorted(counts.items()))}", flush=True)
        totals.update(counts)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    rows = ", ".join(f"{totals[outcome]} {outcome}" for outcome in ("clean", "sound", *FAULTS))
    print(f"{sum(totals.values())} tries: {rows}; at most {memory} MiB")
    return int(any(totals[fault] for fault in FAULTS))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
