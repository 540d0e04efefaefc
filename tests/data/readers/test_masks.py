"""Readers of masks: classes of valid files, messages for invalid ones, and pixels of real data."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from builders.fitted_images import decoded
from builders.mask_data import COCO_FILE, area, edit, numbers
from PIL import Image

from polyhead.contracts.reader import Subset
from polyhead.data.doctor import check, fingerprint, require_valid
from polyhead.data.formats.recognize import FORMATS, recognize
from polyhead.data.readers.coco_masks import CocoMasks
from polyhead.data.readers.labelme_masks import LabelMeMasks
from polyhead.data.readers.merge import Merge
from polyhead.data.readers.png_masks import PngMasks
from polyhead.data.readers.voc import CLASSES
from polyhead.data.readers.voc_masks import VocMasks
from polyhead.data.splits.stratify import split
from polyhead.data.synthetic.scenes import Scenes
from polyhead.errors import DataError, PolyheadError
from polyhead.kinds.segmentation import Segmentation
from polyhead.types import Boxes, ClassLabel

Tiny = Callable[[str], Path]


YEAR = Path("VOCdevkit/VOC2012")


KINDS = ("coco_masks", "voc_masks", "png_masks")


@pytest.mark.parametrize("kind", KINDS)
def test_samples_have_a_mask_and_no_other_target(kind: str, tiny: Tiny) -> None:
    reader = FORMATS[kind].reader(tiny(kind))
    assert reader.names[0] == "background"
    for wrapped in (reader, Subset(reader, range(len(reader)))):
        assert (wrapped.kind, wrapped.background, wrapped.digest) == ("segmentation", True, reader.digest)
        sample = decoded(wrapped, 1)
        assert sample.target._fields == ("classes",)
        assert sample.target.classes.dtype == torch.uint8
        assert sample.target.classes.shape == sample.input.shape[1:]
        assert torch.equal(sample.target.classes, numbers(wrapped, 1))


def test_voc(tiny: Tiny) -> None:
    reader = VocMasks(tiny("voc_masks"))
    assert reader.names == ["background", *CLASSES]
    assert [reader.entry(index).id for index in range(3)] == ["000000", "000001", "000002"]
    assert area(numbers(reader, 0)) == {0: 48 * 64 - 22 * 22, 8: 400, 255: 22 * 22 - 400}
    assert set(area(numbers(reader, 0)[5:25, 10:30])) == {8}
    assert area(numbers(reader, 2)) == {0: 48 * 64}


def test_voc_splits_years_and_classes(tiny: Tiny) -> None:
    root = tiny("voc_masks")
    reader_names = VocMasks(root).names
    assert len(VocMasks(root, "train")) == 2
    assert len(VocMasks(root, None)) == 3
    assert len(VocMasks(root / YEAR, "train", "VOC2012")) == 2
    (root / "own.txt").write_text("000001\n")
    assert len(VocMasks(root, "own.txt")) == 1
    dogs = VocMasks(root, classes=["dog", "cat"])
    assert dogs.names == ["background", "dog", "cat"]
    assert [set(area(numbers(dogs, index))) for index in range(3)] == [{0, 2, 255}, {0, 1, 255}, {0}]
    assert set(area(numbers(VocMasks(root, classes=["dog"]), 0))) == {0, 255}
    own = VocMasks(root, labels=[f"class {number}" for number in range(1, 13)])
    assert own.names[8] == "class 8"
    assert VocMasks(root, labels=["background", *CLASSES]).names == reader_names
    with pytest.raises(
        PolyheadError, match=r"expected at most 255 classes with the background, got 301\. Name fewer classes"
    ):
        VocMasks(root, labels=[f"class {number}" for number in range(300)])
    with pytest.raises(PolyheadError, match="the masks have no class 'catt'; did you mean 'cat'"):
        VocMasks(root, classes=["catt"])
    with pytest.raises(PolyheadError, match="the list of ids does not exist; did you mean 'train'"):
        VocMasks(root, "trian")
    with pytest.raises(PolyheadError, match="expected the folders SegmentationClass and JPEGImages"):
        VocMasks(root / "VOCdevkit" / "VOC2012" / "JPEGImages")


def save(pixels: np.ndarray, mode: str | None = None) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        image = Image.fromarray(pixels)
        (image.convert(mode) if mode else image).save(path)

    return write


FILES = {"voc_masks": YEAR / "SegmentationClass" / "000001.png", "png_masks": Path("masks/b/2.png")}


CORRUPTIONS: list[tuple[str, Callable[[Path], object], str]] = [
    ("voc_masks", Path.unlink, r"trainval.txt: line 2, mask: .*'000001.png': does not exist in"),
    ("png_masks", Path.unlink, r"2.jpg: has no mask of this name in .*masks; add the mask"),
    ("voc_masks", lambda path: path.write_bytes(b""), "000001.png: the image file is empty"),
    ("voc_masks", lambda path: path.write_bytes(path.read_bytes()[:150]), "000001.png: the image cannot be decoded"),
    ("png_masks", lambda path: path.write_bytes(b"<html>"), "2.png: the image cannot be decoded"),
    (
        "voc_masks",
        save(np.zeros((48, 65), np.uint8)),
        r"expected a mask of 64 x 48 pixels as its image \(.*\), got 65 x 48; make both",
    ),
    (
        "voc_masks",
        save(np.zeros((48, 64, 3), np.uint8)),
        "numbers or a palette, got pixels of mode RGB",
    ),
    ("voc_masks", save(np.zeros((48, 64), np.uint16)), "got pixels of mode I;16"),
    (
        "png_masks",
        save(np.zeros((48, 64), np.uint16)),
        "expected RGB, gray or palette colors, got pixels of mode I;16",
    ),
    (
        "voc_masks",
        save(np.full((48, 64), 21, np.uint8)),
        "000001.png: 3072 pixels have the number 21, which is not a class",
    ),
    (
        "png_masks",
        save(np.repeat(np.arange(48, dtype=np.uint8)[:, None, None], 64 * 3).reshape(48, 64, 3)),
        r"2.png: 64 pixels have the color \(1, 1, 1\), which is not a class \(46 more such values in 2944 pixels\)",
    ),
]


@pytest.mark.parametrize(("kind", "corrupt", "message"), CORRUPTIONS)
def test_invalid_mask_files_are_rejected(
    tiny: Tiny, kind: str, corrupt: Callable[[Path], object], message: str
) -> None:
    root = tiny(kind)
    corrupt(root / FILES[kind])
    with pytest.raises(DataError, match=f"tiny: 1 problem.*\n.*{message}"):
        require_valid(FORMATS[kind].reader(root), "tiny")
    skipped = require_valid(FORMATS[kind].reader(root, on_bad="skip", cap=0.5), "tiny")
    assert (skipped.left_out, skipped.problems) == (1, [])


def test_paths_that_leave_the_folder_are_rejected(tiny: Tiny) -> None:
    root = tiny("voc_masks")
    (root / YEAR / "ImageSets" / "Segmentation" / "trainval.txt").write_text("000000\n../000001\n")
    (problem,) = VocMasks(root).problems
    assert "line 2: expected an id, got the path '../000001', which leaves the folder" in str(problem)
    other = tiny("png_masks")
    outside = other.parent / "outside.png"
    (other / FILES["png_masks"]).rename(outside)
    (other / FILES["png_masks"]).symlink_to(outside)
    assert not PngMasks(other).problems
    outside.unlink()
    (problem,) = PngMasks(other).problems
    assert "is a symbolic link to nothing" in str(problem)


def test_images_and_masks_without_each_other(tiny: Tiny) -> None:
    root = tiny("png_masks")
    (root / "images/a/1.jpg").rename(root / "images/a/3.jpg")
    messages = sorted(str(problem) for problem in PngMasks(root).problems)
    assert "3.jpg: has no mask of this name" in messages[0]
    assert "1.png: has no image of this name" in messages[1]
    (root / "images/a/3.jpg").rename(root / "images/a/1.jpg")
    (root / "images/a/1.png").write_bytes((root / "images/a/1.jpg").read_bytes())
    (root / "masks/b/2.bmp").write_bytes((root / "masks/b/2.png").read_bytes())
    messages = sorted(str(problem) for problem in PngMasks(root).problems)
    assert "another image has the same mask" in messages[0]
    assert "2.bmp is a mask of the same image" in messages[1]


def test_an_image_with_exif_rotation_needs_an_upright_mask(tiny: Tiny) -> None:
    root = tiny("voc_masks")
    path = root / YEAR / "JPEGImages" / "000001.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(path) as image:
        image.save(path, exif=exif)
    (problem,) = VocMasks(root).problems
    assert "expected a mask of 48 x 64 pixels as its image (after EXIF rotation), got 64 x 48" in str(problem)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_with_the_same_exif_rotation_is_rotated_like_its_image(tmp_path: Path, orientation: int) -> None:
    pixels = np.zeros((40, 60), dtype=np.uint8)
    pixels[:10, :30] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name, color in (("images", 1), ("masks", 255), ("colored", 1)):
        (tmp_path / name).mkdir()
        content = pixels // 255 if name == "masks" else np.repeat(pixels[..., None] // color, 3, axis=2)
        Image.fromarray(content).save(tmp_path / name / "a.png", exif=exif)
    for reader in (
        PngMasks(tmp_path, classes=["thing"]),
        PngMasks(tmp_path, masks="colored", colors={"background": [0, 0, 0], "thing": [255, 255, 255]}),
    ):
        assert check(reader) == []
        image = decoded(reader, 0).input
        assert torch.equal(image[0] > 0, numbers(reader, 0) == 1)
        assert image.shape[1:] == ((60, 40) if orientation > 4 else (40, 60))


def test_the_fingerprint_depends_on_the_masks(tiny: Tiny) -> None:
    root = tiny("voc_masks")
    before = fingerprint(VocMasks(root))
    assert fingerprint(VocMasks(root, classes=["dog", "cat"])) != before
    assert fingerprint(VocMasks(root, labels=[*CLASSES[:-1], "screen"])) != before
    with (root / FILES["voc_masks"]).open("ab") as mask:
        mask.write(b"\0")
    assert fingerprint(VocMasks(root)) != before
    coco = tiny("coco_masks")
    before = fingerprint(CocoMasks(coco))
    edit(coco, 0, segmentation=[[10, 5, 40, 5, 40, 25, 10, 24]])
    assert fingerprint(CocoMasks(coco)) != before


def test_a_changed_mask_is_checked_again(tiny: Tiny) -> None:
    root = tiny("voc_masks")
    assert check(VocMasks(root)) == []
    save(np.full((48, 64), 99, np.uint8))(root / FILES["voc_masks"])
    assert len(check(VocMasks(root))) == 1


@pytest.mark.parametrize(("data", "file"), [("coco_masks", COCO_FILE), ("labelme", "2.json")])
def test_a_changed_size_in_an_annotation_is_checked_again(tiny: Tiny, data: str, file: str) -> None:
    root = tiny(data)
    reader = CocoMasks if data == "coco_masks" else LabelMeMasks
    assert check(reader(root)) == []
    text = (root / file).read_text()
    (root / file).write_text(re.sub(r'("(?:height|imageHeight)": )48', r"\g<1>96", text, count=1))
    message = "expected 64 x 96 pixels as in its annotation, got 64 x 48"
    assert sum(message in str(problem) for problem in check(reader(root))) == 1


def test_formats_with_boxes_are_recognized_first(tiny: Tiny) -> None:
    assert recognize(tiny("coco_masks")).reader == "coco"
    root = tiny("voc_masks")
    assert recognize(root / YEAR).reader == "voc_masks"  # not class folders
    assert recognize(root).counts == {"train": 2}
    colors = tiny("png_masks")
    for name in ("images", "masks"):
        (colors / name / "train").mkdir()
        (colors / name / "a").rename(colors / name / "train" / "a")
        (colors / name / "b").rename(colors / name / "val")
    assert recognize(colors).counts == {"train": 1, "val": 1}


def test_merged_masks_have_the_classes_of_both(tiny: Tiny) -> None:
    root = tiny("voc_masks")
    one, other = VocMasks(root, classes=["cat", "dog"]), VocMasks(root, classes=["dog", "cat"])
    merged = Merge({"one": one, "other": other})
    assert (merged.kind, merged.background) == ("segmentation", True)
    assert merged.names == one.names
    for index in range(3):
        assert torch.equal(numbers(merged, index), numbers(one, index))
        assert torch.equal(numbers(merged, 3 + index), numbers(one, index))
        assert torch.equal(merged[3 + index].target.classes, numbers(one, index))
    with pytest.raises(
        PolyheadError, match="part 'one' has masks of the classes background, cat, dog, and another part"
    ):
        Merge({"one": one, "birds": VocMasks(root, classes=["bird"])})
    with pytest.raises(PolyheadError, match="give each part a task of its own"):
        Merge({"one": one, "boxes": Scenes(2)})


def test_every_class_of_masks_is_in_each_split() -> None:
    scenes = Scenes(40, size=48, target="masks")
    found = split(scenes, Segmentation(), {"train": 0.5, "val": 0.5}, 0)
    for members in found.values():
        indices = [index for index in range(40) if scenes.id(index) in members]
        classes = {value for index in indices for value in area(numbers(scenes, index))}
        assert set(range(len(scenes.names))) <= classes


def test_scenes_have_the_requested_target() -> None:
    boxes, masks, times = (Scenes(6, size=64, target=target) for target in ("boxes", "masks", "times"))
    assert masks.names == ["background", *boxes.names]
    assert times.names == list(Scenes.times)
    assert [each.kind for each in (boxes, masks, times)] == ["detection", "segmentation", "classification"]
    assert [each.background for each in (boxes, masks, times)] == [False, True, False]
    for index in range(6):
        for other in (masks, times):
            assert torch.equal(boxes[index].input, other[index].input)
        time, objects = times.target(index), boxes.target(index)
        assert isinstance(time, ClassLabel)
        assert isinstance(objects, Boxes)
        assert boxes.also_shows(index) == {("value", int(time.label))}
        assert masks.also_shows(index) == times.also_shows(index) == set()
        shown = {1 + label for label in objects.labels[~objects.ignore].tolist()}
        assert shown <= set(area(numbers(masks, index)))


def test_real_masks(data_root: Path) -> None:
    root = data_root / "voc_from_coco"
    reader = VocMasks(root, "val")
    assert len(reader) == 60
    assert check(reader) == []
    for index in range(0, 60, 7):
        with Image.open(reader.entry(index).files[1]) as file:
            assert (numbers(reader, index).numpy() == np.array(file)).all()
    layout = recognize(root, "voc_masks")
    assert layout.counts == {"train": 240, "val": 60}
