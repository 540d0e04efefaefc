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
            values |= {"bbox": f"[{x1}, {y1}, {x2 - x1}, {y2 - y1}]"}
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


def one_class(boxes: BoxesByImage) -> BoxesByImage:
    return {stem: [("object", box) for _, box in found] for stem, found in boxes.items()}


def global_wheat(variant: Variant) -> Expected:
    """Write all numbers of a box into one column, image names without endings, and no class."""
    columns = ("stem", "width", "height", "bbox", "empty")
    boxes = boxes_csv(variant, "train.csv", "train", ["wheat"], columns, header="image_id,width,height,bbox,source")
    variant.image("train/far.png", (90, 90))
    with (variant.folder / "train.csv").open("a", encoding="utf-8") as file:
        file.write('far,90,90,"[70.0, 60.0, 12.5, 9]",usask_1\n')
    boxes["far"] = [("wheat", (70.0, 60.0, 82.5, 69.0))]
    variant.write("sample_submission.csv", "image_id,PredictionString\naac893a91,1.0 0 0 50 50\n")
    note = "train.csv has no column of classes: all boxes have the class 'object'"
    return Expected("box_csv", ["object"], {"train": one_class(boxes)}, [note])


def corners_in_one_column(variant: Variant) -> Expected:
    box = variant.random.choice(["1 2 30 40", "[1, 2, 30, 40]", "(1.5, 2, 30, 40.0)"])
    variant.write("boxes.csv", f'image,label,bbox\n0.png,a,"{box}"\n1.png,a,"9 9 20 24"\n')
    return Expected(message="may be x, y, width, height or two corners; write them into four columns, named x, y, w, h")


def sku110k(variant: Variant) -> Expected:
    columns = ("filename", "xmin", "ymin", "xmax", "ymax", "class", "width", "height")
    top = variant.random.choice(["", "SKU110K_fixed/"])
    targets = {}
    for split in ("train", "val"):
        file = f"{top}annotations/annotations_{split}.csv"
        found = boxes_csv(variant, file, f"{top}images/{split}", ["object"], columns, header="")
        for path in (variant.folder / f"{top}images/{split}").iterdir():
            path.rename(path.parent.parent / f"{split}_{path.name}")
        text = re.sub(r"(?m)^(\ufeff?)", rf"\g<1>{split}_", (variant.folder / file).read_text().rstrip())
        variant.write(file, text + "\n")
        targets[split] = {f"{split}_{stem}": boxes for stem, boxes in found.items()}
    return Expected("box_csv", ["object"], targets)


def make_sense(variant: Variant) -> Expected:
    columns = ("class", "xmin", "ymin", "w", "h", "filename", "width", "height")
    folder = variant.random.choice([".", "images"])
    boxes = boxes_csv(variant, "labels_my-project_2023-02-01.csv", folder, variant.classes(), columns, header="")
    return Expected("box_csv", used(boxes), {"train": boxes})


def no_class(variant: Variant) -> Expected:
    columns = ("filename", "xmin", "ymin", "xmax", "ymax")
    name = "train_solution_bounding_boxes (1).csv"
    boxes = boxes_csv(
        variant, f"data/{name}", "data/training_images", ["car"], columns, header="image,xmin,ymin,xmax,ymax"
    )
    variant.image("data/testing_images/new.jpg")
    variant.write("data/sample_submission.csv", "image,bounds\nnew.jpg,1\n")
    return Expected("box_csv", ["object"], {"train": one_class(boxes)}, ["has no column of classes: all boxes"])


def self_driving(variant: Variant) -> Expected:
    header = "frame,xmin,xmax,ymin,ymax,class_id"
    columns = ("filename", "xmin", "xmax", "ymin", "ymax", "class")
    targets, lines = {}, []
    for split in ("train", "val"):
        boxes = boxes_csv(variant, f"labels_{split}.csv", "images", ["1", "2", "3"], columns, header=header)
        targets[split] = boxes
        lines += (variant.folder / f"labels_{split}.csv").read_text("utf-8-sig").splitlines()[1:]
    variant.write("labels_trainval.csv", "\n".join([header, *lines]))
    if set(targets["train"]) & set(targets["val"]):  # the same random names, which one folder cannot hold
        return no_class(Variant(variant.random.randrange(1000), variant.folder / "other"))
    note = "not read, because other CSV files are named after a split: labels_trainval.csv"
    return Expected("box_csv", used(*targets.values()), targets, [note])


def unknown_columns(variant: Variant) -> Expected:
    header = variant.random.choice(["filename,xmin,ymin,xmax,ymax,species", "photo,xmin,ymin,xmax,ymax,class"])
    columns = ("filename", "xmin", "ymin", "xmax", "ymax", "class")
    boxes_csv(variant, "boxes.csv", "images", variant.classes(), columns, header=header)
    what = "boxes.csv: this is a table of boxes whose column of the image or of the class has no known name"
    return Expected(message=f"{what}.* rename these two columns to filename and class")


def outlines_as_text(variant: Variant) -> Expected:
    name = variant.image("images/a.jpg") and "a.jpg"
    column, text = variant.random.choice(
        [("geometry", "[(1, 2), (9, 2), (9, 9), (1, 2)]"), ("BoxesString", "1 2 9 9;4 5 7 8"), ("bbox", "{'x': 1}")]
    )
    variant.write("annotations.csv", f'id,image_id,{column},class\n1,{name},"{text}",Airplane\n')
    variant.image("extras/b.jpg")
    return Expected(message="this is a table of outlines or boxes as text, which is not read. Write one box per line")


def automl(variant: Variant) -> Expected:
    lines = []
    for stem in variant.stems():
        variant.image(f"images/{stem}.jpg")
        split = variant.random.choice(["TRAIN", "TRAINING", "VALIDATE", "VALIDATION", "TEST", "UNASSIGNED"])
        lines.append(f"{split},gs://bucket/images/{stem}.jpg,daisy,0.35938,0.43750,,,0.48438,0.77083,,")
    variant.write("automl.csv", "\n".join(lines) + "\n")
    return Expected(message="a table of Google's AutoML with relative boxes, which is not read. Write one box per line")


CASES = [
    case_61_roboflow, tensorflow_tutorial, retinanet, other_headers, image_without_a_finding, images_in_no_line,
    relative_numbers, not_boxes, global_wheat, corners_in_one_column, sku110k, make_sense, no_class, self_driving,
    unknown_columns, outlines_as_text, automl,
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
