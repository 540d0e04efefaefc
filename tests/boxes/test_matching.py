import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.ops import box_iou

from polyhead.boxes.anchors import cxcywh_to_xyxy
from polyhead.boxes.coders import DeltaCoder
from polyhead.boxes.matching import by_iou, distinct_best
from polyhead.boxes.overlap import intersection
from polyhead.boxes.raw import BACKGROUND, IGNORE, DensePredictions, gather
from polyhead.types import BoxBatch

CODER = DeltaCoder()


def batch_of(boxes: Tensor, labels: Tensor, ignore: Tensor | None = None, classes: int = 3) -> BoxBatch:
    flags = torch.zeros_like(labels, dtype=torch.bool) if ignore is None else ignore
    return BoxBatch(boxes, labels, flags, torch.ones(boxes.shape[0], classes, dtype=torch.bool))


def raw_of(anchors: Tensor, images: int) -> DensePredictions:
    count = anchors.shape[0]
    deltas = torch.zeros(images, count, 4)
    return DensePredictions(deltas, torch.zeros(images, count, 4), None, anchors, torch.ones(count), (100, 100))


def draw(seed: int, count: int) -> Tensor:
    """Return random boxes as cx, cy, w, h."""
    generator = torch.Generator().manual_seed(seed)
    return torch.cat(
        [20 + 60 * torch.rand(count, 2, generator=generator), 5 + 40 * torch.rand(count, 2, generator=generator)], 1
    )


def match_slowly(anchors: Tensor, boxes: Tensor, labels: Tensor, ignore: Tensor, high: float, low: float) -> list[int]:
    """Match the anchors of one image one by one, as the docstring of ``by_iou`` describes it."""
    real = [i for i in range(boxes.shape[0]) if labels[i] >= 0 and not ignore[i]]
    overlap = box_iou(boxes, cxcywh_to_xyxy(anchors))
    common = intersection(boxes[None], cxcywh_to_xyxy(anchors))[0]
    index = []
    for anchor in range(anchors.shape[0]):
        value, best = max(((float(overlap[i, anchor]), -i) for i in real), default=(-1.0, 0))
        index.append(-best if value >= high else BACKGROUND if value < low else IGNORE)
    pairs = sorted((-float(overlap[i, a]), i, a) for i in real for a in range(anchors.shape[0]))
    targets, taken = set(), set()
    for value, i, a in pairs:
        if value < 0 and i not in targets and a not in taken:
            targets.add(i)
            taken.add(a)
            index[a] = i
    for anchor in range(anchors.shape[0]):
        area = float(anchors[anchor, 2] * anchors[anchor, 3])
        inside = any(ignore[i] and common[i, anchor] / area >= 0.5 for i in range(boxes.shape[0]))
        if index[anchor] == BACKGROUND and inside:
            index[anchor] = IGNORE
    return index


@given(seed=st.integers(0, 2**32), images=st.integers(1, 3), most=st.integers(1, 6), low=st.sampled_from([0.5, 0.4]))
@settings(max_examples=40, deadline=None)
def test_by_iou_equals_a_slow_implementation(seed: int, images: int, most: int, low: float) -> None:
    anchors = draw(seed, 40)
    boxes = cxcywh_to_xyxy(draw(seed + 1, images * most)).view(images, most, 4)
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(-1, 3, (images, most), generator=generator)
    boxes[labels < 0] = 0
    ignore = (torch.rand(images, most, generator=generator) < 0.3) & (labels >= 0)
    index = by_iou(raw_of(anchors, images), CODER, batch_of(boxes, labels, ignore), high=0.5, low=low)
    for i in range(images):
        assert index[i].tolist() == match_slowly(anchors, boxes[i], labels[i], ignore[i], 0.5, low)


def test_targets_with_the_same_best_anchor_all_get_an_anchor_while_there_are_any() -> None:
    anchors = torch.tensor([[50.0, 50, 20, 20], [60, 50, 20, 20], [10, 10, 5, 5]])
    boxes = cxcywh_to_xyxy(torch.tensor([[[50.0, 50, 10, 10], [50, 50, 9, 9], [51, 50, 8, 8]]]))
    index = by_iou(raw_of(anchors, 1), CODER, batch_of(boxes, torch.zeros(1, 3, dtype=torch.int64)))
    # The third target overlaps the second anchor more than the second target does.
    assert index.tolist() == [[0, 2, BACKGROUND]]


def test_without_force_best_a_small_overlap_is_background() -> None:
    anchors = torch.tensor([[50.0, 50, 20, 20]])
    boxes = cxcywh_to_xyxy(torch.tensor([[[50.0, 50, 10, 10]]]))
    batch = batch_of(boxes, torch.zeros(1, 1, dtype=torch.int64))
    assert by_iou(raw_of(anchors, 1), CODER, batch, force_best=False).tolist() == [[BACKGROUND]]
    assert by_iou(raw_of(anchors, 1), CODER, batch).tolist() == [[0]]


def test_padding_matches_no_anchor() -> None:
    anchors = draw(0, 30)
    index = by_iou(raw_of(anchors, 2), CODER, batch_of(torch.zeros(2, 1, 4), torch.full((2, 1), -1)))
    assert (index == BACKGROUND).all()


def test_anchors_inside_a_crowd_are_ignored_but_not_those_with_a_real_target() -> None:
    anchors = torch.tensor([[50.0, 50, 10, 10], [30, 30, 10, 10], [95, 95, 10, 10]])
    boxes = torch.tensor([[[0.0, 0, 90, 90], [45, 45, 55, 55]]])
    batch = batch_of(boxes, torch.tensor([[0, 1]]), torch.tensor([[True, False]]))
    assert by_iou(raw_of(anchors, 1), CODER, batch).tolist() == [[1, IGNORE, BACKGROUND]]


@given(seed=st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_distinct_best_assigns_no_anchor_twice(seed: int) -> None:
    overlap = torch.rand(2, 8, 10, generator=torch.Generator().manual_seed(seed)).pow(4)
    overlap[:, :, 3] += 1  # the best anchor of every target
    best = distinct_best(overlap)
    for row in best.tolist():
        assert len(set(row)) == 8
    assert distinct_best(torch.zeros(1, 2, 3)).tolist() == [[-1, -1]]


def test_gather_lists_positives_with_their_target() -> None:
    index = torch.tensor([[BACKGROUND, 1], [0, IGNORE]])
    boxes = torch.arange(16.0).view(2, 2, 4)
    batch = batch_of(boxes, torch.tensor([[0, 1], [2, -1]]))
    matched = gather(raw_of(draw(0, 2), 2), CODER, index, batch)
    assert matched.batch_idx.tolist() == [0, 1]
    assert matched.anchor_idx.tolist() == [1, 0]
    assert matched.labels.tolist() == [1, 2]
    assert torch.equal(matched.boxes, torch.stack([boxes[0, 1], boxes[1, 0]]))
    assert matched.positives == 2
