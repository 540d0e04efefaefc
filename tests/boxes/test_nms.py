import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import box_iou, nms

from polyhead.boxes.nms import NMS, class_nms, clip, overlap_of, soft_nms, with_overlap
from polyhead.errors import SettingError


def draw(seed: int, images: int = 2, count: int = 60, classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(images, count, 2, generator=generator) * 60
    boxes = torch.cat([low, low + 5 + 30 * torch.rand(images, count, 2, generator=generator)], dim=2)
    return boxes, torch.rand(images, count, classes, generator=generator)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_nms_is_applied_to_each_class_separately(seed: int) -> None:
    boxes, scores = draw(seed)
    found = class_nms(boxes, scores, score_threshold=0.2, iou_threshold=0.4, pre_nms_topk=1000, max_detections=1000)
    for i, detections in enumerate(found):
        assert detections.scores.tolist() == sorted(detections.scores.tolist(), reverse=True)
        for label in range(3):
            good = scores[i, :, label] > 0.2
            selected = nms(boxes[i][good], scores[i, :, label][good], 0.4)
            mine = detections.labels == label
            assert torch.equal(detections.boxes[mine], boxes[i][good][selected])


@pytest.mark.parametrize("suppress", [class_nms, soft_nms])
def test_anchors_are_the_indices_of_the_boxes(suppress: NMS) -> None:
    boxes, scores = draw(4)
    for i, found in enumerate(suppress(boxes, scores)):
        assert found.anchors is not None
        assert torch.equal(boxes[i, found.anchors], found.boxes)
        assert (found.scores <= scores[i, found.anchors, found.labels]).all()  # soft-NMS lowers scores
        assert len(set(zip(found.anchors.tolist(), found.labels.tolist(), strict=True))) == len(found.scores)


def test_the_limits_of_counts_and_scores_hold() -> None:
    boxes, scores = draw(0)
    assert all(found.scores.shape[0] <= 7 for found in class_nms(boxes, scores, max_detections=7))
    assert all(found.scores.shape[0] <= 5 for found in class_nms(boxes, scores, pre_nms_topk=5))
    for suppress in (class_nms, soft_nms):
        assert all((found.scores > 0.9).all() for found in suppress(boxes, scores, score_threshold=0.9))
        assert [found.boxes.shape for found in suppress(boxes, scores * 0)] == [(0, 4), (0, 4)]


def test_boxes_without_area_are_dropped() -> None:
    boxes = torch.tensor([[[5.0, 5, 5, 9], [1, 1, 4, 4], [-9, 0, -2, 5]]])
    for suppress in (class_nms, soft_nms):
        found = suppress(clip(boxes, (10, 10)), torch.full((1, 3, 1), 0.9))
        assert found[0].boxes.tolist() == [[1, 1, 4, 4]]


def test_clip_takes_height_and_width_in_this_order() -> None:
    assert clip(torch.tensor([[-5.0, -5, 500, 500]]), (30, 40)).tolist() == [[0, 0, 40, 30]]


@given(seed=st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_soft_nms_equals_the_algorithm_of_the_paper(seed: int) -> None:
    boxes, scores = draw(seed, images=1, count=20, classes=2)
    found = soft_nms(boxes, scores, sigma=0.5, score_threshold=0.1, max_detections=100)[0]
    expected = []
    for label in range(2):
        left = [(float(score), box) for box, score in zip(boxes[0], scores[0, :, label], strict=True)]
        while left:
            best = max((score, -i) for i, (score, _) in enumerate(left))[1]
            score, box = left.pop(-best)
            expected += [(score, label, box)] if score > 0.1 else []
            left = [(s * float(torch.exp(-(box_iou(box[None], b[None]) ** 2) / 0.5)), b) for s, b in left]
    expected.sort(key=lambda row: -row[0])
    torch.testing.assert_close(found.scores, torch.tensor([row[0] for row in expected]), atol=1e-5, rtol=0)
    assert found.labels.tolist() == [row[1] for row in expected]


def test_the_overlap_of_a_suppression_is_replaced_where_it_has_one() -> None:
    boxes, scores = draw(0)
    assert overlap_of(class_nms) == 0.45
    adjusted = with_overlap(0.9, class_nms)
    assert overlap_of(adjusted) == 0.9
    assert [len(found.scores) for found in adjusted(boxes, scores)] == [
        len(found.scores) for found in class_nms(boxes, scores, iou_threshold=0.9)
    ]
    assert overlap_of(soft_nms) is None
    assert with_overlap(0.9, soft_nms) is soft_nms


@pytest.mark.parametrize("overlap", [-0.1, 1.1])
def test_an_overlap_is_a_fraction(overlap: float) -> None:
    with pytest.raises(SettingError, match=rf"^the IoU of suppression must be between 0 and 1, got {overlap}$"):
        with_overlap(overlap, class_nms)
