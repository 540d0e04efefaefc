"""Panels of one input: the same place is outlined in each, and a small one is enlarged."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from polyhead.plotting.draw import INK, PALETTE, WHITE, mask_overlay
from polyhead.plotting.panels import CELL, panel, side_by_side, text_panel, view_of
from polyhead.types import Marks

GREEN = (0, 90, 0)


def colors_of(image: Image.Image) -> set[tuple[int, ...]]:
    return {tuple(pixel) for pixel in np.array(image).reshape(-1, 3).tolist()}


@given(
    st.integers(10, 2000), st.integers(10, 2000), st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.3), st.floats(0, 0.3)
)
def test_the_box_is_in_view(width: int, height: int, x: float, y: float, right: float, down: float) -> None:
    """Also a box at the border of the image; the view of a small one is as large as the image allows."""
    box = torch.tensor([x * width, y * height, min(1, x + right) * width, min(1, y + down) * height])
    x1, y1, x2, y2 = view_of((width, height), box)
    assert 0 <= x1 < x2 <= width
    assert 0 <= y1 < y2 <= height
    assert x1 <= box[0].floor() + 1
    assert y1 <= box[1].floor() + 1
    assert x2 >= box[2].ceil() - 1
    assert y2 >= box[3].ceil() - 1
    if (x1, y1, x2, y2) != (0, 0, width, height):
        side = round(max(width, height) / 4)
        assert (x2 - x1, y2 - y1) == (min(side, width), min(side, height))


def test_without_a_box_the_whole_image_is_in_view() -> None:
    assert view_of((300, 200), None) == (0, 0, 300, 200)


def test_a_panel_outlines_its_box_in_white_beside_black() -> None:
    image = Image.new("RGB", (960, 480), GREEN)
    drawn = panel(image, Marks(), torch.tensor([200.0, 100.0, 600.0, 300.0]))
    assert drawn.size == (CELL, CELL // 2)
    assert colors_of(drawn) == {GREEN, WHITE, INK}
    assert drawn.getpixel((98, 100)) == WHITE
    assert drawn.getpixel((95, 100)) == INK
    assert drawn.getpixel((101, 100)) == GREEN, "what is inside stays visible"
    assert colors_of(image) == {GREEN}, "the image itself is not changed"


def test_a_small_box_is_enlarged_with_the_marks_around_it() -> None:
    image = Image.new("RGB", (800, 800), GREEN)
    box = [400.0, 400.0, 440.0, 440.0]  # the view is 320..520
    far = [0.0, 0.0, 100.0, 100.0]
    marks = Marks("", [far, box], ["far", ""], [PALETTE[1], PALETTE[2]])
    drawn = panel(image, marks, torch.tensor(box))
    assert drawn.size == (CELL, CELL)
    assert PALETTE[1] not in colors_of(drawn)
    assert drawn.getpixel((round(80 * 2.4), round(100 * 2.4))) == PALETTE[2]


def test_a_mask_is_enlarged_too() -> None:
    classes = np.zeros((800, 800), dtype=np.uint8)
    classes[400:440, 400:440] = 1
    marks = Marks(overlay=mask_overlay(classes, ["background", "cat"]))
    drawn = panel(Image.new("RGB", (800, 800)), marks, torch.tensor([400.0, 400.0, 440.0, 440.0]))
    painted = np.array(drawn)[:CELL].any(axis=2).mean()
    assert painted == pytest.approx((40 / 200) ** 2, abs=0.02)


def test_panels_are_in_a_row_with_lines_below() -> None:
    panels = [Image.new("RGB", (CELL, 100), GREEN), Image.new("RGB", (CELL, 100), GREEN), text_panel("no map " * 20)]
    short = side_by_side(panels, ["one", "two", "three"], "cat taken for dog", ["one line"])
    long = side_by_side(panels, ["one", "two", "three"], "cat taken for dog", ["many words " * 100])
    assert short.width == long.width > 3 * CELL
    assert short.height < long.height
