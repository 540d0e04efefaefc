"""Class folders as people keep them, and folders that look like class folders and are none."""

import re
from pathlib import Path

import pytest
from builders.folder_cases import WORDS, Case, Expected, Variant, check_case, variants

from polyhead.data.formats.recognize import recognize

CLASSES = [word for word in WORDS if word != "screw.M4"]
SPLIT_NAMES = (
    ("train", "val", "test"), ("Training", "Validation", "Testing"), ("TRAIN", "VALID", "TEST"),
    ("Train", "Val", "Test"), ("training_set", "validation_set", "test_set"), ("seg_train", "seg_val", "seg_test"),
    ("train_data", "val_data", "test_data"), ("train-images", "dev-images", "test-images"),
)  # fmt: skip


def fill(variant: Variant, root: str, classes: list[str]) -> dict[str, str]:
    """Write images of each class below a folder; return the class of each image."""
    found = {}
    for name in classes:
        for number, stem in enumerate(variant.stems(3, 5)):
            variant.image(f"{root}{name}/{stem}-{classes.index(name)}{number}{variant.suffix()}")
            found[f"{stem}-{classes.index(name)}{number}"] = name
    return found


def usual(variant: Variant) -> Expected:
    """Write class folders without splits."""
    classes = sorted(variant.classes(most=6, words=CLASSES))
    return Expected("folder", classes, {"train": fill(variant, "", classes)})


def splits(variant: Variant) -> Expected:
    """Write class folders in splits of any spelling, with or without a folder of the same name between."""
    classes = sorted(variant.classes(most=6, words=CLASSES))
    names = variant.random.choice(SPLIT_NAMES)[: variant.random.randint(1, 3)]
    wrapped = variant.random.random() < 0.4
    targets = {}
    for name, split in zip(names, ("train", "val", "test"), strict=False):
        targets[split] = fill(variant, f"{name}/{name}/" if wrapped else f"{name}/", classes)
    return Expected("folder", classes, targets)


def flat_test(variant: Variant) -> Expected:
    """Write train/ with classes and Kaggle's test/ without; what macOS adds to ZIP files; and an empty class folder."""
    classes = sorted(variant.classes(words=CLASSES))
    top = variant.letters("train")
    targets = {"train": fill(variant, f"{top}/", classes)}
    for stem in variant.stems():
        variant.image(f"test/{stem}.jpg")
        variant.image(f"__MACOSX/{top}/{stem}.jpg")
    (variant.folder / top / "zz empty").mkdir()
    return Expected(
        "folder", classes, targets, notes=[r"^test/ \(\d+ images\) is not read", "zz empty .* are left out"]
    )


def small_val(variant: Variant) -> Expected:
    """Write a val split that has images of some classes only."""
    classes = sorted(variant.classes(least=3, most=5, words=CLASSES))
    some = sorted(variant.random.sample(classes, variant.random.randint(1, len(classes) - 1)))
    targets = {"train": fill(variant, "train/", classes), "val": fill(variant, "val/", some)}
    return Expected("folder", classes, targets)


def beside_annotations(variant: Variant) -> Expected:
    """Write LabelImg's or other files beside the images of class folders (case 43, as a classifier)."""
    classes = sorted(variant.classes(words=CLASSES))
    targets = {"train": fill(variant, "", classes)}
    ending = variant.random.choice((".xml", ".json"))
    for stem, name in targets["train"].items():
        variant.write(f"{name}/{stem}{ending}", "<annotation/>" if ending == ".xml" else "{}")
    note = rf"{len(targets['train'])} {ending} files beside the images are not read"
    return Expected("folder", classes, targets, notes=[note], ask="folder")


def equal_names(variant: Variant) -> Expected:
    """Write class folders of numbered images of one size: both hold photos, so they are classes."""
    classes = sorted(variant.classes(least=2, most=2, words=CLASSES))
    for name in classes:
        for number in range(6):
            variant.image(f"{name}/{number}.jpg", (48, 48))
    layout = recognize(variant.folder)
    assert (layout.reader, layout.counts, layout.classes) == ("folder", {"train": 12}, classes)
    assert any("hold files of the same names; each is read as a class" in note for note in layout.notes)
    return Expected(ask="coco", message="not recognized")  # names are not unique, so check_case cannot compare them


def project(variant: Variant) -> Expected:
    """Write a repository with docs/ and assets/ beside the data (case 53)."""
    for name in ("assets", "docs"):
        fill(variant, "", [name])
    where = variant.random.choice(("dataset", "my photos", "a/b", "images/Images", "x/y/z"))
    classes = ["with_mask", "without_mask"]
    targets = {"train": fill(variant, f"{where}/", classes)}
    return Expected("folder", classes, targets, notes=[f"^the data set is in {where}/$"])


def may_be_annotated(variant: Variant) -> Expected:
    """Write class folders below another folder, and files that may be annotations of their images."""
    images = fill(variant, "images/", variant.classes(words=CLASSES))
    name = variant.random.choice(("boxes.json", "train.csv", "a/b.xml", f"labels/{min(images)}.txt"))
    variant.write(name, "?")
    return Expected(message=rf"images has class folders, but {re.escape(name)} may be annotations")


def numbers(variant: Variant) -> Expected:
    """Write class folders that are named by numbers, and tables beside them."""
    classes = [str(number) for number in sorted(variant.random.sample(range(50), 6))]
    targets = {"train": fill(variant, "Train/", classes)}
    variant.write("Train.csv", "Width,Path\n")
    return Expected("folder", classes, targets, notes=["not read, because each .*: Train.csv"])


def parts_of_images(variant: Variant) -> Expected:
    """Write a folder for each image with its parts."""
    parts = variant.random.choice((("img", "label", "label_viz"), ("image",), ("rgb", "depth", "ir"), ("a_1", "b_1")))
    top = variant.random.choice(("", "train/", "x/"))
    for stem in variant.stems():
        for part in parts:
            variant.image(f"{top}{stem}_json/{part}.png", (40, 40))
    return Expected(message=rf"each hold images named {', '.join(sorted(parts))}: they are not taken for classes")


def labelme_json_to_dataset(variant: Variant) -> Expected:
    """Write what labelme_json_to_dataset writes: a folder for each image."""
    for stem in variant.stems():
        for part in ("img", "label", "label_viz"):
            variant.image(f"{stem}_json/{part}.png", (40, 40))
        variant.write(f"{stem}_json/label_names.txt", "_background_\ncat\n")
    return Expected(message="this is the output of labelme_json_to_dataset.*Give the folder with LabelMe's JSON files")


def numbered(variant: Variant) -> Expected:
    """Write class folders of a few images with the same numbered names, as Caltech 101 has them."""
    classes = sorted(variant.classes(least=2, words=CLASSES))
    start = variant.random.choice(("", "image_"))
    for name in classes:
        for number in range(4):
            variant.image(f"{name}/{start}{number:04}.jpg", (48, 48))
    assert recognize(variant.folder).classes == classes
    return Expected(ask="coco", message="not recognized")


def oidv4(variant: Variant) -> Expected:
    """Write what OIDv4 ToolKit writes: class folders with images, and their boxes in Label/."""
    top = variant.random.choice(("OID/Dataset/", "", "Dataset/"))
    for split in variant.random.choice((("train",), ("train", "validation", "test"))):
        for name in ("Apple", "Human eye"):
            for stem in variant.stems():
                variant.image(f"{top}{split}/{name}/{stem}.jpg")
                variant.write(f"{top}{split}/{name}/Label/{stem}.txt", f"{name} 1.0 2.5 30 31.25\n")
    return Expected(message="class name and four numbers in each line.*columns filename, class, xmin, ymin, xmax, ymax")


def copied(variant: Variant) -> Expected:
    """Write splits, and a folder with a copy of them."""
    classes = sorted(variant.classes(words=CLASSES))
    targets = {split: fill(variant, f"{split}/", classes) for split in ("train", "test")}
    for split in targets:
        fill(variant, f"photos/{split}/", classes)
    return Expected("folder", classes, targets, notes=["^photos/ .* is not read: it is a data set of its own"])


def docs_beside(variant: Variant) -> Expected:
    """Write docs/ and assets/ beside class folders."""
    classes = sorted(variant.classes(words=CLASSES))
    targets = {"train": fill(variant, "", classes)}
    fill(variant, "", ["docs", "Assets"])
    return Expected("folder", classes, targets, notes=["Assets, docs hold images that are not read"])


def kaggle(variant: Variant) -> Expected:
    """Write train_images/ and test_images/ with a table (case 42)."""
    for name in variant.random.choice(
        (("train_images", "test_images"), ("train", "test"), ("Train_Imgs", "Test_Imgs"))
    ):
        for stem in variant.stems():
            variant.image(f"{name}/{stem}.jpg")
    variant.write("train.csv", "id,label\n1,2\n")
    return Expected(message=r"are not taken for classes because of their names\. train\.csv is of no known format")


def parts_of_data(variant: Variant) -> Expected:
    """Write images/ or the like beside a folder of another name: neither is a class."""
    name = variant.letters(variant.random.choice(("images", "gt", "img", "annotations", "image_2", "masks")))
    for each in (name, variant.classes(words=CLASSES)[0]):
        for stem in variant.stems():
            variant.image(f"{each}/{each}{stem}.jpg")
    return Expected(message=rf"are not taken for classes because of the names {name}")


def named_like_parts(variant: Variant) -> Expected:
    """Write class folders with names that contain words such as mask or images."""
    pairs = (["mask", "no_mask"], ["with_mask", "without_mask"], ["cat_images", "dog_images"], ["Mask", "Non Mask"],
             ["test tube", "beaker"], ["valve", "trainers"])  # fmt: skip
    classes = sorted(variant.random.choice(pairs))
    return Expected("folder", classes, {"train": fill(variant, "", classes)})


def nested(variant: Variant) -> Expected:
    """Write folders that hold class folders of their own."""
    tops = variant.classes(least=2, most=2, words=["red", "green", "blue"])
    for top in tops:
        fill(variant, f"{top}/", ["young", "old"])
    return Expected(message=rf"these subfolders are each a data set: {', '.join(sorted(tops))}\. Give one")


CASES = [
    usual, splits, flat_test, small_val, beside_annotations, equal_names, project, docs_beside, kaggle, parts_of_data,
    named_like_parts, nested, may_be_annotated, numbers, parts_of_images, labelme_json_to_dataset, numbered, oidv4,
    copied,
]  # fmt: skip


@variants
@pytest.mark.parametrize("case", CASES)
def test_folders(case: Case, seed: int, tmp_path: Path) -> None:
    check_case(case, seed, tmp_path)
