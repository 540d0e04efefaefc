"""Drawing on images: what is drawn, and what stays as it was."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from polyhead.plotting.draw import GRAY, INK, PALETTE, color, draw, fit, grid, mask_overlay
from polyhead.types import Marks

BLACK = (0, 0, 0)


def blank(width: int = 200, height: int = 100, fill: tuple[int, int, int] = BLACK) -> Image.Image:
    return Image.new("RGB", (width, height), fill)


def colors_of(image: Image.Image) -> set[tuple[int, ...]]:
    return {tuple(pixel) for pixel in np.array(image).reshape(-1, 3).tolist()}


def test_two_hundred_classes_have_two_hundred_colors() -> None:
    colors = [color(index) for index in range(200)]
    assert len(set(colors)) == 200
    assert colors[:10] == PALETTE
    assert all(0 <= channel <= 255 for each in colors for channel in each)


def test_the_given_image_is_not_changed() -> None:
    image = blank()
    drawn = draw(image, [Marks("", [[10.0, 40.0, 50.0, 80.0]], [""], [PALETTE[1]])])
    assert colors_of(image) == {BLACK}
    assert drawn.size == image.size
    assert colors_of(drawn) == {BLACK, PALETTE[1]}
    assert drawn.getpixel((10, 40)) == drawn.getpixel((50, 80)) == PALETTE[1]
    assert drawn.getpixel((30, 60)) == BLACK


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_any_image_becomes_rgb(mode: str) -> None:
    assert draw(blank().convert(mode), []).mode == "RGB"


def test_a_caption_is_above_its_box_or_below_where_there_is_no_space() -> None:
    above = np.array(draw(blank(), [Marks("", [[10.0, 40.0, 50.0, 80.0]], ["cup"], [PALETTE[1]])]))
    assert (above[30, 12] == PALETTE[1]).all()
    below = np.array(draw(blank(), [Marks("", [[10.0, 2.0, 50.0, 30.0]], ["cup"], [PALETTE[1]])]))
    assert (below[32, 12] == PALETTE[1]).all()


def test_of_two_equal_boxes_both_captions_can_be_read() -> None:
    one, two = PALETTE[1], PALETTE[2]
    drawn = np.array(draw(blank(), [Marks("", [[10.0, 40.0, 90.0, 60.0]] * 2, ["cup", "cap"], [one, two])]))
    assert (drawn == one).all(2).sum() > 200
    assert (drawn == two).all(2).sum() > 200


def test_notes_do_not_cover_captions() -> None:
    """The caption of a box at the top moves below it, because the classes of the image are written above."""
    marks = [Marks("", [[10.0, 22.0, 90.0, 60.0]], ["cup"], [PALETTE[1]], notes=["kitchen 0.93"])]
    drawn = np.array(draw(blank(), marks))
    assert (drawn[5, 2] == INK).all()
    assert (drawn[63, 12] == PALETTE[1]).all()


def test_a_grid_has_a_heading_above_it() -> None:
    plain, headed = (np.array(grid([blank(fill=PALETTE[1])], heading=heading)) for heading in ("", "run: n = 8"))
    top = headed.shape[0] - plain.shape[0]
    assert top > 0
    assert (headed[:top] < 100).any()
    assert (headed[top:] == plain).all()


def test_a_caption_without_free_space_is_left_out() -> None:
    box = [[0.0, 0.0, 200.0, 100.0]]
    crowd = draw(blank(), [Marks("", box * 50, [f"cup {number}" for number in range(50)], [PALETTE[1]] * 50)])
    assert crowd.size == (200, 100)
    assert BLACK in colors_of(crowd)


def test_several_tasks_have_a_legend_and_one_has_none() -> None:
    empty, mark = Marks("food", [], [], [], ()), Marks("food", [[10.0, 10.0, 90.0, 90.0]], [""], [PALETTE[3]])
    assert colors_of(draw(blank(), [empty])) == {BLACK}
    assert draw(blank(), [mark]).size == draw(blank(), [empty, empty]).size == (200, 100)
    several = draw(blank(), [mark, empty, mark._replace(title="scene")])
    assert several.width == 200
    below = several.crop((0, 100, *several.size))
    assert colors_of(several.crop((0, 0, 200, 100))) == {BLACK, PALETTE[3]}  # nothing of the image is hidden
    assert {PALETTE[3], INK} < colors_of(below)
    crowd = draw(blank(), [mark._replace(title=f"task {number}") for number in range(9)])
    assert crowd.height > several.height  # as many lines as it needs
    noted = np.array(draw(blank(), [empty._replace(notes=["kitchen 0.9"])]))
    assert noted[:12].any()
    assert not noted[20:].any()


@pytest.mark.filterwarnings("ignore::polyhead.errors.PolyheadWarning")
@settings(max_examples=30, deadline=None)
@given(
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    boxes=st.lists(st.tuples(*[st.floats(-50, 400)] * 4).map(list), max_size=5),
    text=st.text(max_size=12),
)
def test_any_boxes_and_texts_can_be_drawn(size: tuple[int, int], boxes: list[list[float]], text: str) -> None:
    count = len(boxes)
    drawn = draw(blank(*size), [Marks("a", boxes, [text] * count, [GRAY] * count, [text])] * 2)
    assert drawn.width == size[0]
    assert drawn.height >= size[1]


def test_an_overlay_is_blended_and_leaves_the_background_as_it_is() -> None:
    classes = np.zeros((100, 200), dtype=np.uint8)
    classes[:, 100:] = 2
    classes[:, 190:] = 255
    overlay = mask_overlay(classes, ["background", "cat", "dog"])
    assert overlay.names == {2: "dog"}
    for image in (Image.new("RGB", (200, 100), (100, 100, 100)), Image.new("RGB", (400, 200), (100, 100, 100))):
        drawn = np.array(draw(image, [Marks("", [], [], [], overlay=overlay)]))
        half = image.width // 2
        mixed = [round((100 + channel) / 2) for channel in color(2)]
        assert (drawn[5, :half] == 100).all()
        assert (drawn[5, half : half + half * 9 // 10] == mixed).all()
        assert (drawn[5, half + half * 9 // 10 :] == 100).all()
        assert (drawn[image.height :] == color(2)).all(2).sum() > 20  # the legend


def test_an_overlay_names_the_largest_classes_first_and_shifts_their_colors() -> None:
    classes = np.repeat(np.array([3, 1, 1, 0, 0, 0], dtype=np.uint8), 4).reshape(4, 6)
    overlay = mask_overlay(classes, ["background", "a", "b", "c"], first=5)
    assert list(overlay.names.values()) == ["a", "c"]
    assert overlay.colors == {1: color(6), 3: color(8)}


def test_grid_places_images_row_by_row() -> None:
    sheet = grid([blank(fill=PALETTE[0]), blank(50, 100, PALETTE[1]), blank(fill=PALETTE[2])], columns=2, cell=100)
    assert sheet.size == (2 * 108 + 8, 100 + 50 + 3 * 8)
    assert sheet.getpixel((58, 33)) == PALETTE[0]
    assert sheet.getpixel((166, 58)) == PALETTE[1]
    assert sheet.getpixel((58, 141)) == PALETTE[2]
    assert grid([blank()], cell=100, titles=["a name that is much too long for a hundred pixels"]).size[0] == 116


@given(width=st.integers(1, 500), height=st.integers(1, 500))
@settings(max_examples=20, deadline=None)
def test_fit_keeps_the_longer_side(width: int, height: int) -> None:
    assert max(fit(blank(width, height), 100).size) == 100
