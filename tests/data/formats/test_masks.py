"""Layouts of images and masks as people keep them."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from builders.folder_cases import Case, Expected, Variant, check_case, variants

from polyhead.contracts.reader import Reader
from polyhead.data.formats.recognize import recognize

Targets = dict[str, dict[str, np.ndarray]]
COLORS = [[128, 64, 128], [250, 50, 83], [0, 0, 142], [70, 130, 180], [1, 2, 3]]


class Files(NamedTuple):
    """Where the images and masks of a data set are; ``{split}`` and ``{stem}`` are replaced."""

    image: str
    mask: str
    splits: tuple[str, ...] = ("train",)


def blocks(variant: Variant, size: tuple[int, int], values: int) -> np.ndarray:
    """Return a mask of rectangles of the numbers below ``values``, each of which occurs; 0 is in every mask."""
    width, height = size
    mask = np.zeros((height, width), np.uint8)
    for value in range(1, values):
        left, top = variant.random.randrange(width - 12), 4 + (height - 6) * (value - 1) // values
        mask[top : top + (height - 6) // values, left : left + 10] = value
    return mask


def write(variant: Variant, files: Files, values: int, save: Callable[[str, np.ndarray], object]) -> Targets:
    """Write the images and masks of a data set; return the masks by split and image."""
    suffix = variant.suffix(".jpg", ".png", ".JPG")
    targets: Targets = {}
    for split in files.splits:
        name = {"valid": "val", "training": "train", "validation": "val", "testing": "test"}.get(
            split.lower(), split.lower()
        )
        targets[name] = {}
        for stem in (stem.replace(" ", "_") for stem in variant.stems()):  # VOC's lists have no spaces
            image = files.image.format(split=split, stem=stem) + ("" if files.image.endswith("g") else suffix)
            mask = blocks(variant, variant.image(image), values)
            save(files.mask.format(split=split, stem=stem), mask)
            targets[name][Path(image).stem] = mask
    return targets


def gray(variant: Variant) -> Callable[[str, np.ndarray], object]:
    mode = variant.random.choice(("L", "P"))
    return lambda name, mask: variant.mask(name, mask, mode)


def colored(variant: Variant, colors: list[list[int]]) -> Callable[[str, np.ndarray], object]:
    return lambda name, mask: variant.mask(name, np.array(colors, np.uint8)[mask])


def two_folders(variant: Variant) -> Files:
    """Return two folders with one of the usual pairs of names, and splits on either level or none."""
    images, masks = variant.random.choice(
        (("images", "masks"), ("imgs", "masks"), ("image", "label"), ("img_dir", "ann_dir"), ("images", "annotations"),
         ("image", "mask"), ("JPEGImages", "labels"), ("input", "target"), ("images", "GT"), ("img", "seg"))
    )  # fmt: skip
    images, masks = variant.letters(images), variant.letters(masks)
    splits = variant.random.choice((("train",), ("train", "val"), ("Train", "Test"), ("training", "validation")))
    end = variant.random.choice(("", "_mask", "-mask", "_gt", "_label", "_L", "_segmentation", ".seg"))
    layouts = (
        (f"{images}/{{split}}/{{stem}}", f"{masks}/{{split}}/{{stem}}{end}.png"),
        (f"{{split}}/{images}/{{stem}}", f"{{split}}/{masks}/{{stem}}{end}.png"),
        (f"data/{images}/{{stem}}", f"data/{masks}/{{stem}}{end}.png"),
        (f"{images}/{{stem}}", f"{masks}/{{stem}}{end}.png"),
    )
    layout = variant.random.choice(layouts)
    return Files(*layout, splits if "{split}" in layout[0] else ("train",))


def usual_names(variant: Variant) -> Expected:
    """Write images and masks in two folders with classes.txt (cases 40 and 47)."""
    classes = variant.classes()
    targets = write(variant, two_folders(variant), len(classes) + 1, gray(variant))
    variant.write("classes.txt", "\n".join(classes) + variant.random.choice(("", "\n", "\n\n")))
    return Expected("png_masks", ["background", *classes], targets)


def unet(variant: Variant) -> Expected:
    """Write black-and-white masks without class names, and augmented images (case 40)."""
    targets = write(variant, two_folders(variant), 2, lambda name, mask: variant.mask(name, mask * 255))
    if variant.random.random() < 0.5:
        variant.image("aug/a_0.png")
    return Expected("png_masks", ["background", "foreground"], targets, notes=["black and white.*NAME 255 255 255"])


def zero_and_one(variant: Variant) -> Expected:
    """Write masks of 0 and 1 without class names."""
    targets = write(variant, two_folders(variant), 2, gray(variant))
    return Expected("png_masks", ["background", "foreground"], targets, notes=["0 and 1.*classes.txt"])


def named_black_and_white(variant: Variant) -> Expected:
    """Write black-and-white masks with the name of the class."""
    (name,) = variant.classes(1, 1)
    targets = write(variant, two_folders(variant), 2, lambda path, mask: variant.mask(path, mask * 255))
    variant.write("classes.txt", variant.random.choice(("background\n", "")) + name)
    return Expected("png_masks", ["background", name], targets, notes=["is the number 255 of the masks"])


def unnamed_numbers(variant: Variant) -> Expected:
    """Write masks of several numbers without class names."""
    write(variant, two_folders(variant), 4, gray(variant))
    return Expected(
        message=r"classes.txt is missing. Add classes.txt with one class name per line.*0 \(\d+.\d %\), 1 \("
    )


def unnamed_colors(variant: Variant) -> Expected:
    """Write masks of several colors without class names."""
    write(variant, two_folders(variant), 4, colored(variant, [[0, 0, 0], *COLORS]))
    return Expected(message=r"'NAME RED GREEN BLUE' for each class, such as 'background 0 0 0'.*\(128, 64, 128\) \(")


def unnamed_sparse_numbers(variant: Variant) -> Expected:
    """Write gray masks of a few of many numbers without class names, as Cityscapes has them."""
    files = Files("images/{stem}.png", "masks/{stem}.png")
    write(variant, files, 4, lambda name, mask: variant.mask(name, mask * variant.random.choice((12, 13))))
    return Expected(message=r"'NAME K K K' for each number K, such as 'background 0 0 0'.* hold 0 \(")


def ade20k(variant: Variant) -> Expected:
    """Write ADE20K with its table of names."""
    classes = [f"{name}, thing" for name in variant.classes()]
    top = variant.random.choice(("", "ADEChallengeData2016/"))
    files = Files(f"{top}images/{{split}}/{{stem}}.jpg", f"{top}annotations/{{split}}/{{stem}}.png",
                  ("training", "validation"))  # fmt: skip
    targets = write(variant, files, len(classes) + 1, gray(variant))
    rows = [f"{number}\t0.1576\t11664\t1172\t1\t{name}\t" for number, name in enumerate(classes, 1)]
    variant.write(f"{top}objectInfo150.txt", "Idx\tRatio\tTrain\tVal\tStuff\tName\t\n" + "\n".join(rows) + "\n")
    return Expected("png_masks", ["background", *classes], targets, notes=["objectInfo150.txt"])


def from_zero(variant: Variant) -> Expected:
    """Write masks whose numbers are named from 0 (case 49)."""
    classes = variant.classes(3, 4)
    write(variant, two_folders(variant), len(classes), gray(variant))
    variant.write("classes.txt", "\n".join(classes))
    layout = recognize(variant.folder)
    what = rf"the number {len(classes)} \(.*\) is in none of the \d+ masks examined.*set first: 0"
    assert any(re.search(what, note) for note in layout.notes), layout.notes
    settings = {"first": 0, "classes": classes}
    targets = {split: dict(masks_of(layout.splits[split])) for split in layout.splits}
    shifted = {split: {stem: mask + 1 for stem, mask in masks.items()} for split, masks in targets.items()}
    return Expected("png_masks", ["background", *classes], shifted, ask="png_masks", settings=settings)


def background_anywhere(variant: Variant) -> Expected:
    """Write numbers from 1 on, of which one is the background, as the trimaps of Oxford-IIIT Pet."""
    classes = variant.classes(2, 4)
    names = list(classes)
    place = variant.random.randint(0, len(classes))
    names.insert(place, variant.random.choice(("background", "Background", "_background_")))
    new = np.array([0, *range(1, place + 1), 0, *range(place + 1, len(classes) + 1)], np.uint8)  # of the number k
    shown = variant.random.choice((0, 1))  # without 0, every number is one more
    shown = 1 if place == 0 else shown
    save = gray(variant)
    targets = write(variant, two_folders(variant), len(names) + 1 - shown, lambda name, mask: save(name, mask + shown))
    variant.write("classes.txt", "\n".join(names))
    targets = {split: {stem: new[mask + shown] for stem, mask in masks.items()} for split, masks in targets.items()}
    notes = ["the number 1 is the background"] if place == 0 else []
    return Expected("png_masks", ["background", *classes], targets, notes=notes)


def masks_of(reader: Reader) -> list[tuple[str, np.ndarray]]:
    return [(Path(reader.entry(i).files[0]).stem, reader.target(i).classes.numpy()) for i in range(len(reader))]


def roboflow(variant: Variant) -> Expected:
    """Write Roboflow's semantic segmentation: masks beside the images, and _classes.csv in each split."""
    classes = variant.classes()
    splits = variant.random.choice((("train",), ("train", "valid"), ("train", "valid", "test")))
    files = Files("{split}/{stem}_jpg.rf.0a1b.jpg", "{split}/{stem}_jpg.rf.0a1b_mask.png", splits)
    targets = write(variant, files, len(classes) + 1, gray(variant))
    rows = [f"{number}, {name}" for number, name in enumerate(["background", *classes])]
    for split in splits:
        variant.write(f"{split}/_classes.csv", "Pixel Value, Class\n" + "\n".join(rows) + "\n")
    return Expected("png_masks", ["background", *classes], targets, notes=["_classes.csv"])


def beside(variant: Variant) -> Expected:
    """Write masks beside the images, with another ending or a word at the end of their names."""
    classes = variant.classes()
    mask = variant.random.choice(("{stem}.png", "{stem}_mask.png", "{stem}-label.png", "{stem}_gt.png"))
    where = variant.random.choice(("", "data/", "{split}/"))
    targets = write(variant, Files(where + "{stem}.jpg", where + mask), len(classes) + 1, gray(variant))
    variant.write("classes.txt", "\n".join(classes))
    return Expected("png_masks", ["background", *classes], targets)


def camvid_kaggle(variant: Variant) -> Expected:
    """Write CamVid as on Kaggle: train/, train_labels/ with names in _L, and class_dict.csv (case 47)."""
    classes, names = variant.classes(2, 4), ("train", "val", "test")[: variant.random.randint(1, 3)]
    files = Files("{split}/{stem}.png", "{split}_labels/{stem}_L.png", names)
    targets = write(variant, files, len(classes), colored(variant, COLORS))
    rows = [f"{name},{','.join(map(str, color))}" for name, color in zip(classes, COLORS, strict=False)]
    variant.write("class_dict.csv", "name,r,g,b\n" + "\n".join(rows) + "\n")
    shifted = {split: {stem: mask + 1 for stem, mask in masks.items()} for split, masks in targets.items()}
    return Expected("png_masks", ["background", *classes], shifted, notes=["class_dict.csv"])


def named_void(variant: Variant) -> Expected:
    """Write color masks of named colors, one of which means that nothing is labeled: it is the background."""
    void = variant.letters(variant.random.choice(("void", "unlabeled")))
    classes = variant.classes(2, 4)
    colors = dict(zip([void, *classes], COLORS, strict=False))
    targets = write(variant, two_folders(variant), len(colors), colored(variant, [*colors.values()]))
    rows = [f"{name},{','.join(map(str, color))}" for name, color in colors.items()]
    variant.random.shuffle(rows)
    variant.write("class_dict.csv", "name,r,g,b\n" + "\n".join(rows) + "\n")
    names = [row.split(",")[0] for row in rows if not row.startswith(void)]
    new = np.array([0, *(1 + names.index(name) for name in classes)], np.uint8)
    targets = {split: {stem: new[mask] for stem, mask in masks.items()} for split, masks in targets.items()}
    return Expected("png_masks", [void, *names], targets, notes=["class_dict.csv"])


def one_mask_for_each_object(variant: Variant) -> Expected:
    """Write a folder for each image with the mask of each object, as the Data Science Bowl 2018 has them."""
    top = variant.random.choice(("stage1_train/", "", "data/train/"))
    for stem in variant.stems():
        width, height = variant.image(f"{top}{stem}/images/{stem}.png")
        for number in range(variant.random.randint(1, 4)):
            variant.mask(f"{top}{stem}/masks/{number}a.png", np.full((height, width), 255, np.uint8))
    return Expected(message=r"a folder for each image, with a mask for each of its objects.*Merge the masks")


def segnet(variant: Variant) -> Expected:
    """Write CamVid of SegNet's tutorial: train/ and trainannot/, with classes.txt (case 47)."""
    classes = variant.classes()
    splits = variant.random.choice((("train", "val"), ("train", "val", "test")))
    targets = write(
        variant, Files("{split}/{stem}.png", "{split}annot/{stem}.png", splits), len(classes) + 1, gray(variant)
    )
    variant.write("classes.txt", "\n".join(classes))
    return Expected("png_masks", ["background", *classes], targets)


def fastai(variant: Variant) -> Expected:
    """Write CamVid of fastai: images/, labels/ with names in _P, and codes.txt, which counts from 0."""
    classes = variant.classes(2, 4)
    targets = write(variant, Files("images/{stem}.png", "labels/{stem}_P.png"), len(classes), gray(variant))
    variant.write("codes.txt", "\n".join(classes))
    shifted = {split: {stem: mask + 1 for stem, mask in masks.items()} for split, masks in targets.items()}
    return Expected("png_masks", ["background", *classes], shifted, notes=["codes.txt"])


def cityscapes(variant: Variant) -> Expected:
    """Write Cityscapes with several masks for each image, of which the one for training is read."""
    classes = variant.classes()
    end = variant.random.choice(("labelTrainIds", "labelIds"))

    def save(name: str, mask: np.ndarray) -> None:
        variant.mask(name, mask)
        others = ("labelIds", "instanceIds") if end == "labelTrainIds" else ("instanceIds",)
        for other in others:
            variant.mask(name.replace(end, other), mask + 7)
        variant.mask(name.replace(end, "color"), np.array(COLORS, np.uint8)[mask])

    city = variant.random.choice(("aachen", "ulm"))
    files = Files(
        f"leftImg8bit/{{split}}/{city}/{{stem}}_leftImg8bit.png",
        f"gtFine/{{split}}/{city}/{{stem}}_gtFine_{end}.png",
        ("train", "val"),
    )
    targets = write(variant, files, len(classes) + 1, save)
    variant.write("classes.txt", "\n".join(classes))
    return Expected("png_masks", ["background", *classes], targets, notes=["do not fit mask_names"])


def kitti(variant: Variant) -> Expected:
    """Write KITTI's training/image_2, semantic and instance, from above or from training/ (case 48)."""
    classes = variant.classes()
    top = variant.random.choice(("", "training/"))
    targets = write(
        variant, Files(top + "image_2/{stem}.png", top + "semantic/{stem}.png"), len(classes) + 1, gray(variant)
    )
    for stem, mask in targets["train"].items():
        variant.mask(f"{top}instance/{stem}.png", mask)
    variant.write("classes.txt", "\n".join(classes))
    return Expected("png_masks", ["background", *classes], targets)


def kitti_without_names(variant: Variant) -> Expected:
    """Write KITTI without class names (case 48)."""
    write(variant, Files("training/image_2/{stem}.png", "training/semantic/{stem}.png"), 4, gray(variant))
    return Expected(message="training/image_2/ and training/semantic/ exist, but classes.txt is missing")


def carvana(variant: Variant) -> Expected:
    """Write train/ and train_masks/, and images without masks in test/."""
    end = variant.random.choice(("_mask", "", "_manual1"))
    targets = write(variant, Files("train/{stem}.jpg", f"train_masks/{{stem}}{end}.png"), 2, gray(variant))
    variant.image("test/1.jpg")
    return Expected("png_masks", ["background", "foreground"], targets)


def other_names(variant: Variant) -> Expected:
    """Write two folders with names of which nothing is known, but with the same file names and sizes."""
    one, other = variant.random.sample(["scans", "outlines", "xrays", "regions", "A", "B"], 2)
    classes = variant.classes()
    targets = write(variant, Files(f"{one}/{{stem}}.png", f"{other}/{{stem}}.png"), len(classes) + 1, gray(variant))
    variant.write("classes.txt", "\n".join(classes))
    return Expected("png_masks", ["background", *classes], targets)


def prefixes(variant: Variant) -> Expected:
    """Write names that differ at their beginning."""
    classes = variant.classes()
    files = Files("images/image_{stem}.png", "masks/mask_{stem}.png")
    targets = write(variant, files, len(classes) + 1, gray(variant))
    variant.write("classes.txt", "\n".join(classes))
    return Expected("png_masks", ["background", *classes], targets)


def labelme(variant: Variant) -> Expected:
    """Write what labelme2voc.py writes: class_names.txt and palette masks (case 44)."""
    classes = variant.classes()
    files = Files("JPEGImages/{stem}.jpg", "SegmentationClass/{stem}.png")
    targets = write(variant, files, len(classes) + 1, lambda name, mask: variant.mask(name, mask, "P"))
    variant.write(
        "class_names.txt", "\n".join([*variant.random.choice((["__ignore__"], [])), "_background_", *classes])
    )
    return Expected("voc_masks", ["background", *classes], targets, notes=["class_names.txt"])


def older_labelme(variant: Variant) -> Expected:
    """Write what older versions of labelme2voc.py write: SegmentationClassPNG/."""
    classes = variant.classes()
    files = Files("JPEGImages/{stem}.jpg", "SegmentationClassPNG/{stem}.png")
    targets = write(variant, files, len(classes) + 1, lambda name, mask: variant.mask(name, mask, "P"))
    variant.write("class_names.txt", "\n".join(["__ignore__", "_background_", *classes]))
    variant.write("SegmentationClass/a.npy", "")
    return Expected("png_masks", ["background", *classes], targets, notes=["class_names.txt"])


def cvat(variant: Variant) -> Expected:
    """Write CVAT's Segmentation mask 1.1: RGB masks and labelmap.txt (case 45)."""
    classes = variant.classes(2, 4, WITHOUT_COLON)
    colors = [[0, 0, 0], *COLORS]
    splits = variant.random.choice((("train",), ("train", "val")))
    files = Files("JPEGImages/{stem}.png", "SegmentationClass/{stem}.png", splits)
    targets = write(variant, files, len(classes) + 1, colored(variant, colors))
    lines = [f"{name}:{r},{g},{b}::" for name, (r, g, b) in zip(["background", *classes], colors, strict=False)]
    variant.write("labelmap.txt", "# label:color_rgb:parts:actions\n" + "\n".join(lines) + "\n")
    for split, masks in targets.items():
        name = split if len(splits) > 1 else "default"
        variant.write(f"ImageSets/Segmentation/{name}.txt", "\n".join(masks) + "\n")
    return Expected("voc_masks", ["background", *classes], targets, notes=["labelmap.txt"])


WITHOUT_COLON = ("tool", "rust spot", "тигр", "R2D2", "sign_50")


def voc_without_names(variant: Variant) -> Expected:
    """Write VOC's folders under another name, without class names: they are not PASCAL's."""
    files = Files("JPEGImages/{stem}.jpg", "SegmentationClass/{stem}.png")
    write(variant, files, 4, gray(variant))
    return Expected(message=r"JPEGImages/ and SegmentationClass/ exist, but classes.txt is missing")


CASES = [
    usual_names, unet, zero_and_one, named_black_and_white, unnamed_numbers, unnamed_colors, from_zero,
    background_anywhere, roboflow, beside, camvid_kaggle, named_void, segnet, fastai, cityscapes, kitti,
    kitti_without_names, carvana, other_names, prefixes, labelme, older_labelme, cvat, voc_without_names,
    one_mask_for_each_object, unnamed_sparse_numbers, ade20k,
]  # fmt: skip


@variants
@pytest.mark.parametrize("case", CASES)
def test_folders(case: Case, seed: int, tmp_path: Path) -> None:
    check_case(case, seed, tmp_path)
