"""Write small data sets with planted faults, each at three strengths; shares no code with the checks that find them.

A data set is first described in memory: photos of smooth noise with objects. A fault changes the description, or the
file of a photo. ``write`` then makes the files in one of the layouts.
"""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from PIL import Image

from polyhead.rng import derive_seed

WIDTH, HEIGHT = 160, 120
NAMES = ["disk", "block", "cross"]
STRENGTHS = ("weak", "medium", "strong")
COUNTS = {"train": 24, "val": 8}
Box = tuple[float, float, float, float]


@dataclass
class Photo:
    """A photo with its objects, xyxy in pixels.

    Attributes:
        name: its file name.
        split: train or val.
        pixels: uint8 ``[h, w, 3]``.
        objects: label and box of each object; the label of the first is the class of the photo.
        data: the bytes of its file, if they are not the encoded pixels.
        mask: the bytes of its mask file, if they are not those of the boxes.
        link: the split whose file is meant, if it is not its own.
    """

    name: str
    split: str
    pixels: np.ndarray
    objects: list[tuple[int, Box]]
    data: bytes | None = None
    mask: bytes | None = None
    link: str | None = None


@dataclass
class Data:
    """A data set in memory."""

    photos: list[Photo]
    names: list[str]
    license: str | None = "CC BY 4.0"
    groups: list[dict[str, str]] = field(default_factory=list)
    supercategory: str = "shape"
    in_pixels: list[str] = field(default_factory=list)
    val_folder: str = "val"

    def of(self, split: str) -> list[Photo]:
        """Return the photos of a split."""
        return [photo for photo in self.photos if photo.split == split]


class Draw:
    """Draw numbers from a seed."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(derive_seed(seed, "faulty data"))

    def uniform(self, low: float, high: float) -> float:
        """Return a number between two."""
        return low + (high - low) * float(torch.rand((), generator=self.generator))

    def integer(self, end: int) -> int:
        """Return a whole number from 0 to below ``end``."""
        return int(torch.randint(end, (), generator=self.generator))

    def normal(self, *shape: int) -> np.ndarray:
        """Return numbers with mean 0 and standard deviation 1, float32."""
        return torch.randn(shape, generator=self.generator).numpy()


def clean(seed: int = 0) -> Data:
    """Return a data set without a fault."""
    draw = Draw(seed)
    photos = []
    for split, count in COUNTS.items():
        for number in range(count):
            objects: list[tuple[int, Box]] = []
            for place in range(3):
                x, y = 5 + 52 * place + draw.uniform(0, 8), draw.uniform(5, 60)
                label = number % 3 if place == 0 else draw.integer(3)
                objects.append((label, (x, y, x + draw.uniform(15, 35), y + draw.uniform(15, 50))))
            photos.append(Photo(f"{split}_{number:03d}.jpg", split, photo(draw, objects), objects))
    return Data(photos, list(NAMES))


def photo(draw: Draw, objects: list[tuple[int, Box]]) -> np.ndarray:
    """Return smooth noise of several scales with the objects drawn on it."""
    pixels: np.ndarray = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for cells in (3, 6, 12, 40):
        noise = draw.normal(cells, cells, 3)
        pixels += cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) / cells**0.5
    pixels = np.clip(128 + 60 * pixels, 0, 255)
    for label, (x1, y1, x2, y2) in objects:
        color, middle = [draw.integer(256) for _ in range(3)], (round((x1 + x2) / 2), round((y1 + y2) / 2))
        if label == 0:
            cv2.ellipse(pixels, middle, (round((x2 - x1) / 2), round((y2 - y1) / 2)), 0, 0, 360, color, -1)
        elif label == 1:
            cv2.rectangle(pixels, (round(x1), round(y1)), (round(x2), round(y2)), color, -1)
        else:
            cv2.line(pixels, (round(x1), round(y1)), (round(x2), round(y2)), color, 4)
            cv2.line(pixels, (round(x2), round(y1)), (round(x1), round(y2)), color, 4)
    return pixels.astype(np.uint8)


def encoded(pixels: np.ndarray, form: str = "JPEG", mode: str | None = None, **settings: Any) -> bytes:
    """Return an image file."""
    image, file = Image.fromarray(pixels), io.BytesIO()
    (image.convert(mode) if mode else image).save(file, form, **({"quality": 92} if form == "JPEG" else {}) | settings)
    return file.getvalue()


# Faults: each changes the data at a strength from 0 to 2, and returns the names that findings must mention.


def truncated(data: Data, strength: int) -> list[str]:
    """Cut off the end of a file."""
    target = data.photos[3]
    whole = encoded(target.pixels)
    target.data = whole[: int(len(whole) * (0.98, 0.7, 0.1)[strength])]
    return [target.name]


def corrupt(data: Data, strength: int) -> list[str]:
    """Overwrite a byte of the pixels, a block in the middle, or the header."""
    target = data.photos[4]
    whole = bytearray(encoded(target.pixels))
    start, count = ((len(whole) // 2, 1), (len(whole) // 2, 400), (0, 200))[strength]
    whole[start : start + count] = bytes(count)
    target.data = bytes(whole)
    return [target.name]


def empty_file(data: Data, strength: int) -> list[str]:
    """Leave only a few bytes of a file, or none."""
    target = data.photos[5]
    target.data = encoded(target.pixels)[: (200, 20, 0)[strength]]
    return [target.name]


def exact_copy(data: Data, strength: int) -> list[str]:
    """Copy files under other names within train; the weak copy has another comment."""
    names = []
    for number in range((1, 1, 4)[strength]):
        one = data.of("train")[number]
        comment: dict[str, Any] = {"comment": b"copy"} if strength == 0 else {}
        data.photos.append(replace(one, name=f"copy_{number}.jpg", data=encoded(one.pixels, **comment)))
        names.append(f"copy_{number}.jpg")
    return names


def altered(pixels: np.ndarray, strength: int) -> bytes:
    """Return an image compressed again, cropped by 5 % and brighter, or cropped by 15 % and brighter."""
    height, width = pixels.shape[:2]
    if strength == 0:
        return encoded(np.asarray(Image.open(io.BytesIO(encoded(pixels)))), quality=90)
    fraction = (0, 0.05, 0.15)[strength]
    left, top = round(width * fraction * 0.7), round(height * fraction * 0.3)
    part = pixels[top : top + round(height * (1 - fraction)), left : left + round(width * (1 - fraction))]
    return encoded(np.clip(part * 1.15, 0, 255).astype(np.uint8))


def near_copy(data: Data, strength: int) -> list[str]:
    """Add an altered copy of a photo to the same split."""
    one = data.of("train")[6]
    size = Image.open(io.BytesIO(altered(one.pixels, strength))).size
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    data.photos.append(
        replace(one, name="near.jpg", pixels=pixels, objects=fitted(pixels), data=altered(one.pixels, strength))
    )
    return ["near.jpg"]


def near_split_copy(data: Data, strength: int) -> list[str]:
    """Add an altered copy of a training photo to val."""
    near_copy(data, strength)
    data.photos[-1].split = "val"
    return ["near.jpg"]


def split_copy(data: Data, strength: int) -> list[str]:
    """Copy training files under other names to val."""
    names = []
    for number in range((1, 3, 6)[strength]):
        data.photos.append(replace(data.of("train")[number], name=f"twin_{number}.jpg", split="val"))
        names.append(f"twin_{number}.jpg")
    return names


def shared_file(data: Data, strength: int) -> list[str]:
    """List training files in val, too."""
    shared = data.of("train")[: (1, 3, 8)[strength]]
    data.photos += [replace(one, split="val", link="train") for one in shared]
    return [one.name for one in shared]


def same_folder(data: Data, strength: int) -> list[str]:
    """Name the folder of train as val, too."""
    del strength
    data.val_folder = "train"
    return [""]


def fitted(pixels: np.ndarray) -> list[tuple[int, Box]]:
    """Return an object that fits into an image of any size."""
    height, width = pixels.shape[:2]
    return [(0, (0.2 * width, 0.2 * height, 0.8 * width, 0.8 * height))]


def small_image(data: Data, strength: int) -> list[str]:
    """Shrink a photo to sides of 40, 24 or 6 pixels."""
    target, side = data.photos[7], (40, 24, 6)[strength]
    target.pixels = cv2.resize(target.pixels, (side, side), interpolation=cv2.INTER_AREA)
    target.objects = fitted(target.pixels)
    return [target.name]


def narrow_image(data: Data, strength: int) -> list[str]:
    """Stretch a photo to an aspect ratio of 4, 8 or 30."""
    target, ratio = data.photos[8], (4, 8, 30)[strength]
    target.pixels = cv2.resize(target.pixels, (40 * ratio, 40))
    target.objects = fitted(target.pixels)
    return [target.name]


def odd_channels(data: Data, strength: int) -> list[str]:
    """Save a photo among RGB ones in gray, with alpha, or in CMYK."""
    target = data.photos[9]
    if strength == 1:
        target.name = target.name.replace(".jpg", ".png")
    form, mode = (("JPEG", "L"), ("PNG", "RGBA"), ("JPEG", "CMYK"))[strength]
    target.data = encoded(target.pixels, form, mode)
    return [target.name]


def deep_image(data: Data, strength: int) -> list[str]:
    """Save photos among 8-bit ones with 16 bits; a few, some, or many."""
    targets = data.of("train")[: (1, 3, 6)[strength]]
    for target in targets:
        gray, file = np.asarray(Image.fromarray(target.pixels).convert("L")).astype(np.uint16) * 257, io.BytesIO()
        Image.fromarray(gray).save(file, "PNG")
        target.name, target.data = target.name.replace(".jpg", ".png"), file.getvalue()
    return [target.name for target in targets]


def blank_image(data: Data, strength: int) -> list[str]:
    """Make a photo almost gray, gray, or black."""
    target = data.photos[10]
    noise = 2 * Draw(0).normal(*target.pixels.shape)
    target.pixels = (128 + noise * (strength == 0) - 128 * (strength == 2)).clip(0).astype(np.uint8)
    return [target.name]


def edit_box(data: Data, index: int, box: Box) -> list[str]:
    """Replace the first box of a photo."""
    data.photos[index].objects[0] = (data.photos[index].objects[0][0], box)
    return [data.photos[index].name]


def outside_box(data: Data, strength: int) -> list[str]:
    """Move a box beyond the image by 1 pixel, 20 % of its width, or wholly."""
    x2 = (WIDTH + 1, WIDTH + 8, WIDTH + 60)[strength]
    return edit_box(data, 1, (x2 - 40, 20, x2, 60))


def flat_box(data: Data, strength: int) -> list[str]:
    """Give a box a width of .5, 0 or -20 pixels."""
    return edit_box(data, 2, (50, 20, 50 + (0.5, 0, -20)[strength], 60))


def tiny_box(data: Data, strength: int) -> list[str]:
    """Shrink a box to 1, .4 or .1 % of the image's width."""
    side = (0.01, 0.004, 0.001)[strength] * WIDTH
    return edit_box(data, 3, (50, 20, 50 + side, 20 + side))


def huge_box(data: Data, strength: int) -> list[str]:
    """Extend a box to 90, 98 or 100 % of each side."""
    fraction = (0.9, 0.98, 1)[strength]
    return edit_box(data, 4, (0, 0, fraction * WIDTH, fraction * HEIGHT))


def twin_box(data: Data, strength: int, label: int = 0) -> list[str]:
    """Repeat a box with an IoU of about .8, .96 or 1."""
    target = data.photos[5]
    own, (x1, y1, x2, y2) = target.objects[0]
    target.objects.append(((own + label) % 3, (x1, y1, x2 - (0.2, 0.04, 0)[strength] * (x2 - x1), y2)))
    return [target.name]


def two_classes(data: Data, strength: int) -> list[str]:
    """Repeat a box with another class."""
    return twin_box(data, strength, 1)


def rare_class(data: Data, strength: int) -> list[str]:
    """Leave 1/5, 1/12 or 1/24 of the objects of a class."""
    one_in, count = (5, 12, 24)[strength], 0
    for target in data.of("train"):
        labels = []
        for label, box in target.objects:
            count += label == 2
            labels.append((label if label != 2 or count % one_in == 1 else count % 2, box))
        target.objects = labels
    return ["cross"]


def absent_class(data: Data, strength: int) -> list[str]:
    """Name classes that nothing shows."""
    new = ["ring", "star", "tube"][: strength + 1]
    data.names += new
    return new


def root_category(data: Data, strength: int) -> list[str]:
    """Add a category without annotations: without relation, as the only one without a group, or as the group of all."""
    data.groups = [{"name": "shapes-2", "supercategory": ("other", "none", "none")[strength]}]
    data.supercategory = ("shape", "shape", "shapes-2")[strength]
    return ["shapes-2"]


def without_objects(data: Data, strength: int) -> list[str]:
    """Remove the objects of 1, 3 or 12 photos."""
    targets = data.of("train")[: (1, 3, 12)[strength]]
    for target in targets:
        target.objects = []
    return [target.name for target in targets]


def closed_license(data: Data, strength: int) -> list[str]:
    """State a license for research, a non-commercial one, or none."""
    data.license = ("for research and education", "CC BY-NC-SA 4.0", None)[strength]
    return [""]


def unknown_class(data: Data, strength: int) -> list[str]:
    """Use a class number beyond the names in 1, 3 or 8 photos."""
    targets = data.of("train")[: (1, 3, 8)[strength]]
    for target in targets:
        target.objects[0] = (7, target.objects[0][1])
    return [target.name for target in targets]


def in_pixels(data: Data, strength: int) -> list[str]:
    """Write boxes in pixels where fractions are expected, in 1, 3 or 8 photos."""
    data.in_pixels = [target.name for target in data.of("train")[: (1, 3, 8)[strength]]]
    return data.in_pixels


def mask_value(data: Data, strength: int) -> list[str]:
    """Give 1 pixel, 5 % or all pixels of a mask a number that is no class."""
    target = data.photos[2]
    values = np.zeros((HEIGHT, WIDTH), np.uint8)
    values.flat[: (1, HEIGHT * WIDTH // 20, HEIGHT * WIDTH)[strength]] = 77
    target.mask = encoded(values, "PNG")
    return [target.name]


def mask_size(data: Data, strength: int) -> list[str]:
    """Make a mask smaller by 1 pixel, a fifth, or to a half."""
    target, factor = data.photos[3], (1 - 1 / WIDTH, 0.8, 0.5)[strength]
    target.mask = encoded(np.ones((round(HEIGHT * factor), round(WIDTH * factor)), np.uint8), "PNG")
    return [target.name]


class Fault(NamedTuple):
    """A kind of fault.

    Attributes:
        plant: changes the data at a strength.
        checks: short names of the checks that may find it, as documented.
        layouts: where it is planted.
    """

    plant: Callable[[Data, int], list[str]]
    checks: tuple[str, ...]
    layouts: tuple[str, ...] = ("coco", "yolo")


IMAGES = ("coco", "yolo", "classes", "masks")
FAULTS = {
    "truncated file": Fault(truncated, ("error",), IMAGES),
    "corrupt file": Fault(corrupt, ("error",), IMAGES),
    "empty file": Fault(empty_file, ("error",), IMAGES),
    "exact copy": Fault(exact_copy, ("copies", "near-copies"), IMAGES),
    "near copy": Fault(near_copy, ("near-copies",), ("coco", "yolo", "classes")),
    "exact copy in two splits": Fault(split_copy, ("split-copies", "near-split-copies"), ("coco", "yolo", "classes")),
    "near copy in two splits": Fault(
        near_split_copy, ("split-copies", "near-split-copies"), ("coco", "yolo", "classes")
    ),
    "file in two splits": Fault(shared_file, ("error",), ("coco", "lists")),
    "same folder as val": Fault(same_folder, ("same-folder",), ("yolo",)),
    "small image": Fault(small_image, ("small-images",), ("coco", "yolo", "classes")),
    "narrow image": Fault(narrow_image, ("narrow-images",), ("coco", "yolo", "classes")),
    "odd channels": Fault(odd_channels, ("channels",), IMAGES),
    "16-bit images": Fault(deep_image, ("channels",), IMAGES),
    "blank image": Fault(blank_image, ("blank-images",), IMAGES),
    "box outside": Fault(outside_box, ("error",)),
    "box without area": Fault(flat_box, ("error", "tiny-boxes")),
    "tiny box": Fault(tiny_box, ("tiny-boxes",)),
    "huge box": Fault(huge_box, ("huge-boxes",)),
    "duplicate box": Fault(twin_box, ("duplicate-boxes",)),
    "box of two classes": Fault(two_classes, ("duplicate-boxes",)),
    "rare class": Fault(rare_class, ("imbalance",)),
    "absent class": Fault(absent_class, ("absent-classes",)),
    "root category": Fault(root_category, ("group-category", "absent-classes"), ("coco",)),
    "image without objects": Fault(without_objects, ("no-objects",)),
    "closed or unknown license": Fault(closed_license, ("license",), ("coco",)),
    "unknown class": Fault(unknown_class, ("error",), ("yolo",)),
    "boxes in pixels": Fault(in_pixels, ("error",), ("yolo",)),
    "mask with unknown number": Fault(mask_value, ("error",), ("masks",)),
    "mask of another size": Fault(mask_size, ("error",), ("masks",)),
}


def write(data: Data, layout: str, folder: Path) -> dict[str, list[str]]:
    """Write the files of a data set as ``coco``, ``yolo``, ``lists`` (YOLO with lists), ``classes`` or ``masks``.

    Returns:
        What else than its name without ending stands for a photo in messages: its annotations in COCO.
    """
    photos = [one for one in data.photos if layout != "masks" or one.split == "train"]
    for one in photos:
        place = f"images/{one.split}"
        if layout == "coco":
            place = one.split
        elif layout == "classes":
            place = f"{one.split}/{data.names[one.objects[0][0]]}"
        elif layout == "masks":
            place = "images"
        image = folder / place / one.name
        if one.link is None:
            image.parent.mkdir(parents=True, exist_ok=True)
            image.write_bytes(encoded(one.pixels) if one.data is None else one.data)
    if layout == "coco":
        return _write_coco(data, folder)
    if layout == "masks":
        _write_masks(data, photos, folder)
    elif layout != "classes":
        _write_yolo(data, layout, folder)
    return {}


def _write_coco(data: Data, folder: Path) -> dict[str, list[str]]:
    (folder / "annotations").mkdir()
    names = [{"name": name, "supercategory": data.supercategory} for name in data.names]
    categories = [{"id": number, **entry} for number, entry in enumerate([*data.groups, *names])]
    places: dict[str, list[str]] = {}
    for split in COUNTS:
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for one in data.of(split):
            height, width = one.pixels.shape[:2]
            file = f"{one.link or split}/{one.name}"
            images.append({"id": len(images), "file_name": file, "width": width, "height": height})
            for label, (x1, y1, x2, y2) in one.objects:
                entry = {"id": len(annotations), "image_id": len(images) - 1, "category_id": label + len(data.groups)}
                annotations.append({**entry, "bbox": [x1, y1, x2 - x1, y2 - y1]})
                places.setdefault(Path(one.name).stem, []).append(f"{split}.json: annotation {entry['id']}:")
        licenses = [] if data.license is None else [{"id": 1, "name": data.license}]
        document = {"images": images, "annotations": annotations, "categories": categories, "licenses": licenses}
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(document))
    return places


def _write_yolo(data: Data, layout: str, folder: Path) -> None:
    for one in data.photos:
        if one.link is not None:
            continue
        height, width = one.pixels.shape[:2]
        by_width, by_height = (1, 1) if one.name in data.in_pixels else (width, height)
        lines = [
            f"{label} {(x1 + x2) / 2 / by_width} {(y1 + y2) / 2 / by_height} "
            f"{(x2 - x1) / by_width} {(y2 - y1) / by_height}\n"
            for label, (x1, y1, x2, y2) in one.objects
        ]
        labels = folder / "labels" / one.split / f"{Path(one.name).stem}.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text("".join(lines))
    places = {"train": "images/train", "val": f"images/{data.val_folder}"}
    if layout == "lists":
        for split in COUNTS:
            lines = [f"./images/{one.link or split}/{one.name}\n" for one in data.of(split)]
            (folder / f"{split}.txt").write_text("".join(lines))
        places = {split: f"{split}.txt" for split in COUNTS}
    (folder / "data.yaml").write_text(json.dumps(places | {"names": data.names}))


def _write_masks(data: Data, photos: list[Photo], folder: Path) -> None:
    (folder / "masks").mkdir()
    (folder / "classes.txt").write_text("\n".join(["background", *data.names]))
    for one in photos:
        mask = np.zeros(one.pixels.shape[:2], np.uint8)
        for label, box in one.objects:
            x1, y1, x2, y2 = map(round, box)
            mask[y1:y2, x1:x2] = label + 1
        (folder / "masks" / f"{Path(one.name).stem}.png").write_bytes(one.mask or encoded(mask, "PNG"))
