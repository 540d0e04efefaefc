"""Masks are painted from COCO's polygons and run lengths."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders.mask_data import COCO_FILE, area, edit, numbers
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays
from pycocotools import mask as pycoco

from polyhead.data.doctor import check, require_valid
from polyhead.data.readers.coco import Coco
from polyhead.data.readers.coco_masks import CocoMasks, run_lengths
from polyhead.errors import DataError

Tiny = Callable[[str], Path]


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
    assert area(numbers(dogs, 0)) == {0: 48 * 64 - 600, 1: 600}  # the crowd is of cats, which are not read
    assert area(numbers(dogs, 1)) == {0: 48 * 64}


@pytest.mark.parametrize("name", ["background", "_Background_"])
def test_a_category_called_background_is_the_background(tiny: Tiny, name: str) -> None:
    root = tiny("coco_masks")
    document = json.loads((root / COCO_FILE).read_text())
    document["categories"].append({"id": 5, "name": name})  # between the cat, 3, and the dog, 7
    cat = document["annotations"][0]
    document["annotations"].append({**cat, "id": 999, "category_id": 5, "image_id": 5, "bbox": [0, 0, 9, 9]})
    document["annotations"][-1] |= {"segmentation": [[0, 0, 9, 0, 9, 9, 0, 9]], "iscrowd": 0}
    (root / COCO_FILE).write_text(json.dumps(document))
    reader = CocoMasks(root)
    assert reader.names == ["background", "cat", "dog"]
    assert reader.categories == [5, 3, 7]
    assert [set(area(numbers(reader, index))) for index in range(3)] == [{0, 2, 255}, {0, 1}, {0}]


def test_small_objects_are_painted_on_top(tiny: Tiny) -> None:
    root = tiny("coco_masks")
    document = json.loads((root / COCO_FILE).read_text())
    cat, crowd, dog = document["annotations"]
    whole = [[0, 0, 64, 0, 64, 48, 0, 48]]
    for order in ((cat, dog), (dog, cat)):
        cat |= {"segmentation": [[20, 20, 30, 20, 30, 30, 20, 30]], "image_id": 1}
        dog |= {"segmentation": whole, "image_id": 1, "bbox": [0, 0, 64, 48]}
        (root / COCO_FILE).write_text(json.dumps(document | {"annotations": list(order)}))
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


def test_compressed_run_lengths_of_an_image(tiny: Tiny) -> None:
    root = tiny("coco_masks")
    shown = np.zeros((48, 64), dtype=np.uint8, order="F")
    shown[3:9, 50:60] = 1
    text = pycoco.encode(shown)["counts"].decode()
    edit(root, 2, segmentation={"size": [48, 64], "counts": text})
    assert numbers(CocoMasks(root), 1).tolist() == shown.tolist()
    edit(root, 2, segmentation={"size": [48.0, 64.0], "counts": text})
    assert numbers(CocoMasks(root), 1).tolist() == shown.tolist()
    edit(root, 2, segmentation={"size": [48, 64.0], "counts": [0, 48 * 64]})
    assert numbers(CocoMasks(root), 1).min() == 1
    edit(root, 2, segmentation={"size": [48, 64], "counts": "o" * 1_000_000})
    (problem,) = check(CocoMasks(root))
    assert "do not add up" in problem.what
    edit(root, 2, segmentation={"size": [48, 64], "counts": text[:-1]})
    (problem,) = check(CocoMasks(root))
    assert problem.where.endswith("annotation 12")
    assert problem.what == "the compressed run lengths do not add up to the pixels of the image"


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ([], "annotation 10: the object has no outline"),
        (None, "for boxes only, use the reader coco"),
        ([[1, 2, 3, 4]], r"expected polygons \[x1, y1"),
        ([[1, 2, 3, 4, 5, 6, 7]], "expected polygons"),
        ([[1, 2, 3, 4, 5, float("nan")]], "of finite numbers"),
        ([1, 2, 3], "expected polygons"),
        ([[1, 2, 3, 4, 5, 1e9]], "a polygon has the coordinate 1e[+]09, far outside the image of 64 x 48"),
        ("polygon", "or run lengths {size, counts}, got 'polygon'"),
        ({"counts": [3]}, "or run lengths"),
        (
            {"size": [64, 48], "counts": [64 * 48]},
            r"expected run lengths of the image size \(height, width\) \[48, 64\], got \[64, 48\]",
        ),
        ({"size": [48, 64], "counts": [5, 6]}, "the run lengths do not add up to the pixels of the image; export"),
        ({"size": [48, 64], "counts": [-1, 48 * 64 + 1]}, "the run lengths do not add up to the pixels"),
    ],
)
def test_invalid_outlines_are_rejected(tiny: Tiny, shape: Any, message: str) -> None:
    root = tiny("coco_masks")
    edit(root, 0, segmentation=shape)
    with pytest.raises(DataError, match=message):
        require_valid(CocoMasks(root), "tiny")
    reader = CocoMasks(root, on_bad="skip", cap=0.4)
    assert [reader.entry(index).id for index in range(len(reader))] == ["2", "5"]
    assert area(numbers(reader, 0)) == {0: 48 * 64 - 100, 1: 100}
    assert len(Coco(root).problems) == 0


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # raised inside pycocotools
def test_real_outlines(data_root: Path) -> None:
    reader = CocoMasks(data_root / "coco_mini", "det10/annotations/instances_val2017.json", "val2017")
    assert check(reader) == []
    document = json.loads((data_root / "coco_mini/det10/annotations/instances_val2017.json").read_text())
    label = {entry["id"]: number for number, entry in enumerate(document["categories"], 1)}
    for index in range(0, len(reader), 9):
        own = [entry for entry in document["annotations"] if str(entry["image_id"]) == reader.entry(index).id]
        mask = numbers(reader, index)
        height, width = mask.shape
        shown = torch.zeros(height, width, dtype=torch.bool)
        for entry in own:
            lengths = pycoco.frPyObjects(entry["segmentation"], height, width)
            shape = pycoco.decode(pycoco.merge(lengths) if isinstance(lengths, list) else lengths)
            shown |= torch.from_numpy(shape > 0)
        assert torch.equal(mask > 0, shown)
        smallest = min((entry for entry in own if not entry["iscrowd"]), key=lambda entry: entry["area"])
        lengths = pycoco.merge(pycoco.frPyObjects(smallest["segmentation"], height, width))
        assert (mask[torch.from_numpy(pycoco.decode(lengths) > 0)] == label[smallest["category_id"]]).all()
