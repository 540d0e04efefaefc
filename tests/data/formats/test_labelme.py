"""LabelMe's JSON files as people keep them."""

import json
import posixpath
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import partial
from math import hypot
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.folder_cases import Box, Case, Expected, Variant, check_case, variants
from PIL import Image, ImageDraw

from polyhead.data.formats.recognize import recognize
from polyhead.data.readers.labelme import LabelMe
from polyhead.data.readers.labelme_masks import LabelMeMasks

BoxesByImage = dict[str, list[Box]]
Naming = Callable[[str], str]


def shape(variant: Variant, box: Box) -> dict[str, Any]:
    """Return a shape with this bounding box, as one of LabelMe's versions writes it."""
    label, (x1, y1, x2, y2) = box
    kind = variant.random.choice(["rectangle", "rectangle from below", "corners", "polygon", "no type", "circle"])
    found: dict[str, Any] = {"label": label, "group_id": None, "flags": {}, "shape_type": "rectangle"}
    if kind == "rectangle":
        found["points"] = [[x1, y1], [x2, y2]]
    elif kind == "rectangle from below":
        found["points"] = [[x2, y1], [x1, y2]]
    elif kind == "corners":
        found["points"] = [[x1, y1], [x2, y1], [x2, y2], [x1, y2]]
    elif kind == "circle" and (x2 - x1) == (y2 - y1):
        found |= {"points": [[(x1 + x2) / 2, (y1 + y2) / 2], [x2, (y1 + y2) / 2]], "shape_type": "circle"}
    else:
        found |= {"points": [[x1, (y1 + y2) / 2], [(x1 + x2) / 2, y1], [x2, y2]], "shape_type": "polygon"}
        if kind == "no type":
            del found["shape_type"]
    return found


def labelme(
    variant: Variant, images: str, files: str, classes: Sequence[str], name: Naming | None = None
) -> BoxesByImage:
    """Write images and their JSON files; return the boxes of each image.

    Args:
        variant: the random choices.
        images: the folder of the images.
        files: the folder of the JSON files.
        classes: the labels.
        name: returns the imagePath for the name of an image.
    """
    found: BoxesByImage = {}
    for stem in variant.stems():
        image = stem + variant.suffix()
        width, height = variant.image(f"{images}/{image}")
        found[stem] = variant.boxes((width, height), classes, least=0 if found else 2)
        document: dict[str, Any] = {
            "version": "5.4.1", "flags": {}, "shapes": [shape(variant, box) for box in found[stem]],
            "imagePath": name(image) if name else image, "imageData": variant.random.choice([None, "aGVsbG8="]),
            "imageHeight": height, "imageWidth": width,
        }  # fmt: skip
        if variant.random.random() < 0.2:
            document |= {"imageHeight": None, "imageWidth": None}
        variant.write(f"{files}/{stem}.json", json.dumps(document, indent=2, sort_keys=variant.random.random() < 0.3))
    return found


def used(*targets: BoxesByImage) -> list[str]:
    return sorted({label for target in targets for boxes in target.values() for label, _ in boxes})


def case_60_beside(variant: Variant) -> Expected:
    boxes = labelme(variant, ".", ".", variant.classes())
    return Expected("labelme", used(boxes), {"train": boxes})


def case_43_class_folders_with_json(variant: Variant) -> Expected:
    boxes: BoxesByImage = {}
    for number, label in enumerate(variant.classes(2, 3)):
        found = labelme(variant, label, label, [label])
        for stem in found:  # the harness needs different names in all folders
            for path in (variant.folder / label).glob("*"):
                if path.stem == stem:
                    path.rename(path.with_name(f"{number}_{path.name}"))
        boxes |= {f"{number}_{stem}": each for stem, each in found.items()}
    return Expected("labelme", used(boxes), {"train": boxes}, ["have the name of their JSON file"])


def folders_of_splits(variant: Variant) -> Expected:
    classes = variant.classes()
    layout = variant.random.choice(["{}", "{}/images", "images/{}"])
    beside = variant.random.random() < 0.5
    names = [("train", "train"), ("val", variant.random.choice(["val", "valid", "validation"]))]
    targets = {}
    for split, name in names:
        images = layout.format(variant.letters(name))
        files = images if beside else images.replace("images", "labels") + ("" if "images" in images else "/json")
        up = "../" * (files.count("/") + 1)
        targets[split] = labelme(
            variant, images, files, classes, None if beside else partial(posixpath.join, f"{up}{images}")
        )
    return Expected("labelme", used(*targets.values()), targets)


def paths_of_windows(variant: Variant) -> Expected:
    boxes = labelme(variant, "images", "annotations", variant.classes(), lambda image: f"..\\images\\{image}")
    return Expected("labelme", used(boxes), {"train": boxes})


def renamed_images(variant: Variant) -> Expected:
    boxes = labelme(variant, "images", "images", variant.classes(), lambda image: f"D:\\old\\x{image}")
    return Expected("labelme", used(boxes), {"train": boxes}, ["have the name of their JSON file"])


def groups_lines_and_special_labels(variant: Variant) -> Expected:
    variant.image("a.png", (80, 60))
    group = variant.random.randrange(5)
    shapes = [
        {"label": "cat", "points": [[5, 5], [20, 30]], "shape_type": "rectangle", "group_id": group},
        {"label": "cat", "points": [[40, 10], [50, 20]], "shape_type": "rectangle", "group_id": group},
        {"label": "dog", "points": [[1, 1], [9, 9]], "shape_type": "rectangle", "group_id": group},
        {"label": "eye", "points": [[1, 1]], "shape_type": "point"},
        {"label": "leg", "points": [[1, 1], [5, 5], [9, 1]], "shape_type": "linestrip"},
        {"label": "__ignore__", "points": [[1, 1], [5, 5], [9, 1]], "shape_type": "polygon"},
        {"label": "_background_", "points": [[1, 1], [5, 5], [9, 1]], "shape_type": "polygon"},
        {"label": "dog", "points": [[75, 50], [79, 53]], "shape_type": "circle"},
    ]
    variant.random.shuffle(shapes)
    document: dict[str, Any] = {
        "version": "4.5.6",
        "flags": {},
        "shapes": shapes,
        "imagePath": "a.png",
        "imageData": None,
    }
    variant.write("a.json", json.dumps(document))
    boxes = [("cat", (5.0, 5.0, 50.0, 30.0)), ("dog", (1.0, 1.0, 9.0, 9.0)), ("dog", (70.0, 45.0, 80.0, 55.0))]
    note = "left out: 1 __ignore__, 1 _background_, 1 linestrip, 1 point"
    return Expected("labelme", ["cat", "dog"], {"train": {"a": boxes}}, [note])


def images_without_a_file(variant: Variant) -> Expected:
    boxes = labelme(variant, "images", "images", variant.classes())
    for number in range(3):
        variant.image(f"images/not annotated {number}.jpg")
    return Expected(
        "labelme", used(boxes), {"train": boxes}, ["3 images are without a JSON file and not read: images/not"]
    )


def embedded_images(variant: Variant) -> Expected:
    labelme(variant, ".", ".", variant.classes())
    for path in list(variant.folder.iterdir()):
        if path.suffix == ".json":
            text = path.read_text("utf-8").replace('"imageData": null', '"imageData": "aGVsbG8="')
            path.write_text(text, encoding="utf-8")
        else:
            path.unlink()
    return Expected(message="does not exist in .*; write the image, which is in the JSON file as imageData, to a file")


def no_shapes(variant: Variant) -> Expected:
    variant.image("a.jpg")
    variant.write("a.json", json.dumps({"version": "5.0", "flags": {"cat": False}, "shapes": [], "imagePath": "a.jpg"}))
    return Expected(message="LabelMe's files have no shape with an area. Draw boxes or polygons")


def flags(variant: Variant) -> Expected:
    """Write classes of whole images, as labelme --flags does."""
    classes = sorted(variant.classes())
    for label in classes:
        name = f"{label} 1"
        variant.image(f"data_annotated/{name}.jpg")
        flags = {each: each == label for each in classes}
        document: dict[str, Any] = {
            "version": "5.0.1",
            "flags": flags,
            "shapes": [],
            "imagePath": f"{name}.jpg",
            "imageData": None,
        }
        variant.write(f"data_annotated/{name}.json", json.dumps(document))
    variant.write("flags.txt", "\n".join(["__ignore__", *classes]))
    what = f"have no shapes, but flags, which are classes of whole images: {re.escape(', '.join(classes))}"
    return Expected(message=f"{what}. Put each image into a folder with the name of its class")


def masks(variant: Variant) -> Expected:
    """Paint the shapes in the order of the file, as LabelMe's own converter does."""
    labels = variant.classes()
    boxes_of, painted = {}, set()
    for stem in variant.stems():
        size = variant.image(f"{stem}.png")
        boxes = variant.boxes(size, labels, least=1)
        boxes_of[stem] = boxes
        shapes = [{"label": label, "points": [box[:2], box[2:]], "shape_type": "rectangle"} for label, box in boxes]
        document = {"version": "5.4.1", "shapes": shapes, "imagePath": f"{stem}.png", "imageData": None}
        variant.write(f"{stem}.json", json.dumps(document))
        painted |= {label for label, _ in boxes}
    names = ["background", *sorted(painted)]
    targets = {}
    for stem, boxes in boxes_of.items():
        with Image.open(variant.folder / f"{stem}.png") as image:
            expected = np.zeros((image.height, image.width), np.uint8)
        for label, (x1, y1, x2, y2) in boxes:
            expected[int(y1) : int(y2) + 1, int(x1) : int(x2) + 1] = names.index(label)
        targets[stem] = expected
    return Expected("labelme_masks", names, {"train": targets}, ask="labelme_masks")


def rounded(boxes: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    return sorted(tuple(round(number, 3) for number in box) for box in boxes)


CASES = [
    case_60_beside, case_43_class_folders_with_json, folders_of_splits, paths_of_windows, renamed_images,
    groups_lines_and_special_labels, images_without_a_file, embedded_images, no_shapes, flags, masks,
]  # fmt: skip


@variants
@pytest.mark.parametrize("case", CASES)
def test_folders(case: Case, seed: int, tmp_path: Path) -> None:
    check_case(case, seed, tmp_path)


def test_boxes_and_masks_equal_an_independent_parser(tmp_path: Path) -> None:
    """Parse the points with numpy, and paint in the order of the file with the bounds as corners."""
    variant = Variant(5, tmp_path)
    objects = 0
    while objects < 500:
        objects += sum(map(len, labelme(variant, f"part{objects}", f"part{objects}", ["cat", "dog", "eel"]).values()))
    boxes, masks = LabelMe(tmp_path), LabelMeMasks(tmp_path)
    assert boxes.problems == masks.problems == []
    count = 0
    for index in range(len(boxes)):
        path = Path(boxes.entry(index).path)
        document = json.loads(path.with_suffix(".json").read_text("utf-8"))
        with Image.open(path) as image:
            canvas = Image.new("L", image.size)
        expected = []
        for entry in document["shapes"]:
            points = np.array(entry["points"])
            label = ["cat", "dog", "eel"].index(entry["label"])
            low, high = points.min(0), points.max(0)
            draw = ImageDraw.Draw(canvas)
            if entry.get("shape_type") == "circle":
                radius = hypot(*(points[1] - points[0]))
                low, high = points[0] - radius, points[0] + radius
                draw.ellipse([*low, *high], fill=label + 1)
            elif len(points) == 2:
                draw.rectangle([*low, *high], fill=label + 1)
            else:
                draw.polygon([tuple(point) for point in points], fill=label + 1, outline=label + 1)
            expected.append((label, *low.tolist(), *high.tolist()))
        target = boxes.target(index)
        found = [(int(label), *box) for label, box in zip(target.labels, target.boxes.tolist(), strict=True)]
        assert rounded(found) == rounded(expected)
        assert (masks.target(index).classes.numpy() == np.array(canvas)).all()
        count += len(expected)
    assert count >= 500


def test_masks_in_the_file_special_labels_and_a_choice_of_classes(tmp_path: Path) -> None:
    variant = Variant(0, tmp_path)
    variant.image("a.png", (30, 20))
    inside = np.zeros((6, 9), np.uint8)
    inside[1:4, 2:8] = 1
    Image.fromarray(inside * 255).convert("1").save(tmp_path / "mask.bin", "PNG")
    text = b64encode((tmp_path / "mask.bin").read_bytes()).decode()
    shapes = [
        {"label": "cat", "points": [[0, 0], [29, 19]], "shape_type": "rectangle"},
        {"label": "dog", "points": [[4, 5], [12, 10]], "shape_type": "mask", "mask": text},
        {"label": "__ignore__", "points": [[20, 0], [29, 5]], "shape_type": "rectangle"},
        {"label": "_background_", "points": [[20, 10], [29, 15]], "shape_type": "rectangle"},
    ]
    variant.write("a.json", json.dumps({"shapes": shapes, "imagePath": "a.png"}))
    expected = np.ones((20, 30), np.uint8)
    expected[5:11, 4:13][inside == 1] = 2
    expected[0:6, 20:30] = 255
    expected[10:16, 20:30] = 0
    reader = LabelMeMasks(tmp_path)
    assert reader.names == ["background", "cat", "dog"]
    assert (reader.target(0).classes.numpy() == expected).all()
    dogs = LabelMeMasks(tmp_path, classes=["dog"])
    assert (dogs.target(0).classes.numpy() == np.where(expected == 2, 1, np.where(expected == 255, 255, 0))).all()
    assert LabelMe(tmp_path).target(0).boxes.tolist() == [[0, 0, 29, 19], [4, 5, 13, 11]]
    broken = text[: len(text) // 2]
    variant.write("a.json", json.dumps({"shapes": shapes, "imagePath": "a.png"}).replace(text, broken))
    problem = LabelMeMasks(tmp_path).verify(0)
    assert problem is not None
    assert "a.json: shape 2: the mask cannot be decoded" in str(problem)
    assert recognize(tmp_path).reader == "labelme"
