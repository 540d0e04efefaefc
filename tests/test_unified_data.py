"""The unified recipes' three tasks share no picture: neither by id nor by what is to be seen."""

import json
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest

from polyhead.config import recipe
from polyhead.data.loading.source import open_tasks
from polyhead.paths import RECIPES
from polyhead.rng import key

NEAR = 24
"""Bits of 256 by which hashes of one picture may differ: JPEG and size change up to 12; other pictures differ in 56."""


def seen(path: Path) -> np.ndarray:
    """A perceptual hash: where brightness grows from left to right on a grid of 16 x 17."""
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    grid = cv2.resize(picture, (17, 16), interpolation=cv2.INTER_AREA).astype(int)
    return np.asarray(grid[:, 1:] > grid[:, :-1]).ravel()


def near(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Which of ``a`` show what one of ``b`` shows."""
    return np.asarray(((a[:, None] != b[None]).sum(-1) <= NEAR).any(1))


@pytest.fixture(scope="module")
def pictures(data_root: Path) -> dict[str, dict[str, list[Path]]]:
    """Files of each task's splits, as the recipe reads them."""
    assert data_root.is_dir()
    config = recipe.load("unified_small")
    tasks = open_tasks(recipe.sources(config), (64, 64), 0)
    splits = ("train", "val", "test")
    return {
        task: {split: [Path(truth.path) for truth in data.truths(split)] for split in splits}
        for task, data in tasks.items()
    }


def test_no_picture_that_one_task_learns_from_is_in_another_task(pictures: dict[str, dict[str, list[Path]]]) -> None:
    hashes = {
        task: {split: np.stack([seen(path) for path in paths]) for split, paths in splits.items()}
        for task, splits in pictures.items()
    }
    for one, other in combinations(pictures, 2):
        learnt = [
            {int(path.stem) for part in ("train", "val") for path in pictures[task][part]}
            for task in (one, other)
            if task != "cls"
        ]
        assert len(learnt) < 2 or not learnt[0] & learnt[1]
        for split in ("train", "val", "test"):
            assert not near(hashes[one]["train"], hashes[other][split]).any(), (one, other, split)
            assert not near(hashes[other]["train"], hashes[one][split]).any(), (other, one, split)


def test_the_hash_knows_a_picture_again(data_root: Path) -> None:
    """The two folders hold 214 pictures of COCO twice, in other sizes and qualities."""
    folders = data_root / "voc_from_coco/VOCdevkit/VOC2012/JPEGImages", data_root / "coco_mini"
    twins = [
        (path, next(folders[1].rglob(f"{int(path.stem):012d}.jpg"), None))
        for path in sorted(folders[0].glob("*.jpg"))[:40]
    ]
    pairs = [(seen(one), seen(other)) for one, other in twins if other is not None]
    assert len(pairs) > 20
    assert all(near(one[None], other[None]).all() for one, other in pairs)


def test_the_lists_follow_from_ids_alone(data_root: Path) -> None:
    """A picture that both folders have goes to one by a hash of its id, and so does the choice of val."""
    text = (data_root / "coco_mini/det10/annotations/instances_train2017.json").read_text(encoding="utf-8")
    det = {str(entry["id"]): str(entry["id"]) for entry in json.loads(text)["images"]}
    listed = data_root / "voc_from_coco/VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt"
    seg = {str(int(name)): name for name in listed.read_text(encoding="utf-8").split()}
    owners = {
        ident: "det"
        if ident not in seg
        else "seg"
        if ident not in det
        else ("det", "seg")[key("unified", int(ident)) % 2]
        for ident in det | seg
    }
    for task, names in {"det": det, "seg": seg}.items():
        own = sorted((ident for ident, owner in owners.items() if owner == task), key=int)
        val = sorted(own, key=lambda ident: key("val", int(ident)))[: round(0.15 * len(own))]
        for part, idents in {"train": [each for each in own if each not in val], "val": sorted(val, key=int)}.items():
            lines = (RECIPES / "unified" / f"{task}_{part}.txt").read_text(encoding="utf-8").split()
            assert lines == [names[ident] for ident in idents]
