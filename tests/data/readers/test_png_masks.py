"""Masks in PNG files: numbers, palettes, colours."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.mask_data import area, numbers
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from polyhead.data.readers.mask_files import Code, packed, unpacked
from polyhead.data.readers.png_masks import PngMasks
from polyhead.errors import FileFault, PolyheadError

Tiny = Callable[[str], Path]


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
        ("0 background\n1 road\n", "lines are numbered .'0 background'., and their order .*; write the names alone"),
        ("1: road\n2: car\n", "lines are numbered .'1: road'."),
    ],
)
def test_sheets_that_are_refused(tiny: Tiny, text: str, message: str) -> None:
    root = tiny("png_masks")
    (root / "classes.txt").write_text(text)
    with pytest.raises(PolyheadError, match=message):
        PngMasks(root)


@pytest.mark.parametrize("mode", ["L", "1", "RGB"])
def test_black_and_white_are_colours(tmp_path: Path, mode: str) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    picture = Image.new("L", (8, 6))
    picture.paste(255, (0, 0, 4, 6))
    picture.convert("RGB").save(tmp_path / "images" / "a.png")
    picture.convert(mode).save(tmp_path / "masks" / "a.png")
    (tmp_path / "classes.txt").write_text("background 0 0 0\nroad 255 255 255\n")
    reader = PngMasks(tmp_path)
    assert reader.problems == []
    assert area(numbers(reader, 0)) == {0: 24, 1: 24}


def test_masks_whose_names_end_in_mask_are_found_and_others_named(tmp_path: Path) -> None:
    for name in ("images/a.png", "images/b_mask.png", "images/c.png", "images/cc.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 6)).save(tmp_path / name)
    for name in ("masks/a_mask.png", "masks/b_mask.png", "masks/c_gt.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (8, 6), 1).save(tmp_path / name)
    reader = PngMasks(tmp_path, classes=["road"])
    assert reader.ids == ["a", "b_mask"]
    assert [Path(reader.annotation(index).mask).name for index in range(2)] == ["a_mask.png", "b_mask.png"]
    told = {Path(problem.where).name: problem.remedy for problem in reader.problems}
    assert told == {
        "c.png": "c_gt.png is near: rename it like the picture",
        "cc.png": "add the mask, or remove the picture",
        "c_gt.png": "add the picture, or delete the mask",
    }


@pytest.mark.parametrize("first", ["background", "Background", "BACKGROUND", "_background_"])
def test_the_background_is_known_by_its_usual_names(tiny: Tiny, first: str) -> None:
    root = tiny("png_masks")
    (root / "classes.txt").write_text(f"{first}\n2 wheeler\nsmall car\n")
    assert PngMasks(root).names == ["background", "2 wheeler", "small car"]
    coloured = PngMasks(root, colours={first: [0, 0, 0], "road": [128, 64, 128], "car": [0, 0, 142]})
    assert coloured.names == ["background", "road", "car"]
    assert area(numbers(coloured, 0)) == {0: 48 * 64 - 400 - 90, 1: 400, 2: 90}


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


def test_a_mask_that_jpeg_has_changed_is_told_so(tmp_path: Path) -> None:
    code = Code({0: 0, 1: 1, 255: 255}, colours=False)
    mask = np.zeros((16, 16), np.uint8)
    mask[:, :9] = 255
    Image.fromarray(mask).save(tmp_path / "a.jpg")
    with pytest.raises(FileFault, match=r"no class.*; JPEG changes the numbers and colours of masks; save them as PNG"):
        code.read(tmp_path / "a.jpg")
