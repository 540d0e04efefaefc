"""Write a tiny valid data set in each format, which tests read as it is or corrupt."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.cifar10_files import write_cifar10
from builders.file_server import Server
from PIL import Image

from polyhead.contracts.reader import Reader
from polyhead.data.readers.coco import Coco

WIDTH, HEIGHT = 64, 48
XML = """<annotation>
<folder>VOC2007</folder>
<filename>{name}.jpg</filename>
<size><width>64</width><height>48</height><depth>3</depth></size>
{objects}</annotation>
"""
OBJECT = """<object><name>cat</name><difficult>{difficult}</difficult>
<bndbox><xmin>11</xmin><ymin>6</ymin><xmax>30</xmax><ymax>25</ymax></bndbox></object>
"""


def write_image(path: Path, seed: int = 0) -> None:
    """Write an image of random noise, 64 x 48 pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)


def _coco(root: Path) -> None:
    """Write three images, the third without objects; category ids 3 and 7; one crowd."""
    for number in (1, 2, 5):
        write_image(root / "train" / f"{number}.jpg", number)
    document = {
        "licenses": [{"id": 1, "name": "CC BY 4.0"}],
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": WIDTH, "height": HEIGHT} for n in (1, 2, 5)],
        "categories": [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}],
        "annotations": [
            {"id": 10, "image_id": 1, "category_id": 7, "bbox": [10, 5, 20, 20], "area": 333.5, "iscrowd": 0},
            {"id": 11, "image_id": 1, "category_id": 3, "bbox": [0, 0, 64, 48], "iscrowd": 1},
            {"id": 12, "image_id": 2, "category_id": 3, "bbox": [30.5, 20, 10, 10.25]},
        ],
    }
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_train.json").write_text(json.dumps(document, indent=1))


def _voc(root: Path) -> None:
    """Write three images, the third without objects; the two objects of the second are difficult."""
    base = root / "VOCdevkit" / "VOC2007"
    (base / "Annotations").mkdir(parents=True)
    (base / "ImageSets" / "Main").mkdir(parents=True)
    for number, objects in enumerate((OBJECT.format(difficult=0), OBJECT.format(difficult=1) * 2, "")):
        write_image(base / "JPEGImages" / f"00000{number}.jpg", number)
        (base / "Annotations" / f"00000{number}.xml").write_text(XML.format(name=f"00000{number}", objects=objects))
    (base / "ImageSets" / "Main" / "trainval.txt").write_text("000000\n000001\n000002\n")
    (base / "ImageSets" / "Main" / "train.txt").write_text("000000\n000002\n")


def _yolo(root: Path) -> None:
    """Write three images, one with an empty label file and one without a label file."""
    for number in range(3):
        write_image(root / "images" / "train" / f"{number}.jpg", number)
    labels = root / "labels" / "train"
    labels.mkdir(parents=True)
    (labels / "0.txt").write_text("0 0.5 0.5 0.25 0.5\n1 0.25 0.25 0.125 0.125\n")
    (labels / "1.txt").write_text("")
    (root / "data.yaml").write_text("path: ../datasets/tiny\ntrain: images/train\nnc: 2\nnames: [cat, dog]\n")


def _yolo_masks(root: Path) -> None:
    """Write three images: one with a square of each class, one with a triangle, and one without objects."""
    _yolo(root)
    labels = root / "labels" / "train"
    (labels / "0.txt").write_text("0 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75\n1 0.5 0.5 0.6 0.5 0.6 0.6 0.5 0.6\n")
    (labels / "1.txt").write_text("1 0.25 0.25 0.75 0.25 0.5 0.75\n")


def _penn_fudan(root: Path) -> None:
    """Write an image with two people and one with none."""
    masks = root / "PennFudanPed" / "PedMasks"
    masks.mkdir(parents=True)
    for number in (1, 2):
        write_image(root / "PennFudanPed" / "PNGImages" / f"P{number}.png", number)
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        if number == 1:
            mask[5:25, 10:30] = 1
            mask[40, 60] = 2
        Image.fromarray(mask).save(masks / f"P{number}_mask.png")


def _folder(root: Path) -> None:
    """Write two images of cats and one of a dog."""
    for number, name in enumerate(("cat/a.jpg", "cat/b.png", "dog/c.jpg")):
        write_image(root / name, number)


def _coco_masks(root: Path) -> None:
    """Write outlines for the objects of coco: a dog over a crowd in uncompressed run lengths, and a cat."""
    _coco(root)
    file = root / "annotations" / "instances_train.json"
    document = json.loads(file.read_text())
    crowd = {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * 32, HEIGHT * 32]}  # the right half
    shapes = [[[10, 5, 40, 5, 40, 25, 10, 25]], crowd, [[30, 20, 40, 20, 40, 30, 30, 30]]]
    for entry, shape in zip(document["annotations"], shapes, strict=True):
        entry["segmentation"] = shape
    file.write_text(json.dumps(document, indent=1))


def _voc_masks(root: Path) -> None:
    """Write three images with palette masks: a cat and a dog, each with a void border, and background only."""
    base = root / "VOCdevkit" / "VOC2012"
    (base / "SegmentationClass").mkdir(parents=True)
    (base / "ImageSets" / "Segmentation").mkdir(parents=True)
    for number, label in enumerate((8, 12, 0)):
        write_image(base / "JPEGImages" / f"00000{number}.jpg", number)
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[4:26, 9:31] = 255 if label else 0
        mask[5:25, 10:30] = label
        image = Image.fromarray(mask)
        image.putpalette([number * 7 % 256 for number in range(768)])
        image.save(base / "SegmentationClass" / f"00000{number}.png")
    (base / "ImageSets" / "Segmentation" / "trainval.txt").write_text("000000\n000001\n000002\n")
    (base / "ImageSets" / "Segmentation" / "train.txt").write_text("000000\n000002\n")


def _png_masks(root: Path) -> None:
    """Write two images in subfolders, with masks of the colors in ``classes.txt``."""
    for number, name in enumerate(("a/1", "b/2")):
        write_image(root / "images" / f"{name}.jpg", number)
        mask = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        mask[5:25, 10:30] = (128, 64, 128)
        mask[30:, :5] = (0, 0, 142)
        (root / "masks" / name).parent.mkdir(parents=True)
        Image.fromarray(mask).save(root / "masks" / f"{name}.png")
    (root / "classes.txt").write_text("background 0 0 0\nroad 128 64 128\nsmall car 0 0 142\n")


def _labelme(root: Path) -> None:
    """Write three images: with a rectangle and a polygon, with a circle, and without shapes."""
    shapes = [
        [("cat", "rectangle", [[30, 25], [10, 5]]), ("dog", "polygon", [[40, 10], [60, 10], [50, 40]])],
        [("cat", "circle", [[20, 20], [20, 30]]), ("cat", "point", [[5, 5]])],
        [],
    ]
    for number, found in enumerate(shapes):
        write_image(root / f"{number}.jpg", number)
        entries: Any = [{"label": label, "shape_type": kind, "points": points} for label, kind, points in found]
        document: dict[str, Any] = {
            "version": "5.4.1",
            "flags": {},
            "shapes": entries,
            "imagePath": f"{number}.jpg",
            "imageData": None,
        }
        document |= {"imageHeight": HEIGHT, "imageWidth": WIDTH}
        (root / f"{number}.json").write_text(json.dumps(document, indent=2))


def _box_csv(root: Path) -> None:
    """Write three images, the third without boxes."""
    for number in range(3):
        write_image(root / "train" / f"{number}.jpg", number)
    lines = [
        "0.jpg,64,48,cat,10,5,30,25",
        "0.jpg,64,48,dog,0,0,64,48",
        "1.jpg,64,48,cat,30.5,20,40.5,30",
        "2.jpg,64,48,,,,,",
    ]
    text = "\n".join(["filename,width,height,class,xmin,ymin,xmax,ymax", *lines])
    (root / "train" / "_annotations.csv").write_text(f"{text}\n")


def _cifar10(root: Path) -> None:
    """Write three training images of two classes."""
    (write_cifar10(root) / "test_batch").unlink()


def _oxford_pets(root: Path) -> None:
    """Write two cats and a dog with their trimaps."""
    lines = ("Abyssinian_1 1 1 1", "beagle_7 5 2 4", "Abyssinian_10 1 1 1")
    (root / "annotations" / "trimaps").mkdir(parents=True)
    (root / "annotations" / "trainval.txt").write_text("\n".join(lines) + "\n")
    for number, line in enumerate(lines):
        write_image(root / "images" / f"{line.split()[0]}.jpg", number)
        mask = np.full((HEIGHT, WIDTH), 2, np.uint8)
        mask[4:26, 9:31] = 3
        mask[5:25, 10:30] = 1
        Image.fromarray(mask).save(root / "annotations" / "trimaps" / f"{line.split()[0]}.png")


MAKERS = {
    "coco": _coco,
    "voc": _voc,
    "yolo": _yolo,
    "penn_fudan": _penn_fudan,
    "labelme": _labelme,
    "labelme_masks": _labelme,
    "box_csv": _box_csv,
    "coco_masks": _coco_masks,
    "yolo_masks": _yolo_masks,
    "voc_masks": _voc_masks,
    "png_masks": _png_masks,
    "folder": _folder,
    "cifar10": _cifar10,
    "oxford_pets": _oxford_pets,
    "oxford_pets_masks": _oxford_pets,
}


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes the tiny data set of a format and returns its root."""

    def make(name: str) -> Path:
        root = tmp_path / name
        root.mkdir()
        MAKERS[name](root)
        return root

    return make


@pytest.fixture
def overlapping(data_root: Path) -> dict[str, Reader]:
    """Return two data sets that have 28 training images in common."""
    return {
        name: Coco(data_root / "coco_mini" / name, "annotations/instances_train2017.json")
        for name in ("appliance", "food")
    }


@pytest.fixture
def server() -> Iterator[Server]:
    """An HTTP server on this machine, without files."""
    made = Server()
    yield made
    made.close()
