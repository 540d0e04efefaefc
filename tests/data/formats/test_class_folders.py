"""Class folders as people keep them, and folders that look like class folders and are none."""

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
    where = variant.random.choice(("dataset", "data", "my photos"))
    fill(variant, f"{where}/", ["with_mask", "without_mask"])
    return Expected(message=rf"these subfolders are each a data set: {where}\. Give one")


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
    named_like_parts, nested,
]  # fmt: skip


@variants
@pytest.mark.parametrize("case", CASES)
def test_folders(case: Case, seed: int, tmp_path: Path) -> None:
    check_case(case, seed, tmp_path)
