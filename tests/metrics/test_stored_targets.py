from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders.box_cases import random_case

from polyhead.errors import PolyheadError
from polyhead.metrics.stored_targets import load_targets, save_targets, targets_path


def test_targets_come_back_in_order(tmp_path: Path) -> None:
    targets, _, names = random_case(0)
    targets = dict(sorted(targets.items(), key=lambda item: item[0][::-1]))
    first = next(iter(targets))
    targets[first] = targets[first]._replace(annotated=torch.tensor([True, False, True, False]), size=(3, 9))
    path = targets_path(tmp_path / "test.food.npz")
    assert path.name == "test.food.target.npz"
    save_targets(path, targets, names)
    loaded, stored_names = load_targets(path)
    assert stored_names == names
    assert list(loaded) == list(targets)
    for name, target in targets.items():
        assert loaded[name].size == target.size
        for mine, theirs in zip(loaded[name][:-1], target[:-1], strict=True):
            assert isinstance(mine, torch.Tensor)
            assert mine.dtype == theirs.dtype
            assert torch.equal(mine, theirs)


def test_no_image_can_be_stored(tmp_path: Path) -> None:
    save_targets(tmp_path / "a.target.npz", {}, ["a", "b"])
    assert load_targets(tmp_path / "a.target.npz") == ({}, ["a", "b"])


def test_targets_with_flags_of_other_classes_are_refused(tmp_path: Path) -> None:
    targets, _, names = random_case(0)
    path = tmp_path / "a.target.npz"
    save_targets(path, targets, names)
    with np.load(path) as archive:
        columns: dict[str, Any] = dict(archive)
    np.savez(path, **columns | {"names": np.array(["a"])})
    with pytest.raises(PolyheadError, match=r"is damaged \(annotated has 4 classes, names 1"):
        load_targets(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "b.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(PolyheadError, match=r"b\.npz' is damaged"):
        load_targets(tmp_path / "b.npz")
