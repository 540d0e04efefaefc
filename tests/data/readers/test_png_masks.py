"""Masks in PNG files: numbers, palettes and colors."""

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

from polyhead.data.readers.mask_files import MaskEncoding, pack_color, unpack_color
from polyhead.data.readers.png_masks import PngMasks
from polyhead.errors import InvalidFileError, PolyheadError

Tiny = Callable[[str], Path]


def test_png_of_colors(tiny: Tiny) -> None:
    reader = PngMasks(tiny("png_masks"))
    assert reader.names == ["background", "road", "small car"]
    assert [reader.entry(index).id for index in range(2)] == ["a/1", "b/2"]
    assert area(numbers(reader, 0)) == {0: 48 * 64 - 400 - 90, 1: 400, 2: 90}
    assert set(area(numbers(reader, 1)[30:, :5])) == {2}


def test_png_settings(tiny: Tiny) -> None:
    root = tiny("png_masks")
    road, car, black = [128, 64, 128], [0, 0, 142], [0, 0, 0]
    without = PngMasks(root, colors={"road": road, "car": car, "grass": black})
    assert set(area(numbers(without, 0))) == {1, 2, 3}
    reader = PngMasks(root, colors={"background": black, "road": road}, ignored=car)
    assert area(numbers(reader, 0))[255] == 90
    for index in range(2):
        name = without.entry(index).files[1]
        Image.fromarray(np.clip(numbers(without, index).numpy(), 0, 2)).save(name)
    assert set(area(numbers(PngMasks(root, classes=["road", "car"]), 0))) == {1, 2}
    assert set(area(numbers(PngMasks(root, classes=["road"], ignored=2), 0))) == {1, 255}
    (root / "classes.txt").write_text("road\n\nsmall car\n")
    assert PngMasks(root).names == ["background", "road", "small car"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": ["a"], "colors": {"a": [1, 2, 3]}}, "give classes .* or colors, not both"),
        ({"classes": ["a"], "ignored": [0, 0, 0]}, "expected a number from 0 to 255, because the masks hold numbers"),
        ({"classes": ["a"], "ignored": 1}, "ignored: expected .*, got 1, the number of the class 'a'"),
        ({"classes": ["a"], "ignored": 256}, "expected a number from 0 to 255, got 256"),
        ({"classes": ["a", "a"]}, "expected different names, got a name twice in a, a"),
        (
            {"classes": [str(number) for number in range(255)]},
            "expected at most 255 classes with the background, got 256",
        ),
        ({"colors": {"a": [1, 2, 3]}, "ignored": 255}, r"expected \[red, green, blue\], because the masks hold colors"),
        ({"colors": {"a": [1, 2]}}, r"a: expected \[red, green, blue\], each from 0 to 255, got \[1, 2\]"),
        ({"colors": {"a": [1, 2, 256]}}, r"got \[1, 2, 256\]"),
        ({"colors": {"a": [1, 2, 3], "b": [1, 2, 3]}}, r"b: the color \(1, 2, 3\) is used twice"),
        ({"colors": {}}, "expected the color of each class other than background, got none"),
        ({"images": "photos"}, r"photos: the folder does not exist\. Correct images= or masks="),
    ],
)
def test_invalid_settings_are_rejected(tiny: Tiny, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(PolyheadError, match=message):
        PngMasks(tiny("png_masks"), **settings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb\na\n", "line 3: the class 'a' is listed twice"),
        ("a 1 2 3\nb\n", "line 2: some classes have a color and others have none"),
        ("a\nb 1 2 3\n", "line 2: some classes have a color and others have none"),
        ("\n", "the file names no class; write one class per line"),
        ("0 background\n1 road\n", "lines are numbered .'0 background'..*order of the lines.*; write the names only"),
        ("1: road\n2: car\n", "lines are numbered .'1: road'."),
    ],
)
def test_invalid_class_files_are_rejected(tiny: Tiny, text: str, message: str) -> None:
    root = tiny("png_masks")
    (root / "classes.txt").write_text(text)
    with pytest.raises(PolyheadError, match=message):
        PngMasks(root)


@pytest.mark.parametrize("mode", ["L", "1", "RGB"])
def test_black_and_white_are_colors(tmp_path: Path, mode: str) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    image = Image.new("L", (8, 6))
    image.paste(255, (0, 0, 4, 6))
    image.convert("RGB").save(tmp_path / "images" / "a.png")
    image.convert(mode).save(tmp_path / "masks" / "a.png")
    (tmp_path / "classes.txt").write_text("background 0 0 0\nroad 255 255 255\n")
    reader = PngMasks(tmp_path)
    assert reader.problems == []
    assert area(numbers(reader, 0)) == {0: 24, 1: 24}


def test_mask_names_may_end_in_mask_and_similar_names_are_suggested(tmp_path: Path) -> None:
    for name in ("images/a.png", "images/b_mask.png", "images/c.png", "images/cc.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 6)).save(tmp_path / name)
    for name in ("masks/a_mask.png", "masks/b_mask.png", "masks/c_gt.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (8, 6), 1).save(tmp_path / name)
    reader = PngMasks(tmp_path, classes=["road"])
    assert reader.ids == ["a", "b_mask"]
    assert [Path(reader.entry(index).files[1]).name for index in range(2)] == ["a_mask.png", "b_mask.png"]
    remedies = {Path(problem.where).name: problem.remedy for problem in reader.problems}
    assert remedies == {
        "c.png": "if c_gt.png is its mask, rename it like the image",
        "cc.png": "add the mask, or remove the image",
        "c_gt.png": "add the image, or delete the mask",
    }


@pytest.mark.parametrize("first", ["background", "Background", "BACKGROUND", "_background_"])
def test_usual_names_of_the_background_are_recognized(tiny: Tiny, first: str) -> None:
    root = tiny("png_masks")
    (root / "classes.txt").write_text(f"{first}\n2 wheeler\nsmall car\n")
    assert PngMasks(root).names == ["background", "2 wheeler", "small car"]
    colored = PngMasks(root, colors={first: [0, 0, 0], "road": [128, 64, 128], "car": [0, 0, 142]})
    assert colored.names == ["background", "road", "car"]
    assert area(numbers(colored, 0)) == {0: 48 * 64 - 400 - 90, 1: 400, 2: 90}


@settings(deadline=None)
@given(arrays.arrays(np.uint8, (4, 6, 3), elements=st.sampled_from([0, 7, 255])))
def test_colors_are_found_one_by_one(tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("mask") / "mask.png"
    Image.fromarray(pixels).save(path)
    palette = [(red, green, blue) for red in (0, 7, 255) for green in (0, 7, 255) for blue in (0, 7, 255)]
    assert all(unpack_color(pack_color(color)) == color for color in palette)
    encoding = MaskEncoding({pack_color(color): number for number, color in enumerate(palette)}, colors=True)
    expected = np.array([[palette.index(tuple(color)) for color in row] for row in pixels.tolist()])
    assert (encoding.read(path) == expected).all()
    without_white = MaskEncoding({pack_color(color): number for number, color in enumerate(palette[:-1])}, colors=True)
    white = int((pixels == 255).all(2).sum())
    if white:
        with pytest.raises(InvalidFileError, match=rf"{white} pixels have the color \(255, 255, 255\)"):
            without_white.read(path)
    else:
        assert (without_white.read(path) == expected).all()


def test_the_message_for_a_jpeg_mask_names_the_cause(tmp_path: Path) -> None:
    encoding = MaskEncoding({0: 0, 1: 1, 255: 255}, colors=False)
    mask = np.zeros((16, 16), np.uint8)
    mask[:, :9] = 255
    Image.fromarray(mask).save(tmp_path / "a.jpg")
    with pytest.raises(
        InvalidFileError, match=r"not a class.*; JPEG changes the numbers and colors of masks: save the masks as PNG"
    ):
        encoding.read(tmp_path / "a.jpg")
