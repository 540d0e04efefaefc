"""The three tasks of the unified recipes share no image, neither by id nor by content."""

import json
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest

from polyhead.config import recipe
from polyhead.paths import RECIPES
from polyhead.rng import derive_seed
from polyhead.workflows.tasks import open_tasks

NEAR = 24
"""Bits of 256 by which hashes of one image may differ: JPEG and size change up to 12; other images differ in 56."""


def image_hash(path: Path) -> np.ndarray:
    """Return a perceptual hash: where brightness increases from left to right on a grid of 16 x 17."""
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    grid = cv2.resize(image, (17, 16), interpolation=cv2.INTER_AREA).astype(int)
    return np.asarray(grid[:, 1:] > grid[:, :-1]).ravel()


def near(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return which hashes of ``a`` are near one of ``b``."""
    return np.asarray(((a[:, None] != b[None]).sum(-1) <= NEAR).any(1))


@pytest.fixture(scope="module")
def images(data_root: Path) -> dict[str, dict[str, list[Path]]]:
    """Return the files of each task's splits, as the recipe reads them."""
    assert data_root.is_dir()
    config = recipe.load("unified_small")
    tasks = open_tasks(recipe.sources(config), (64, 64), 0)
    return {
        task: {
            split: [Path(reader.entry(index).path) for index in range(len(reader))]
            for split, reader in data.readers.items()
        }
        for task, data in tasks.items()
    }


def test_no_training_image_of_one_task_is_in_another_task(images: dict[str, dict[str, list[Path]]]) -> None:
    hashes = {
        task: {split: np.stack([image_hash(path) for path in paths]) for split, paths in splits.items()}
        for task, splits in images.items()
    }
    for one, other in combinations(images, 2):
        learned = [
            {int(path.stem) for split in ("train", "val") for path in images[task][split]}
            for task in (one, other)
            if task != "cls"
        ]
        assert len(learned) < 2 or not learned[0] & learned[1]
        for split in ("train", "val", "test"):
            assert not near(hashes[one]["train"], hashes[other][split]).any(), (one, other, split)
            assert not near(hashes[other]["train"], hashes[one][split]).any(), (other, one, split)


def test_the_hash_recognizes_copies_of_an_image(data_root: Path) -> None:
    """The two folders have 214 images of COCO in common, in other sizes and qualities."""
    folders = data_root / "voc_from_coco/VOCdevkit/VOC2012/JPEGImages", data_root / "coco_mini"
    copies = [
        (path, next(folders[1].rglob(f"{int(path.stem):012d}.jpg"), None))
        for path in sorted(folders[0].glob("*.jpg"))[:40]
    ]
    pairs = [(image_hash(one), image_hash(other)) for one, other in copies if other is not None]
    assert len(pairs) > 20
    assert all(near(one[None], other[None]).all() for one, other in pairs)


def test_the_lists_are_a_function_of_the_ids(data_root: Path) -> None:
    """A hash of the id decides which task gets an image that both folders have, and which images are in val."""
    text = (data_root / "coco_mini/det10/annotations/instances_train2017.json").read_text(encoding="utf-8")
    det = {str(entry["id"]): str(entry["id"]) for entry in json.loads(text)["images"]}
    listed = data_root / "voc_from_coco/VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt"
    seg = {str(int(name)): name for name in listed.read_text(encoding="utf-8").split()}
    owners = {
        image_id: "det"
        if image_id not in seg
        else "seg"
        if image_id not in det
        else ("det", "seg")[derive_seed("unified", int(image_id)) % 2]
        for image_id in det | seg
    }
    for task, names in {"det": det, "seg": seg}.items():
        own = sorted((image_id for image_id, owner in owners.items() if owner == task), key=int)
        val = sorted(own, key=lambda image_id: derive_seed("val", int(image_id)))[: round(0.15 * len(own))]
        for split, ids in {"train": [each for each in own if each not in val], "val": sorted(val, key=int)}.items():
            lines = (RECIPES / "unified" / f"{task}_{split}.txt").read_text(encoding="utf-8").split()
            assert lines == [names[image_id] for image_id in ids]
