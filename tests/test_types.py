import pytest
import torch
from torch import Tensor

from polyhead.types import Detections


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (torch.tensor([3, 0]), [3, 0]),
        (torch.tensor([True, False, True, False]), [0, 2]),
        (torch.zeros(0, dtype=torch.int64), []),
    ],
)
@pytest.mark.parametrize("has_anchors", [True, False])
def test_taken_detections_stay_aligned(index: Tensor, expected: list[int], has_anchors: bool) -> None:
    order = torch.arange(4)
    boxes = order[:, None] + torch.tensor([0.0, 1, 2, 3])
    found = Detections(boxes, order / 4, order + 10, order + 20 if has_anchors else None).take(index)
    assert found.boxes.tolist() == [[i, i + 1, i + 2, i + 3] for i in expected]
    assert found.scores.tolist() == [i / 4 for i in expected]
    assert found.labels.tolist() == [i + 10 for i in expected]
    assert (found.anchors is None) is not has_anchors
    assert found.anchors is None or found.anchors.tolist() == [i + 20 for i in expected]
