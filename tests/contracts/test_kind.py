"""Targets of a split are read when they are needed, and gathered once."""

from collections import Counter

import pytest
import torch
from builders.toy_parts import Squares

from polyhead.contracts.kind import Targets, reduced
from polyhead.kinds import kind_of
from polyhead.types import Boxes, Detections, Mask


class Counted(Squares):
    """Counts how often each target is read."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.reads = Counter[int]()

    def target(self, index: int) -> Boxes:
        self.reads[index] += 1
        return super().target(index)


def test_targets_are_those_of_the_reader_in_its_order() -> None:
    reader = Squares(5)
    targets = Targets.of(kind_of("detection"), reader)
    assert (len(targets), targets.names) == (5, ["bright", "dark"])
    assert targets.ids == [reader.entry(index).id for index in range(5)]
    for index, image_id in enumerate(targets.ids):
        assert torch.equal(targets[image_id].boxes, reader.target(index).boxes)
    assert list(targets.gathered) == targets.ids
    with pytest.raises(KeyError):
        targets["no such image"]  # pylint: disable=pointless-statement  # the access is tested


def test_a_target_is_read_when_it_is_needed_and_all_are_gathered_once() -> None:
    reader = Counted(4)
    targets = Targets.of(kind_of("detection"), reader)
    assert not reader.reads
    targets[targets.ids[2]]  # pylint: disable=pointless-statement  # the access is tested
    assert reader.reads == {2: 1}
    gathered = targets.gathered
    assert gathered is targets.gathered
    assert reader.reads == {0: 1, 1: 1, 2: 2, 3: 1}


def test_only_kinds_that_reduce_their_predictions_read_the_target() -> None:
    """Boxes are stored as they are; masks are counted against the target."""
    reader = Counted(2)
    boxes = Targets.of(kind_of("detection"), reader)
    found = Detections(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))
    assert reduced(boxes, boxes.ids[0], found) is found
    assert not reader.reads
    mask = Mask(torch.ones(2, 2, dtype=torch.uint8))
    masks = Targets(kind_of("segmentation"), ["background", "cat"], ["a"], lambda _: mask)
    assert reduced(masks, "a", mask).counts[1, 1] == 4
