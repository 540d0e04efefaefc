"""YOLO's outlines become masks."""

import random
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from polyhead.data.doctor import check
from polyhead.data.readers.yolo import Yolo
from polyhead.data.readers.yolo_masks import YoloMasks
from polyhead.errors import PolyheadError

NAMES = ["crack", "background", "rust"]
Outline = tuple[int, list[tuple[float, float]]]


def write_outlines(root: Path, images: int, seed: int) -> dict[str, tuple[tuple[int, int], list[Outline]]]:
    """Write images with stars of random corners; return their size, and the number and the points of each outline."""
    chance = random.Random(seed)
    written = {}
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    (root / "classes.txt").write_text("\n".join(NAMES))
    for index in range(images):
        width, height = chance.randrange(60, 160), chance.randrange(60, 160)
        Image.new("RGB", (width, height)).save(root / "images" / f"{index}.png")
        outlines: list[Outline] = []
        for _ in range(chance.randint(0, 9)):
            radius = chance.uniform(4, 25)
            x, y = chance.uniform(radius, width - radius), chance.uniform(radius, height - radius)
            angles = sorted(chance.uniform(0, 2 * np.pi) for _ in range(chance.choice([3, 4, 7, 20])))
            points = [(x + radius * np.cos(angle), y + radius * np.sin(angle)) for angle in angles]
            outlines.append((chance.randrange(3), [(round(a, 3), round(b, 3)) for a, b in points]))
        lines = [f"{number} " + " ".join(f"{x / width} {y / height}" for x, y in points) for number, points in outlines]
        (root / "labels" / f"{index}.txt").write_text("\n".join(lines))
        written[str(index)] = ((height, width), outlines)
    return written


def area(points: list[tuple[float, float]]) -> float:
    """Return the area of a polygon (the shoelace formula)."""
    pairs = zip(points, points[1:] + points[:1], strict=True)
    return abs(sum(a * d - b * c for (a, b), (c, d) in pairs)) / 2


def inside(points: list[tuple[float, float]], size: tuple[int, int]) -> np.ndarray:
    """Return by even-odd crossing whether the center of each pixel is inside a polygon, bool ``[h, w]``."""
    rows, cols = np.mgrid[: size[0], : size[1]] + 0.5
    found = np.zeros(size, bool)
    for (x1, y1), (x2, y2) in zip(points, points[1:] + points[:1], strict=True):
        if y1 != y2:
            found ^= ((y1 > rows) != (y2 > rows)) & (cols < (x2 - x1) * (rows - y1) / (y2 - y1) + x1)
    return found


def near_an_edge(points: list[tuple[float, float]], size: tuple[int, int]) -> np.ndarray:
    """Return the pixels that an edge of a polygon passes, and their neighbors, bool ``[h, w]``."""
    image = Image.new("1", (size[1], size[0]))
    ImageDraw.Draw(image).line([*points, points[0]], fill=1, width=3)
    return np.array(image)


def test_the_pixels_equal_an_independent_painter(tmp_path: Path) -> None:
    """Only pixels that an edge passes may differ: which of them are inside is a convention."""
    written = write_outlines(tmp_path, 150, 0)
    assert sum(len(outlines) for _, outlines in written.values()) > 500
    reader = YoloMasks(tmp_path)
    assert check(reader) == []
    assert reader.names == ["background", "crack", "rust"]
    labels = {0: 1, 1: 0, 2: 2}
    certain = 0
    for index in range(len(reader)):
        size, outlines = written[Path(reader.entry(index).path).stem]
        expected, unsure = np.zeros(size, np.uint8), np.zeros(size, bool)
        ordered = sorted(outlines, key=lambda outline: -area(outline[1]))
        for number, points in ordered:
            expected[inside(points, size)] = labels[number]
            unsure |= near_an_edge(points, size)
        for one, other in combinations(ordered, 2):  # their order by pixels may be the other one
            if area(one[1]) - area(other[1]) < 40:
                unsure |= inside(one[1], size) & inside(other[1], size)
        mask = reader.target(index).classes.numpy()
        assert mask.shape == size
        assert (mask == expected)[~unsure].all()
        certain += int(((expected > 0) & ~unsure).sum())
    assert certain > 100_000


def test_the_boxes_are_those_of_the_points(tmp_path: Path) -> None:
    written = write_outlines(tmp_path, 100, 1)
    reader = Yolo(tmp_path)
    count = 0
    for index in range(len(reader)):
        target = reader.target(index)
        _, outlines = written[Path(reader.entry(index).path).stem]
        assert target.labels.tolist() == [number for number, _ in outlines]
        for box, (_, points) in zip(target.boxes.numpy(), outlines, strict=True):
            xs, ys = zip(*points, strict=True)
            assert np.abs(box - [min(xs), min(ys), max(xs), max(ys)]).max() < 1e-4
            count += 1
    assert count > 300


def test_small_objects_are_on_top_of_large_ones(tmp_path: Path) -> None:
    write_outlines(tmp_path, 1, 2)
    small = "2 0.4 0.4 0.6 0.4 0.6 0.6 0.4 0.6\n"
    large = "0 0.1 0.1 0.9 0.1 0.9 0.9 0.1 0.9\n"
    for text in (small + large, large + small):
        (tmp_path / "labels" / "0.txt").write_text(text)
        mask = YoloMasks(tmp_path).target(0).classes
        middle = tuple(side // 2 for side in mask.shape)
        assert mask[middle] == 2
        assert set(mask.flatten().tolist()) == {0, 1, 2}


def test_the_digest_changes_with_an_outline(tmp_path: Path) -> None:
    write_outlines(tmp_path, 3, 3)
    digests = set()
    for point in ("0.5 0.9", "0.5 0.8"):
        (tmp_path / "labels" / "0.txt").write_text(f"0 0.1 0.1 0.9 0.1 {point}\n")
        digests.add(YoloMasks(tmp_path).digest)
    assert len(digests) == 2


def test_images_with_a_box_are_left_out_on_request(tmp_path: Path) -> None:
    write_outlines(tmp_path, 4, 4)
    (tmp_path / "labels" / "1.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (problem,) = YoloMasks(tmp_path).problems
    assert "the object has a box and no outline; add its outline, leave its image out with on_bad: skip" in str(problem)
    assert len(YoloMasks(tmp_path, on_bad="skip", cap=0.3)) == 3


def test_more_classes_than_values_of_a_pixel_are_an_error(tmp_path: Path) -> None:
    write_outlines(tmp_path, 1, 5)
    (tmp_path / "classes.txt").write_text("\n".join(f"class {number}" for number in range(300)))
    with pytest.raises(PolyheadError, match=r"expected at most 255 classes"):
        YoloMasks(tmp_path)
