"""Copies of images are found whatever was done to them, and different images are not taken for copies."""

import io

import numpy as np
import pytest
from PIL import Image

from benchmarks.faulty_data import Draw, photo
from polyhead.data.checks import near_copies as module
from polyhead.data.checks.near_copies import near_copies


def photos(count: int) -> list[Image.Image]:
    draw = Draw(1)
    return [Image.fromarray(photo(draw, [])) for _ in range(count)]


def thumbnails(images: list[Image.Image]) -> np.ndarray:
    return np.stack([np.array(image.convert("L").resize((32, 32), Image.Resampling.BOX)) for image in images])


def compressed(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=60)
    return Image.open(file).convert("RGB")


def cropped(image: Image.Image, left: float, top: float, fraction: float) -> Image.Image:
    width, height = image.size
    x, y = int(left * fraction * width), int(top * fraction * height)
    return image.crop((x, y, x + int((1 - fraction) * width), y + int((1 - fraction) * height)))


@pytest.mark.parametrize("change", ["compressed", "small", "bright", "cropped 5 %", "cropped 15 %"])
def test_an_altered_copy_is_found_and_nothing_else(change: str) -> None:
    images = photos(40)
    target = images[7]
    altered = {
        "compressed": compressed(target),
        "small": target.resize((70, 50)),
        "bright": target.point(lambda value: min(255, value + 30)),
        "cropped 5 %": cropped(target, 0.2, 0.9, 0.05),
        "cropped 15 %": cropped(target, 0.6, 0.3, 0.15),
    }[change]
    assert near_copies(thumbnails([*images, altered])) == [[7, 40]]


def test_copies_of_copies_are_one_group() -> None:
    images = photos(6)
    found = near_copies(thumbnails([*images, images[4], compressed(images[4]), images[1]]))
    assert found == [[1, 8], [4, 6, 7]]


def test_blank_images_are_not_copies() -> None:
    assert near_copies(np.full((3, 32, 32), 77, np.uint8)) == []
    assert near_copies(np.zeros((0, 32, 32), np.uint8)) == []


def test_large_sets_are_compared_without_crops(monkeypatch: pytest.MonkeyPatch) -> None:
    images = photos(20)
    monkeypatch.setattr(module, "LARGE", 10)
    monkeypatch.setattr(module, "CHUNK", 100)  # several chunks
    assert near_copies(thumbnails([*images, compressed(images[3])])) == [[3, 20]]


def test_the_number_of_compared_pairs_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    images = photos(4)
    monkeypatch.setattr(module, "MOST_COMPARED", 1)
    assert len(near_copies(thumbnails([*images, *images]))) == 1
