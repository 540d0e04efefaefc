"""What each reader of masks makes of sound data, what it refuses, and that the pixels are those of the files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from pycocotools import mask as pycoco
from torch import Tensor

from polyhead.data.base import Reader, Subset
from polyhead.data.cache import Cached
from polyhead.data.doctor import READERS, check, fingerprint, recognise, require_sound
from polyhead.data.files import FileFault
from polyhead.data.masks import Code, packed, unpacked
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.coco_masks import CocoMasks, run_lengths
from polyhead.data.readers.merge import Merge
from polyhead.data.readers.png_masks import PngMasks
from polyhead.data.readers.voc import CLASSES
from polyhead.data.readers.voc_masks import VocMasks
from polyhead.data.splits import split
from polyhead.data.synthetic import Scenes
from polyhead.errors import DataError, PolyheadError

Tiny = Callable[[str], Path]
SHEET = "annotations/instances_train.json"
YEAR = Path("VOCdevkit/VOC2012")
KINDS = ("coco_masks", "voc_masks", "png_masks")


def numbers(reader: Reader, index: int) -> Tensor:
    mask = reader.mask(index)
    assert mask is not None
    plain: Tensor = mask.as_subclass(Tensor)
    return plain


def area(mask: Tensor) -> dict[int, int]:
    counts = torch.bincount(mask.flatten(), minlength=256)
    return {value: int(counts[value]) for value in counts.nonzero().flatten().tolist()}


@pytest.mark.parametrize("kind", KINDS)
def test_masks_are_samples_of_a_mask_and_nothing_else(kind: str, tiny: Tiny) -> None:
    reader = READERS[kind](tiny(kind))
    assert reader.masked
    assert reader.names[0] == "background"
    for wrapped in (reader, Subset(reader, range(len(reader))), Cached(reader, [""] * len(reader), 0)):
        assert wrapped.masked
        assert wrapped.digest == reader.digest
        sample, truth = wrapped[1], wrapped.annotation(1)
        assert sample.mask is not None
        assert sample.mask.dtype == torch.uint8
        assert sample.mask.shape == sample.input.shape[1:]
        assert torch.equal(sample.mask.as_subclass(Tensor), numbers(wrapped, 1))
        assert truth.boxes.shape == (0, 4)
        assert truth.labels.shape == (0,)
        assert truth.value is None
        assert truth.annotated.shape == (len(reader.names),)


def test_voc(tiny: Tiny) -> None:
    reader = VocMasks(tiny("voc_masks"))
    assert reader.names == ["background", *CLASSES]
    assert [reader.annotation(index).id for index in range(3)] == ["000000", "000001", "000002"]
    assert area(numbers(reader, 0)) == {0: 48 * 64 - 22 * 22, 8: 400, 255: 22 * 22 - 400}
    assert set(area(numbers(reader, 0)[5:25, 10:30])) == {8}
    assert area(numbers(reader, 2)) == {0: 48 * 64}


def test_voc_splits_years_and_classes(tiny: Tiny) -> None:
    root = tiny("voc_masks")
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
    with pytest.raises(PolyheadError, match="the masks have no class 'catt'; did you mean 'cat'"):
        VocMasks(root, classes=["catt"])
    with pytest.raises(PolyheadError, match="no such list of ids; did you mean 'train'"):
        VocMasks(root, "trian")
    with pytest.raises(PolyheadError, match="looked for SegmentationClass and JPEGImages"):
        VocMasks(root / "VOCdevkit" / "VOC2012" / "JPEGImages")


def test_png_of_colours(tiny: Tiny) -> None:
    reader = PngMasks(tiny("png_masks"))
    assert reader.names == ["background", "road", "small car"]
    assert [reader.annotation(index).id for index in range(2)] == ["a/1", "b/2"]
    assert area(numbers(reader, 0)) == {0: 48 * 64 - 400 - 90, 1: 400, 2: 90}
    assert set(area(numbers(reader, 1)[30:, :5])) == {2}


def test_png_settings(tiny: Tiny) -> None:
    root = tiny("png_masks")
    road, car, black = [128, 64, 128], [0, 0, 142], [0, 0, 0]
    without = PngMasks(root, colours={"road": road, "car": car, "grass": black})
    assert set(area(numbers(without, 0))) == {1, 2, 3}
    reader = PngMasks(root, colours={"background": black, "road": road}, ignored=car)
    assert area(numbers(reader, 0))[255] == 90
    for index in range(2):
        name = without.annotation(index).mask
        Image.fromarray(np.clip(numbers(without, index).numpy(), 0, 2)).save(name)
    assert set(area(numbers(PngMasks(root, classes=["road", "car"]), 0))) == {1, 2}
    assert set(area(numbers(PngMasks(root, classes=["road"], ignored=2), 0))) == {1, 255}
    (root / "classes.txt").write_text("road\n\nsmall car\n")
    assert PngMasks(root).names == ["background", "road", "small car"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": ["a"], "colours": {"a": [1, 2, 3]}}, "give classes .* or colours, not both"),
        ({"classes": ["a"], "ignored": [0, 0, 0]}, "masks hold numbers, so expected one of 0 to 255"),
        ({"classes": ["a"], "ignored": 1}, "ignored: 1 is the number of the class 'a'"),
        ({"classes": ["a"], "ignored": 256}, "expected a number of 0 to 255, got 256"),
        ({"classes": ["a", "a"]}, "a name is given twice in a, a"),
        ({"classes": [str(number) for number in range(255)]}, "room for 255 classes with the background, got 256"),
        ({"colours": {"a": [1, 2, 3]}, "ignored": 255}, r"hold colours, so expected \[red, green, blue\]"),
        ({"colours": {"a": [1, 2]}}, r"a: expected \[red, green, blue\] of 0 to 255, got \[1, 2\]"),
        ({"colours": {"a": [1, 2, 256]}}, r"got \[1, 2, 256\]"),
        ({"colours": {"a": [1, 2, 3], "b": [1, 2, 3]}}, r"b: the colour \(1, 2, 3\) has another meaning already"),
        ({"colours": {}}, "expected the colour of each class but background, got none"),
        ({"images": "pictures"}, "pictures: there is no such folder; correct images= or masks="),
    ],
)
def test_png_settings_that_are_refused(tiny: Tiny, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(PolyheadError, match=message):
        PngMasks(tiny("png_masks"), **settings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb\na\n", "line 3: the class 'a' is there twice"),
        ("a 1 2 3\nb\n", "line 2: some classes have a colour and others have none"),
        ("a\nb 1 2 3\n", "line 2: some classes have a colour and others have none"),
        ("\n", "it names no class; write one class per line"),
    ],
)
def test_sheets_that_are_refused(tiny: Tiny, text: str, message: str) -> None:
    root = tiny("png_masks")
    (root / "classes.txt").write_text(text)
    with pytest.raises(PolyheadError, match=message):
        PngMasks(root)


def test_coco(tiny: Tiny) -> None:
    root = tiny("coco_masks")
    reader = CocoMasks(root)
    assert reader.names == ["background", "cat", "dog"]
    first = numbers(reader, 0)
    assert set(area(first[5:25, 10:40])) == {2}  # over the crowd
    assert area(first) == {0: 48 * 32 - 22 * 20, 2: 600, 255: 48 * 32 - 8 * 20}
    assert area(numbers(reader, 1)) == {0: 48 * 64 - 100, 1: 100}
    assert area(numbers(reader, 2)) == {0: 48 * 64}
    dogs = CocoMasks(root, classes=["dog"])
    assert dogs.names == ["background", "dog"]
    assert area(numbers(dogs, 0)) == {0: 48 * 64 - 600, 1: 600}  # a crowd of cats is nothing to it
    assert area(numbers(dogs, 1)) == {0: 48 * 64}


def test_small_objects_lie_on_top(tiny: Tiny) -> None:
    root = tiny("coco_masks")
    document = json.loads((root / SHEET).read_text())
    cat, crowd, dog = document["annotations"]
    whole = [[0, 0, 64, 0, 64, 48, 0, 48]]
    for order in ((cat, dog), (dog, cat)):
        cat |= {"segmentation": [[20, 20, 30, 20, 30, 30, 20, 30]], "image_id": 1}
        dog |= {"segmentation": whole, "image_id": 1, "bbox": [0, 0, 64, 48]}
        (root / SHEET).write_text(json.dumps(document | {"annotations": list(order)}))
        mask = numbers(CocoMasks(root), 0)
        assert set(area(mask[20:30, 20:30])) == {2}  # the first entry is a dog by its category
        assert int((mask == 2).sum()) == 100
    del crowd


@settings(deadline=None)
@given(arrays.arrays(np.bool_, (7, 5)))
def test_compressed_run_lengths_are_those_of_pycocotools(shown: np.ndarray) -> None:
    text = pycoco.encode(np.asfortranarray(shown.astype(np.uint8)))["counts"].decode()
    lengths = run_lengths(text)
    assert sum(lengths) == shown.size
    values = np.repeat(np.arange(len(lengths)) % 2, lengths).reshape(shown.shape, order="F")
    assert (values == shown).all()


def test_compressed_run_lengths_of_a_picture(tiny: Tiny) -> None:
    root = tiny("coco_masks")
    shown = np.zeros((48, 64), dtype=np.uint8, order="F")
    shown[3:9, 50:60] = 1
    text = pycoco.encode(shown)["counts"].decode()
    edit(root, 2, segmentation={"size": [48, 64], "counts": text})
    assert numbers(CocoMasks(root), 1).tolist() == shown.tolist()
    edit(root, 2, segmentation={"size": [48, 64], "counts": text[:-1]})
    (problem,) = check(CocoMasks(root))
    assert problem.where.endswith("annotation 12")
    assert problem.what == "the compressed run lengths do not fill the picture"


def edit(root: Path, place: int, **keys: Any) -> None:
    document = json.loads((root / SHEET).read_text())
    document["annotations"][place].update(keys)
    (root / SHEET).write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ([], "annotation 10: there is no outline"),
        (None, "for boxes alone, use the reader coco"),
        ([[1, 2, 3, 4]], r"expected polygons \[x1, y1"),
        ([[1, 2, 3, 4, 5, 6, 7]], "expected polygons"),
        ([[1, 2, 3, 4, 5, float("nan")]], "of finite numbers"),
        ([1, 2, 3], "expected polygons"),
        ([[1, 2, 3, 4, 5, 1e9]], "a polygon reaches to 1e[+]09, far outside the picture of 64 x 48"),
        ("polygon", "or run lengths {size, counts}, found 'polygon'"),
        ({"counts": [3]}, "or run lengths"),
        ({"size": [64, 48], "counts": [64 * 48]}, r"are of the size \(height, width\) \[64, 48\]"),
        ({"size": [48, 64], "counts": [5, 6]}, "the run lengths do not fill the picture; export"),
        ({"size": [48, 64], "counts": [-1, 48 * 64 + 1]}, "the run lengths do not fill the picture"),
    ],
)
def test_outlines_that_are_refused(tiny: Tiny, shape: Any, message: str) -> None:
    root = tiny("coco_masks")
    edit(root, 0, segmentation=shape)
    with pytest.raises(DataError, match=message):
        require_sound(CocoMasks(root), "tiny")
    reader = CocoMasks(root, on_bad="skip", cap=0.4)
    assert [reader.annotation(index).id for index in range(len(reader))] == ["2", "5"]
    assert area(numbers(reader, 0)) == {0: 48 * 64 - 100, 1: 100}
    assert len(Coco(root).problems) == 0


def save(pixels: np.ndarray, mode: str | None = None) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        image = Image.fromarray(pixels)
        (image.convert(mode) if mode else image).save(path)

    return write


FILES = {"voc_masks": YEAR / "SegmentationClass" / "000001.png", "png_masks": Path("masks/b/2.png")}
CORRUPTIONS: list[tuple[str, Callable[[Path], object], str]] = [
    ("voc_masks", Path.unlink, r"trainval.txt: line 2, mask: .*'000001.png': there is no such file"),
    ("png_masks", Path.unlink, r"2.jpg: there is no mask of this name in .*masks; add the mask"),
    ("voc_masks", lambda path: path.write_bytes(b""), "000001.png: the picture file is empty"),
    ("voc_masks", lambda path: path.write_bytes(path.read_bytes()[:150]), "000001.png: the picture cannot be decoded"),
    ("png_masks", lambda path: path.write_bytes(b"<html>"), "2.png: the picture cannot be decoded"),
    ("voc_masks", save(np.zeros((48, 65), np.uint8)), "has 65 x 48 pixels, its upright picture 64 x 48; make both"),
    (
        "voc_masks",
        save(np.zeros((48, 64, 3), np.uint8)),
        "numbers, or a palette, found pixels of the kind RGB",
    ),
    ("voc_masks", save(np.zeros((48, 64), np.uint16)), "found pixels of the kind I;16"),
    ("png_masks", save(np.zeros((48, 64), np.uint8)), "expected RGB or palette colours, found pixels of the kind L"),
    (
        "voc_masks",
        save(np.full((48, 64), 21, np.uint8)),
        "000001.png: 3072 pixels have the number 21, which is no",
    ),
    (
        "png_masks",
        save(np.repeat(np.arange(48, dtype=np.uint8)[:, None, None], 64 * 3).reshape(48, 64, 3)),
        r"2.png: 64 pixels have the colour \(1, 1, 1\), which is no class \(46 more such values in 2944 pixels\)",
    ),
]


@pytest.mark.parametrize(("kind", "corrupt", "message"), CORRUPTIONS)
def test_mask_files_that_are_refused(tiny: Tiny, kind: str, corrupt: Callable[[Path], object], message: str) -> None:
    root = tiny(kind)
    corrupt(root / FILES[kind])
    with pytest.raises(DataError, match=f"tiny: 1 problem.*\n.*{message}"):
        require_sound(READERS[kind](root), "tiny")
    skipped = require_sound(READERS[kind](root, on_bad="skip", cap=0.5), "tiny")
    assert (skipped.left_out, skipped.problems) == (1, [])


def test_names_that_leave_the_folder_are_refused(tiny: Tiny) -> None:
    root = tiny("voc_masks")
    (root / YEAR / "ImageSets" / "Segmentation" / "trainval.txt").write_text("000000\n../000001\n")
    (problem,) = VocMasks(root).problems
    assert "line 2: the id '../000001' leaves its folder" in str(problem)
    other = tiny("png_masks")
    outside = other.parent / "outside.png"
    (other / FILES["png_masks"]).rename(outside)
    (other / FILES["png_masks"]).symlink_to(outside)
    (problem,) = PngMasks(other).problems
    assert "leads out of" in str(problem)


def test_pictures_and_masks_without_each_other(tiny: Tiny) -> None:
    root = tiny("png_masks")
    (root / "images/a/1.jpg").rename(root / "images/a/3.jpg")
    told = sorted(str(problem) for problem in PngMasks(root).problems)
    assert "3.jpg: there is no mask of this name" in told[0]
    assert "1.png: there is no picture of this name" in told[1]
    (root / "images/a/3.jpg").rename(root / "images/a/1.jpg")
    (root / "images/a/1.png").write_bytes((root / "images/a/1.jpg").read_bytes())
    (root / "masks/b/2.bmp").write_bytes((root / "masks/b/2.png").read_bytes())
    told = sorted(str(problem) for problem in PngMasks(root).problems)
    assert "another picture has the same mask" in told[0]
    assert "2.bmp is a mask of the same picture" in told[1]


def test_a_picture_turned_by_exif_needs_an_upright_mask(tiny: Tiny) -> None:
    root = tiny("voc_masks")
    path = root / YEAR / "JPEGImages" / "000001.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(path) as picture:
        picture.save(path, exif=exif)
    (problem,) = VocMasks(root).problems
    assert "has 64 x 48 pixels, its upright picture 48 x 64" in str(problem)


def test_a_fingerprint_tells_of_masks(tiny: Tiny) -> None:
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


def test_a_mask_that_changes_is_looked_at_again(tiny: Tiny) -> None:
    root = tiny("voc_masks")
    assert check(VocMasks(root)) == []
    save(np.full((48, 64), 99, np.uint8))(root / FILES["voc_masks"])
    assert len(check(VocMasks(root))) == 1


def test_formats_with_boxes_are_recognised_first(tiny: Tiny) -> None:
    assert recognise(tiny("coco_masks")).reader == "coco"
    root = tiny("voc_masks")
    assert recognise(root / YEAR).reader == "voc_masks"  # not pictures in two class folders
    assert recognise(root).counts == {"train": 2}
    colours = tiny("png_masks")
    for name in ("images", "masks"):
        (colours / name / "train").mkdir()
        (colours / name / "a").rename(colours / name / "train" / "a")
        (colours / name / "b").rename(colours / name / "val")
    assert recognise(colours).counts == {"train": 1, "val": 1}


def test_merged_masks_have_the_classes_of_both(tiny: Tiny) -> None:
    root = tiny("voc_masks")
    one, other = VocMasks(root, classes=["cat", "dog"]), VocMasks(root, classes=["dog", "cat"])
    merged = Merge({"one": one, "other": other})
    assert merged.masked
    assert merged.names == one.names
    for index in range(3):
        assert torch.equal(numbers(merged, index), numbers(one, index))
        assert torch.equal(numbers(merged, 3 + index), numbers(one, index))
        sample = merged[3 + index]
        assert sample.mask is not None
        assert torch.equal(sample.mask.as_subclass(Tensor), numbers(one, index))
    with pytest.raises(PolyheadError, match="part 'one' has masks of the classes background, cat, dog, and"):
        Merge({"one": one, "birds": VocMasks(root, classes=["bird"])})
    with pytest.raises(PolyheadError, match="give each part a task of its own"):
        Merge({"one": one, "boxes": Scenes(2)})


def test_splits_put_every_class_of_masks_into_each_part() -> None:
    scenes = Scenes(40, size=48, truth="masks")
    found = split(scenes, {"train": 0.5, "val": 0.5}, 0)
    for members in found.values():
        indices = [index for index in range(40) if scenes.id(index) in members]
        classes = {value for index in indices for value in area(numbers(scenes, index))}
        assert set(range(len(scenes.names))) <= classes


def test_scenes_tell_what_is_asked_for() -> None:
    boxes, masks, times = (Scenes(6, size=64, truth=truth) for truth in ("boxes", "masks", "times"))
    assert masks.names == ["background", *boxes.names]
    assert times.names == list(Scenes.times)
    assert [masks.masked, boxes.masked, times.masked] == [True, False, False]
    for index in range(6):
        assert torch.equal(boxes[index].input, masks[index].input)
        assert torch.equal(numbers(boxes, index), numbers(masks, index))
        assert masks[index].value is None
        assert masks.annotation(index).boxes.shape == times.annotation(index).boxes.shape == (0, 4)
        assert times[index].mask is None
        assert times.mask(index) is None
        assert times.annotation(index).value == boxes.annotation(index).value
        assert times.annotation(index).annotated.shape == (len(times.names),)


@settings(deadline=None)
@given(arrays.arrays(np.uint8, (4, 6, 3), elements=st.sampled_from([0, 7, 255])))
def test_colours_are_found_one_by_one(tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("mask") / "mask.png"
    Image.fromarray(pixels).save(path)
    palette = [(red, green, blue) for red in (0, 7, 255) for green in (0, 7, 255) for blue in (0, 7, 255)]
    assert all(unpacked(packed(colour)) == colour for colour in palette)
    code = Code({packed(colour): number for number, colour in enumerate(palette)}, colours=True)
    wanted = np.array([[palette.index(tuple(colour)) for colour in row] for row in pixels.tolist()])
    assert (code.read(path) == wanted).all()
    less = Code({packed(colour): number for number, colour in enumerate(palette[:-1])}, colours=True)
    white = int((pixels == 255).all(2).sum())
    if white:
        with pytest.raises(FileFault, match=rf"{white} pixels have the colour \(255, 255, 255\)"):
            less.read(path)
    else:
        assert (less.read(path) == wanted).all()


def test_real_masks(data_root: Path) -> None:
    root = data_root / "voc_from_coco"
    reader = VocMasks(root, "val")
    assert len(reader) == 60
    assert check(reader) == []
    for index in range(0, 60, 7):
        with Image.open(reader.annotation(index).mask) as file:
            assert (numbers(reader, index).numpy() == np.array(file)).all()
    layout = recognise(root, "voc_masks")
    assert layout.counts == {"train": 240, "val": 60}


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools' own
def test_real_outlines(data_root: Path) -> None:
    reader = CocoMasks(data_root / "coco_mini", "det10/annotations/instances_val2017.json", "val2017")
    assert check(reader) == []
    document = json.loads((data_root / "coco_mini/det10/annotations/instances_val2017.json").read_text())
    label = {entry["id"]: number for number, entry in enumerate(document["categories"], 1)}
    for index in range(0, len(reader), 9):
        truth = reader.annotation(index)
        own = [entry for entry in document["annotations"] if str(entry["image_id"]) == truth.id]
        mask = numbers(reader, index)
        shown = torch.zeros(truth.size, dtype=torch.bool)
        for entry in own:
            lengths = pycoco.frPyObjects(entry["segmentation"], *truth.size)
            shape = pycoco.decode(pycoco.merge(lengths) if isinstance(lengths, list) else lengths)
            shown |= torch.from_numpy(shape > 0)
        assert torch.equal(mask > 0, shown)
        smallest = min((entry for entry in own if not entry["iscrowd"]), key=lambda entry: entry["area"])
        lengths = pycoco.merge(pycoco.frPyObjects(smallest["segmentation"], *truth.size))
        assert (mask[torch.from_numpy(pycoco.decode(lengths) > 0)] == label[smallest["category_id"]]).all()
