"""CSV files of boxes as tools write them."""

import csv
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from builders.folder_cases import Box, Case, Expected, Variant, check_case, variants

from polyhead.data.readers.box_csv import BoxCsv

BoxesByImage = dict[str, list[Box]]
ROBOFLOW = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax")


def boxes_csv(
    variant: Variant, file: str, folder: str, classes: Sequence[str], columns: Sequence[str] = ROBOFLOW, **style: str
) -> BoxesByImage:
    """Write images and a CSV file with these columns of :data:`ROBOFLOW` and others; return the boxes of each image.

    Args:
        variant: the random choices.
        file: the CSV file.
        folder: the folder of the images.
        classes: the class names.
        columns: the values of each line.
        style: ``delimiter``, ``header`` (other names of the columns; empty for none) and ``start`` of the image names.
    """
    found: BoxesByImage = {}
    rows: list[Any] = []
    for stem in variant.stems():
        name = stem + variant.suffix()
        width, height = variant.image(f"{folder}/{name}")
        found[stem] = variant.boxes((width, height), classes)
        for label, (x1, y1, x2, y2) in found[stem]:
            values = {"filename": style.get("start", "") + name, "width": width, "height": height, "class": label}
            values |= {"xmin": int(x1), "ymin": int(y1), "xmax": int(x2), "ymax": int(y2), "stem": stem}
            values |= {"w": int(x2 - x1), "h": int(y2 - y1), "empty": "", "id": len(rows)}
            rows.append([values[column] for column in columns])
    variant.random.shuffle(rows)
    header = style.get("header", ",".join(columns))
    path = variant.folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding=variant.random.choice(["utf-8", "utf-8-sig"]), newline="") as output:
        writer = csv.writer(output, delimiter=style.get("delimiter", ","))
        writer.writerows([*([header.split(",")] if header else []), *rows])
    return found


def used(*targets: BoxesByImage) -> list[str]:
    return sorted({label for target in targets for boxes in target.values() for label, _ in boxes})


def case_61_roboflow(variant: Variant) -> Expected:
    classes = variant.classes()
    targets = {
        split: boxes_csv(variant, f"{name}/_annotations.csv", name, classes)
        for split, name in (("train", "train"), ("val", "valid"), ("test", "test"))[: variant.random.randint(1, 3)]
    }
    return Expected("box_csv", used(*targets.values()), targets)


def tensorflow_tutorial(variant: Variant) -> Expected:
    classes = variant.classes()
    folder = variant.random.choice(["", "data/", "annotations/", "images/"])
    images = variant.random.choice(["images", "images/{}"])
    targets = {
        split: boxes_csv(variant, f"{folder}{split}_labels.csv", images.format(split), classes)
        for split in ("train", "test")
    }
    both = set(targets["train"]) & set(targets["test"])
    if both:  # the same random names, which one folder cannot hold
        return case_61_roboflow(Variant(variant.random.randrange(1000), variant.folder / "other"))
    return Expected("box_csv", used(*targets.values()), targets)


def retinanet(variant: Variant) -> Expected:
    classes = variant.classes()
    columns = ("filename", "xmin", "ymin", "xmax", "ymax", "class")
    start = variant.random.choice(["", "images/", "/data/images/", "C:\\images\\"])
    boxes = boxes_csv(variant, "annotations.csv", "images", classes, columns, header="", start=start)
    variant.image("images/no boxes.jpg")
    with (variant.folder / "annotations.csv").open("a", encoding="utf-8") as file:
        file.write(f"{start}no boxes.jpg,,,,,\n")
    boxes["no boxes"] = []
    variant.random.shuffle(classes)
    variant.write("classes.csv", "".join(f"{name},{number}\n" for number, name in enumerate(classes)))
    return Expected("box_csv", classes, {"train": boxes})


def other_headers(variant: Variant) -> Expected:
    columns, header = variant.random.choice(
        [
            (("filename", "xmin", "ymin", "xmax", "ymax", "class"), "image,xmin,ymin,xmax,ymax,label"),
            (("class", "filename", "xmin", "ymin", "xmax", "ymax"), "Label,File Name,X_Min,Y_Min,X_Max,Y_Max"),
            (("stem", "class", "id", "empty", "xmin", "ymin", "xmax", "ymax"),
             "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max"),
            (("xmin", "xmax", "ymin", "ymax", "filename", "class"), "xmin,xmax,ymin,ymax,image_path,class_id"),
            (("filename", "xmin", "ymin", "w", "h", "class"), "path,x,y,w,h,category"),
            (("filename", "xmin", "ymin", "w", "h", "class"), "filename,left,top,width,height,class"),
            (("class", "xmin", "ymin", "w", "h", "filename", "width", "height"),
             "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height"),
        ]
    )  # fmt: skip
    delimiter = variant.random.choice([",", ";", "\t"])
    boxes = boxes_csv(variant, "boxes.csv", "images", variant.classes(), columns, header=header, delimiter=delimiter)
    return Expected("box_csv", used(boxes), {"train": boxes})


def image_without_a_finding(variant: Variant) -> Expected:
    boxes = boxes_csv(variant, "train.csv", "train", variant.classes())
    variant.image("train/healthy.png", (50, 40))
    with (variant.folder / "train.csv").open("a", encoding="utf-8") as file:
        file.write("healthy.png,50,40,No finding,,,,\n")
    return Expected("box_csv", used(boxes), {"train": boxes | {"healthy": []}})


def images_in_no_line(variant: Variant) -> Expected:
    boxes = boxes_csv(variant, "labels.csv", "images", variant.classes())
    variant.image("images/new 1.png")
    variant.image("images/new 2.png")
    note = "2 images are in no CSV file and not read: images/new 1.png and others"
    return Expected("box_csv", used(boxes), {"train": boxes}, [note])


def relative_numbers(variant: Variant) -> Expected:
    variant.image("a.jpg")
    variant.write("boxes.csv", "filename,class,xmin,ymin,xmax,ymax\na.jpg,cat,0.25,0.1,0.75,0.9\n")
    return Expected(message="expected boxes in pixels, got numbers of at most 1, .* multiply them by the width")


def not_boxes(variant: Variant) -> Expected:
    """Write the table of a classification contest: it is not taken for boxes."""
    name = variant.image("train_images/a.jpg") and "a.jpg"
    variant.write("train.csv", f"image_id,label\n{name},{variant.random.randrange(5)}\n")
    return Expected(message="train.csv: this is a table of images and their values, which is not read")


CASES = [
    case_61_roboflow, tensorflow_tutorial, retinanet, other_headers, image_without_a_finding, images_in_no_line,
    relative_numbers, not_boxes,
]  # fmt: skip


@variants
@pytest.mark.parametrize("case", CASES)
def test_folders(case: Case, seed: int, tmp_path: Path) -> None:
    check_case(case, seed, tmp_path)


def test_boxes_equal_an_independent_parser(tmp_path: Path) -> None:
    variant = Variant(3, tmp_path)
    lines = []
    for number in range(60):
        width, height = variant.image(f"{number}.png")
        lines += [
            f"{number}.png,{width},{height},{label},{','.join(map(str, box))}"
            for label, box in variant.boxes((width, height), ["cat", "dog"], 6, 12)
        ]
    random.Random(0).shuffle(lines)
    variant.write("train.csv", "\n".join([",".join(ROBOFLOW), *lines]))
    pattern = re.compile(r"^(\d+\.png),\d+,\d+,(\w+),([\d.]+),([\d.]+),([\d.]+),([\d.]+)$", re.MULTILINE)
    expected = sorted(
        (m[1], m[2], *map(float, m.groups()[2:])) for m in pattern.finditer((tmp_path / "train.csv").read_text())
    )
    reader = BoxCsv(tmp_path)
    assert reader.problems == []
    found = []
    for index in range(len(reader)):
        target = reader.target(index)
        found += [
            (reader.entry(index).id, reader.names[label], *box)
            for label, box in zip(target.labels.tolist(), target.boxes.tolist(), strict=True)
        ]
    assert sorted(found) == expected
    assert len(expected) >= 500


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.png,cat,1,2,3", "line 3: expected at least 6 columns, got 5; correct or delete the line"),
        ("a.png,cat,1,2,three,4", "line 3: expected four numbers, got 1, 2, three, 4"),
        ("a.png,,1,2,3,4", "line 3: the box has no class"),
        (",cat,1,2,3,4", "line 3: the line names no image"),
        ("b.png,cat,1,2,3,4", "line 3, image 'b.png': does not exist in"),
        ("../a.png,cat,1,2,3,4", "line 3: the image '../a.png' is the same file as 'a.png'"),
        ("a.png,cat,1,2,300,4", "line 3: the box .* is outside the image of 30 x 20 pixels"),
    ],
)
def test_problems_name_the_line(line: str, message: str, tmp_path: Path) -> None:
    Variant(0, tmp_path).image("a.png", (30, 20))
    (tmp_path / "boxes.csv").write_text(f"filename,class,xmin,ymin,xmax,ymax\na.png,cat,1,2,3,4\n{line}\n")
    (problem,) = BoxCsv(tmp_path).problems
    assert re.search(message, str(problem))
