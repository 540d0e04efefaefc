"""What the page asks of a model."""

from pathlib import Path
from typing import Any

import pytest
import torch
from builders import red_or_blue
from builders.untrained_run import two_detectors
from PIL import Image

from polyhead.app import network
from polyhead.app.network import Asked, Explaining, Shown
from polyhead.contracts.explained import Item
from polyhead.contracts.operating import Point
from polyhead.errors import PolyheadError
from polyhead.workflows.predict import load

ALL = ("street", "food")


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of 300 x 200 pixels."""
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    noise = torch.randint(0, 256, (200, 300, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    Image.fromarray(noise.numpy()).save(path)
    return path


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gray image with a red square."""
    path = tmp_path_factory.mktemp("red") / "red.png"
    Image.fromarray(red_or_blue.photo().permute(1, 2, 0).numpy()).save(path)
    return path


def test_an_answer_is_drawn_at_the_size_of_the_page_and_its_boxes_fit_the_drawing(photo: Path, tmp_path: Path) -> None:
    predictor = load(two_detectors(tmp_path))
    found = network.answer(predictor, Asked(str(photo), ALL, 0.3, 0.5))
    assert found.image.width == network.SIDES[0]
    expected = [(result.task, *box) for result in found.results for box in result.boxes.tolist()]
    assert [(shown.task, *(side * 300 / 640 for side in shown.box or ())) for shown in found.items] == [
        pytest.approx(row) for row in expected
    ]
    assert {shown.task for shown in found.items} == {*ALL}


def test_the_overlap_is_that_of_each_question(photo: Path, tmp_path: Path) -> None:
    predictor = load(two_detectors(tmp_path))
    counts = [
        len(network.answer(predictor, Asked(str(photo), ("street",), 0.3, overlap)).items)
        for overlap in (0.0, 1.0, 0.0)
    ]
    assert counts[0] == counts[2] < counts[1]
    assert network.default_overlap(predictor) == 0.0
    assert network.default_overlap(red_or_blue.predictor()) is None


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("photo.png", (), 0.3, 0.5), r"^no head is chosen\. Choose at least one\.$"),
        (("notes.jpg", ALL, 0.3, 0.5), r"notes.jpg: the image cannot be decoded \(cannot identify image file"),
        (
            ("large.png", ALL, 0.3, 0.5),
            r"^large.png has 60 million pixels \(10000 x 6000\). Give an image with at most",
        ),
    ],
)
def test_what_cannot_be_answered_is_an_error(asked: tuple[Any, ...], message: str, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("not an image")
    Image.new("1", (10000, 6000)).save(tmp_path / "large.png")
    (tmp_path / "photo.png").write_bytes(photo.read_bytes())
    name, *rest = asked
    with pytest.raises(PolyheadError, match=message):
        network.answer(load(two_detectors(tmp_path)), Asked(str(tmp_path / name), *rest))


def test_a_click_means_the_smallest_box_at_that_place() -> None:
    item = Item(0, "", 1.0, 0)
    boxes = [(0.0, 0.0, 100.0, 100.0), (10.0, 10.0, 20.0, 20.0), (15.0, 15.0, 60.0, 60.0)]
    items = [Shown("a", item, box) for box in boxes]
    points = ((15.0, 15.0), (50.0, 50.0), (90.0, 90.0), (200.0, 5.0))
    assert [network.place_at(items, *point) for point in points] == [1, 2, 0, None]
    assert network.place_at([Shown("c", item, None), *items], 200.0, 5.0) == 0
    assert network.place_at([], 1.0, 1.0) is None


def test_an_item_is_explained_without_and_then_with_its_verdict(red: Path) -> None:
    predictor = red_or_blue.predictor()
    asked = Asked(str(red), ("color",), 0.25, 0.5)
    found = network.answer(predictor, asked)
    before, after = Explaining(predictor).stream(asked, found.items[0])
    assert (before.item.caption, before.trust) == (found.items[0].item.caption, None)
    assert after.trust is not None
    assert torch.equal(before.values, after.values)
    drawn = network.drawn(after)
    assert drawn is not None
    assert max(drawn.size) == network.SIDES[0]


def test_a_box_is_found_again_in_the_prediction_that_is_explained(photo: Path, tmp_path: Path) -> None:
    predictor = load(two_detectors(tmp_path))
    asked = Asked(str(photo), ALL, 0.3, 0.5)
    found = network.answer(predictor, asked)
    explaining = Explaining(predictor)
    for shown in found.items[:2] + found.items[-1:]:
        explanation = next(explaining.stream(asked, shown))
        assert explanation.task == shown.task
        assert shown.item.box is not None
        assert explanation.marks.boxes[0] == pytest.approx(shown.item.box.tolist(), abs=0.5)


def test_an_image_that_was_deleted_must_be_uploaded_again(red: Path, tmp_path: Path) -> None:
    predictor = red_or_blue.predictor()
    found = network.answer(predictor, Asked(str(red), ("color",), 0.25, 0.5))
    gone = found.asked._replace(path=str(tmp_path / "gone.png"))
    with pytest.raises(PolyheadError, match=r"^the image has been deleted from the server\. Upload it again\.$"):
        next(Explaining(predictor).stream(gone, found.items[0]))


def test_results_have_the_name_of_the_file_only(red: Path) -> None:
    found = network.answer(red_or_blue.predictor(), Asked(str(red), ("color",), 0.25, 0.5))
    assert [each["image"] for each in network.summary(found.results)] == ["red.png"]


def test_where_the_page_starts_each_class_has_its_own_threshold(red: Path) -> None:
    predictor = red_or_blue.predictor()
    assert network.default_conf(predictor) == 0.25
    predictor.points["color"] = Point("val", 0.9, 0.437, [2.0, 2.0], [True, True])
    assert network.default_conf(predictor) == 0.44
    certain = [
        network.answer(predictor, Asked(str(red), ("color",), conf, 0.5)).results[0].certain for conf in (0.44, 0.01)
    ]
    assert certain == [False, True]
    predictor.points["color"] = Point("val", None, 0.001, [0.0, 0.0], [True, True])
    assert network.default_conf(predictor) == 0.01, "the lowest score of the slider"
