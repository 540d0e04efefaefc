"""COCO's layouts as people keep them."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from builders.folder_cases import Box, Case, Expected, Variant, check_case, variants

BoxesByImage = dict[str, list[Box]]
Rename = Callable[[str], str]


def coco(
    variant: Variant, json_name: str, folder: str, classes: Sequence[str], change: Rename = str, start: int = 0
) -> BoxesByImage:
    """Write a COCO file and its images; return the boxes of each image.

    Args:
        variant: the random choices.
        json_name: where the file is written.
        folder: where the images are written.
        classes: the class names.
        change: returns the name in the file for the name of an image.
        start: the first id of a category.
    """
    images: list[Any] = []
    annotations: list[Any] = []
    boxes: dict[str, Any] = {}
    for number, stem in enumerate(variant.stems()):
        name = stem + variant.suffix()
        size = variant.image(f"{folder}/{name}")
        boxes[stem] = variant.boxes(size, classes, least=0 if boxes else 1)
        images.append({"id": number, "file_name": change(name), "width": size[0], "height": size[1]})
        for label, (x1, y1, x2, y2) in boxes[stem]:
            entry = {"id": len(annotations), "image_id": number, "category_id": start + classes.index(label)}
            annotations.append(entry | {"bbox": [x1, y1, x2 - x1, y2 - y1]})
    categories = [{"id": start + number, "name": name} for number, name in enumerate(classes)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    variant.write(json_name, json.dumps(document, ensure_ascii=variant.random.random() < 0.5))
    return boxes


def edit(variant: Variant, json_name: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a written COCO file."""
    document = json.loads((variant.folder / json_name).read_text("utf-8"))
    change(document)
    variant.write(json_name, json.dumps(document))


def usual(variant: Variant) -> Expected:
    """Write annotations/instances_SPLIT.json and the images in a folder for each split."""
    classes = variant.classes()
    year = variant.random.choice(["", "2017", "2024"])
    return Expected(
        "coco",
        classes,
        {
            split: coco(variant, f"annotations/instances_{split}{year}.json", f"{split}{year}", classes)
            for split in ("train", "val")
        },
    )


def roboflow(variant: Variant, project: str, classes: Sequence[str]) -> Expected:
    """Write Roboflow's export: category 0 is the project, whose name the others have as supercategory."""
    targets = {}
    for split, name in (("train", "train"), ("val", "valid"), ("test", "test"))[: variant.random.randint(1, 3)]:
        file = f"{name}/_annotations.coco.json"
        targets[split] = coco(variant, file, name, classes, start=1)

        def add_project(document: dict[str, Any]) -> None:
            for entry in document["categories"]:
                entry["supercategory"] = project
            document["categories"].insert(0, {"id": 0, "name": project, "supercategory": "none"})
            for entry in document["annotations"]:
                entry |= {"area": entry["bbox"][2] * entry["bbox"][3], "segmentation": [], "iscrowd": 0}

        edit(variant, file, add_project)
    return Expected("coco", classes, targets, [r"the category .* \(id 0\) is not a class: "])


def case_01_project_named_as_the_class(variant: Variant) -> Expected:
    classes = variant.classes(1, 1)
    return roboflow(variant, classes[0], classes)


def case_02_project_as_category(variant: Variant) -> Expected:
    project, *classes = variant.classes(2, 5)
    return roboflow(variant, project, classes)


def category_used_in_another_split_only(variant: Variant) -> Expected:
    """Write a supercategory that has objects in val: it is a class in train, too."""
    project, *classes = variant.classes(2, 4)
    expected = roboflow(variant, project, classes)
    targets = {"train": expected.targets["train"], "val": coco(variant, "val/labels.json", "val", [project, *classes])}
    for name in ("valid", "test"):
        for path in (variant.folder / name).glob("*"):
            path.unlink()

    def add_groups(document: dict[str, Any]) -> None:
        for entry in document["categories"][1:]:
            entry["supercategory"] = project
        document["annotations"].append({"id": 9999, "image_id": 0, "category_id": 0, "bbox": [1, 2, 3, 4]})

    edit(variant, "val/labels.json", add_groups)
    first = json.loads((variant.folder / "val/labels.json").read_text("utf-8"))["images"][0]["file_name"]
    targets["val"][Path(first).stem].append((project, (1.0, 2.0, 4.0, 6.0)))
    return Expected("coco", [project, *classes], targets)


def unused_background(variant: Variant) -> Expected:
    """Write the categories of LabelMe's converter, which begin with a background."""
    classes = variant.classes()
    boxes = coco(variant, "annotations.json", "JPEGImages", classes, lambda name: f"JPEGImages/{name}", start=1)
    background = {"id": 0, "name": "_background_", "supercategory": None}
    edit(variant, "annotations.json", lambda document: document["categories"].insert(0, background))
    return Expected("coco", classes, {"train": boxes}, ["'_background_' .* is not a class"])


def case_03_numbers_as_text(variant: Variant) -> Expected:
    classes = variant.classes()
    boxes = coco(variant, "train/_annotations.coco.json", "train", classes)

    def as_text(document: dict[str, Any]) -> None:
        for entry in document["annotations"]:
            entry |= {"bbox": [f"{number:.4f}" for number in entry["bbox"]], "area": "12.5000"}

    edit(variant, "train/_annotations.coco.json", as_text)
    return Expected("coco", classes, {"train": boxes})


def case_04_other_names(variant: Variant) -> Expected:
    classes = variant.classes()
    targets = {}
    style = variant.random.choice(
        ["annotations/custom_{}.json", "annotations/{}_annotations.json", "annotations_{}.json"]
    )
    folder = variant.random.choice(["{}2017", "data/{}_images", "images/{}set_{}"])
    for split in ("train", "val")[: variant.random.randint(1, 2)]:
        targets[split] = coco(variant, style.format(split), folder.format(split, split), classes)
    return Expected("coco", classes, targets, ["images were not found where the annotations name them, but in "])


def case_05_paths_of_windows(variant: Variant) -> Expected:
    classes = variant.classes()
    boxes = coco(variant, "result.json", "images", classes, lambda name: f"images\\{name}")
    return Expected("coco", classes, {"train": boxes})


def case_06_letter_case(variant: Variant) -> Expected:
    classes = variant.classes()
    boxes = coco(variant, "annotations.json", "images", classes, lambda name: f"{name}x".swapcase()[:-1])
    return Expected("coco", classes, {"train": boxes}, ["in letter case, such as "])


def absolute_paths(variant: Variant) -> Expected:
    """Write the paths and addresses of the computer where the images were annotated."""
    start = variant.random.choice(
        ["/home/me/data/images/", "C:\\Users\\me\\images\\", "file:///data/images/", "https://host:8080/data/images/",
         "/data/local-files/?d=images/", "../../upload/images/", "s3://bucket/images/"]
    )  # fmt: skip
    classes = variant.classes()
    boxes = coco(variant, "result.json", "images", classes, lambda name: start + name)
    return Expected("coco", classes, {"train": boxes})


def fiftyone(variant: Variant) -> Expected:
    classes = variant.classes()
    return Expected("coco", classes, {"train": coco(variant, "labels.json", "data", classes)})


def below_a_folder(variant: Variant) -> Expected:
    """Write what an unpacked archive often is: one folder with everything."""
    classes = variant.classes()
    top = variant.random.choice(["My-Project-3", "export", "coco"])
    boxes = {
        name: coco(variant, f"{top}/{name}/_annotations.coco.json", f"{top}/{name}", classes)
        for name in ("train", "valid")
    }
    return Expected("coco", classes, {"train": boxes["train"], "val": boxes["valid"]})


def file_without_a_split(variant: Variant) -> Expected:
    """Write CVAT's subsets; the file of the tasks without a subset gives way."""
    classes = variant.classes()
    targets = {
        split: coco(
            variant, f"annotations/instances_{split.capitalize()}.json", f"images/{split.capitalize()}", classes
        )
        for split in ("train", "test")
    }
    coco(variant, "annotations/instances_default.json", "images/default", classes)
    return Expected("coco", classes, targets, ["not read, because other files are named after a split: .*default"])


def several_files_of_one_split(variant: Variant) -> Expected:
    classes = variant.classes()
    boxes: BoxesByImage = {}
    for number in range(2):
        boxes |= coco(variant, f"annotations/batch_{number}.json", "images", classes, lambda name: name)
        for path in list((variant.folder / "images").iterdir()):
            if not path.name.startswith("part"):
                new = f"part{number} {path.name}"
                path.rename(path.with_name(new))
                boxes[Path(new).stem] = boxes.pop(path.stem)

        def rename(document: dict[str, Any], start: str = f"part{number} ") -> None:
            for entry in document["images"]:
                entry["file_name"] = start + entry["file_name"]

        edit(variant, f"annotations/batch_{number}.json", rename)
    return Expected("coco", classes, {"train": boxes})


def files_of_the_same_images(variant: Variant) -> Expected:
    classes = variant.classes()
    coco(variant, "annotations/instances_train.json", "train", classes)
    text = (variant.folder / "annotations/instances_train.json").read_text("utf-8")
    variant.write("annotations/instances_train_small.json", text)
    return Expected(
        message=r"one COCO file for train, got .* which have the same images\. Choose with annotations=FILE"
    )


def files_of_the_same_images_and_a_choice(variant: Variant) -> Expected:
    files_of_the_same_images(variant)
    classes = variant.classes()
    for path in variant.folder.glob("train/*"):
        path.unlink()
    boxes = coco(variant, "annotations/instances_train_small.json", "train", classes)
    settings = {"annotations": "annotations/instances_train_small.json"}
    return Expected("coco", classes, {"train": boxes}, ask="coco", settings=settings)


def ambiguous_names(variant: Variant) -> Expected:
    """Write two folders with images of the same names, and a file that names none of them."""
    classes = variant.classes()
    coco(variant, "labels.json", "first", classes, lambda name: f"/elsewhere/{name}")
    for path in list((variant.folder / "first").iterdir()):
        variant.image(f"second/{path.name}")
    return Expected(message="several images have this name: first/.*, second/.*; name the folder .* images=FOLDER")


def no_sizes(variant: Variant) -> Expected:
    classes = variant.classes()
    boxes = coco(variant, "annotations.json", "images", classes)

    def remove(document: dict[str, Any]) -> None:
        for entry in document["images"]:
            del entry["width"], entry["height"]

    edit(variant, "annotations.json", remove)
    return Expected("coco", classes, {"train": boxes}, ["have no width and height: those of the image files"])


def images_that_no_file_names(variant: Variant) -> Expected:
    classes = variant.classes()
    boxes = coco(variant, "annotations.json", "images", classes)
    variant.image("images/not listed.png")
    return Expected(
        "coco", classes, {"train": boxes}, ["1 image is in no COCO file that is read and not read: images/not"]
    )


def one_of_the_splits(variant: Variant) -> Expected:
    """Give a file where two splits are found: neither val nor test may equal train."""
    found = usual(variant)
    split = variant.random.choice(["train", "val"])
    file = next((variant.folder / "annotations").glob(f"*{split}*"))
    settings = {"annotations": f"annotations/{file.name}"}
    note = "only what annotations names is read, as train; the folder has train, val"
    return found._replace(targets={"train": found.targets[split]}, ask="coco", settings=settings, notes=[note])


def a_folder_of_images_for_all_splits(variant: Variant) -> Expected:
    classes = variant.classes()
    targets = {
        split: coco(variant, f"annotations/{split}.json", "photos", classes, start=1) for split in ("train", "val")
    }
    return Expected("coco", classes, targets, ask="coco", settings={"images": "photos"})


def categories_in_another_order(variant: Variant) -> Expected:
    """Write the categories of val in another order, with other ids."""
    classes = variant.classes()
    other = list(reversed(classes))
    targets = {
        "train": coco(variant, "train/_annotations.coco.json", "train", classes),
        "val": coco(variant, "valid/_annotations.coco.json", "valid", other, start=3),
    }
    return Expected("coco", classes, targets)


CASES = [
    usual, case_01_project_named_as_the_class, case_02_project_as_category, category_used_in_another_split_only,
    unused_background, case_03_numbers_as_text, case_04_other_names, case_05_paths_of_windows, case_06_letter_case,
    absolute_paths, fiftyone, below_a_folder, file_without_a_split, several_files_of_one_split,
    files_of_the_same_images, files_of_the_same_images_and_a_choice, ambiguous_names, no_sizes,
    images_that_no_file_names, one_of_the_splits, a_folder_of_images_for_all_splits, categories_in_another_order,
]  # fmt: skip


@variants
@pytest.mark.parametrize("case", CASES)
def test_folders(case: Case, seed: int, tmp_path: Path) -> None:
    check_case(case, seed, tmp_path)
