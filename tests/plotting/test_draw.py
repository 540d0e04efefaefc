"""Drawn pictures: what must be there, and what must not change."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from polyhead.data.loading.streams import collate
from polyhead.data.synthetic.scenes import Scenes
from polyhead.plotting.draw import GREY, INK, PALETTE, Marks, batch, colour, draw, fit, grid, layer
from polyhead.types import Batch

BLACK = (0, 0, 0)


def blank(width: int = 200, height: int = 100, shade: tuple[int, int, int] = BLACK) -> Image.Image:
    return Image.new("RGB", (width, height), shade)


def shades(picture: Image.Image) -> set[tuple[int, ...]]:
    return {tuple(pixel) for pixel in np.array(picture).reshape(-1, 3).tolist()}


def test_two_hundred_classes_have_two_hundred_colours() -> None:
    colours = [colour(index) for index in range(200)]
    assert len(set(colours)) == 200
    assert colours[:10] == PALETTE
    assert all(0 <= part <= 255 for shade in colours for part in shade)


def test_the_picture_itself_is_left_alone() -> None:
    picture = blank()
    drawn = draw(picture, [Marks("", [[10.0, 40.0, 50.0, 80.0]], [""], [PALETTE[1]])])
    assert shades(picture) == {BLACK}
    assert drawn.size == picture.size
    assert shades(drawn) == {BLACK, PALETTE[1]}
    assert drawn.getpixel((10, 40)) == drawn.getpixel((50, 80)) == PALETTE[1]
    assert drawn.getpixel((30, 60)) == BLACK


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_any_picture_becomes_rgb(mode: str) -> None:
    assert draw(blank().convert(mode), []).mode == "RGB"


def test_a_tag_lies_above_its_box_and_below_where_there_is_no_room() -> None:
    above = np.array(draw(blank(), [Marks("", [[10.0, 40.0, 50.0, 80.0]], ["cup"], [PALETTE[1]])]))
    assert (above[30, 12] == PALETTE[1]).all()
    below = np.array(draw(blank(), [Marks("", [[10.0, 2.0, 50.0, 30.0]], ["cup"], [PALETTE[1]])]))
    assert (below[32, 12] == PALETTE[1]).all()


def test_of_two_equal_boxes_both_tags_can_be_read() -> None:
    one, two = PALETTE[1], PALETTE[2]
    drawn = np.array(draw(blank(), [Marks("", [[10.0, 40.0, 90.0, 60.0]] * 2, ["cup", "cap"], [one, two])]))
    assert (drawn == one).all(2).sum() > 200
    assert (drawn == two).all(2).sum() > 200


def test_a_tag_without_a_free_place_is_left_out() -> None:
    box = [[0.0, 0.0, 200.0, 100.0]]
    crowd = draw(blank(), [Marks("", box * 50, [f"cup {number}" for number in range(50)], [PALETTE[1]] * 50)])
    assert crowd.size == (200, 100)
    assert BLACK in shades(crowd)


def test_several_tasks_have_a_legend_and_one_has_none() -> None:
    empty, mark = Marks("food", [], [], [], ()), Marks("food", [[10.0, 10.0, 90.0, 90.0]], [""], [PALETTE[3]])
    assert shades(draw(blank(), [empty])) == {BLACK}
    assert draw(blank(), [mark]).size == draw(blank(), [empty, empty]).size == (200, 100)
    several = draw(blank(), [mark, empty, mark._replace(title="scene")])
    assert several.width == 200
    below = several.crop((0, 100, *several.size))
    assert shades(several.crop((0, 0, 200, 100))) == {BLACK, PALETTE[3]}  # nothing of the picture is hidden
    assert {PALETTE[3], INK} < shades(below)
    crowd = draw(blank(), [mark._replace(title=f"task {number}") for number in range(9)])
    assert crowd.height > several.height  # as many lines as it needs
    noted = np.array(draw(blank(), [empty._replace(notes=["kitchen 0.9"])]))
    assert noted[:12].any()
    assert not noted[20:].any()


@settings(max_examples=30, deadline=None)
@given(
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    boxes=st.lists(st.tuples(*[st.floats(-50, 400)] * 4).map(list), max_size=5),
    text=st.text(max_size=12),
)
def test_nothing_that_can_be_drawn_breaks_it(size: tuple[int, int], boxes: list[list[float]], text: str) -> None:
    count = len(boxes)
    drawn = draw(blank(*size), [Marks("a", boxes, [text] * count, [GREY] * count, [text])] * 2)
    assert drawn.width == size[0]
    assert drawn.height >= size[1]


def test_a_layer_is_seen_through_and_leaves_the_background_alone() -> None:
    classes = np.zeros((100, 200), dtype=np.uint8)
    classes[:, 100:] = 2
    classes[:, 190:] = 255
    over = layer(classes, ["background", "cat", "dog"])
    assert over.names == {2: "dog"}
    for picture in (Image.new("RGB", (200, 100), (100, 100, 100)), Image.new("RGB", (400, 200), (100, 100, 100))):
        drawn = np.array(draw(picture, [Marks("", [], [], [], layer=over)]))
        half = picture.width // 2
        mixed = [round((100 + part) / 2) for part in colour(2)]
        assert (drawn[5, :half] == 100).all()
        assert (drawn[5, half : half + half * 9 // 10] == mixed).all()
        assert (drawn[5, half + half * 9 // 10 :] == 100).all()
        assert (drawn[picture.height :] == colour(2)).all(2).sum() > 20  # the legend


def test_a_layer_names_the_largest_classes_first_and_shifts_their_colours() -> None:
    classes = np.repeat(np.array([3, 1, 1, 0, 0, 0], dtype=np.uint8), 4).reshape(4, 6)
    over = layer(classes, ["background", "a", "b", "c"], first=5)
    assert list(over.names.values()) == ["a", "c"]
    assert over.colours == {1: colour(6), 3: colour(8)}


def test_a_batch_of_masks_shows_them() -> None:
    scenes = Scenes(4, size=64, truth="masks")
    masked = np.array(batch(collate([scenes[index] for index in range(4)]), scenes.names))
    bare = np.array(batch(collate([scenes[index]._replace(mask=None) for index in range(4)]), scenes.names))
    assert masked.shape == bare.shape
    assert (masked != bare).any()


def test_grid_places_pictures_row_by_row() -> None:
    sheet = grid([blank(shade=PALETTE[0]), blank(50, 100, PALETTE[1]), blank(shade=PALETTE[2])], columns=2, cell=100)
    assert sheet.size == (2 * 108 + 8, 100 + 50 + 3 * 8)
    assert sheet.getpixel((58, 33)) == PALETTE[0]
    assert sheet.getpixel((166, 58)) == PALETTE[1]
    assert sheet.getpixel((58, 141)) == PALETTE[2]
    assert grid([blank()], cell=100, titles=["a name that is much too long for a hundred pixels"]).size[0] == 116


@given(width=st.integers(1, 500), height=st.integers(1, 500))
@settings(max_examples=20, deadline=None)
def test_fit_keeps_the_longer_side(width: int, height: int) -> None:
    assert max(fit(blank(width, height), 100).size) == 100


def test_batch_shows_padded_rows_nowhere_and_ignored_ones_in_grey() -> None:
    samples = Batch(
        inputs=torch.zeros(2, 3, 100, 100, dtype=torch.uint8),
        boxes=torch.tensor([[[20.0, 30, 60, 70], [70, 70, 90, 90]], [[0, 0, 0, 0], [0, 0, 0, 0]]]),
        labels=torch.tensor([[1, 0], [-1, -1]]),
        ignore=torch.tensor([[False, True], [False, False]]),
        annotated=torch.ones(2, 2, dtype=torch.bool),
        frames=torch.zeros(2, 3, 2),
        sizes=torch.full((2, 2), 100),
        ids=["a/first.jpg", "second.jpg"],
    )
    sheet = batch(samples, ["cup", "cap"], cell=100)
    first, second = sheet.crop((8, 0, 108, sheet.height)), sheet.crop((116, 24, 216, sheet.height - 8))
    assert {PALETTE[1], GREY} <= shades(first)
    assert PALETTE[0] not in shades(first)
    assert PALETTE[0] not in shades(second)
    assert GREY not in shades(second)
    assert batch(samples, ["cup", "cap"], limit=1, cell=100).size[0] == 116
