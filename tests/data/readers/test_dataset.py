"""Any torch data set as a reader: it is read once, and every fault is collected."""

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor

from polyhead.contracts.kind import Targets
from polyhead.data.doctor import fingerprint, require_valid
from polyhead.data.readers import dataset as module
from polyhead.data.readers.dataset import DatasetReader
from polyhead.errors import DataError
from polyhead.kinds import kind_of
from polyhead.modalities import modality_of

NAMES = ["a", "b"]
NO_TENSOR = (
    "expected an input that is a tensor, an array or numbers, got dict {'x': 1}; convert it to a tensor, or set the "
    "task's modality"
)


class Counted:
    """A data set that counts how often each item is read."""

    def __init__(self, inputs: Any, targets: Any) -> None:
        self.inputs, self.targets = inputs, targets
        self.reads = Counter[int]()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        self.reads[index] += 1
        return self.inputs[index], self.targets[index]


def reader_of(data: Any, kind: str = "classification", modality: str = "tensor") -> DatasetReader:
    return DatasetReader(data, NAMES, kind_of(kind), modality_of(modality), "train-")


def points() -> Counted:
    return Counted(torch.arange(8.0).reshape(4, 2), [0, 1, 1, 0])


def test_targets_ids_and_digests_need_no_second_look_at_the_data() -> None:
    data = points()
    reader = require_valid(reader_of(data), "points")
    fingerprint(reader)
    targets = Targets.of(kind_of("classification"), reader)
    assert [int(target.label) for target in targets.gathered.values()] == [0, 1, 1, 0]
    assert [reader.entry(index).bytes for index in range(4)] == [8] * 4
    assert data.reads == dict.fromkeys(range(4), 1)
    assert reader[2].input.tolist() == [4, 5]
    assert data.reads[2] == 2


def test_large_targets_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_MEMORY", 16)  # two of int64
    data = points()
    reader = reader_of(data)
    assert [int(reader.target(index).label) for index in range(4)] == [0, 1, 1, 0]
    assert data.reads == {0: 1, 1: 1, 2: 2, 3: 2}
    assert int(reader[3].target.label) == 0


def test_the_fingerprint_changes_with_a_target() -> None:
    marks = {fingerprint(reader_of(Counted(torch.zeros(2, 1), labels))) for labels in ([0, 1], [0, 1], [1, 1])}
    assert len(marks) == 2


def test_every_fault_is_reported_with_its_sample() -> None:
    inputs: list[Any] = [torch.zeros(2), torch.zeros(3), torch.zeros(2, dtype=torch.int64), {"x": 1}, torch.zeros(2)]
    with pytest.raises(DataError) as caught:
        require_valid(reader_of(Counted(inputs, [0, 0, 0, 0, 7])), "points")
    first = "expected an input of torch.float32 [2], as the first one, got"
    alike = "give all inputs the same type and shape"
    assert [str(problem) for problem in caught.value.problems] == [
        f"train-000001: {first} torch.float32 [3]; {alike}",
        f"train-000002: {first} torch.int64 [2]; {alike}",
        f"train-000003: {NO_TENSOR}",
        "train-000004: expected the index of a class (0 to 1), got 7; count classes from 0, and name every class",
    ]


@pytest.mark.parametrize(("item", "got"), [((1, 0, 0), "tuple of 3"), ((1,), "tuple of 1"), ({"x": 1, "y": 0}, "dict")])
def test_items_are_pairs(item: Any, got: str) -> None:
    message = f"expected a pair of an input and a target, got {got}; let the data set return (input, target)"
    assert [str(problem) for problem in reader_of([item]).problems] == [f"train-000000: {message}"]


def test_images_and_masks_are_checked_together() -> None:
    images = torch.zeros(3, 3, 4, 6, dtype=torch.uint8)
    masks: list[Tensor] = [torch.ones(4, 6, dtype=torch.int64), torch.zeros(4, 5), torch.zeros(3, 6, dtype=torch.int64)]
    reader = reader_of(Counted(images, masks), "segmentation", "image")
    assert reader.background
    assert reader.target(0).classes.dtype == torch.uint8
    assert [problem.where for problem in reader.problems] == ["train-000001", "train-000002"]
    reader = reader_of(Counted(["nothing.png"], [0]), "classification", "image")
    assert str(reader.problems[0]).startswith("train-000000: nothing.png: the file does not exist;")
