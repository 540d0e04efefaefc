import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.ops import box_iou

from polyhead.boxes.anchors import corners
from polyhead.boxes.coders import Offsets
from polyhead.boxes.matching import by_iou, distinct_best, intersection
from polyhead.boxes.raw import BACKGROUND, IGNORE, Raw, gather
from polyhead.types import Batch

CODER = Offsets()


def batch_of(boxes: Tensor, labels: Tensor, ignore: Tensor | None = None, classes: int = 3) -> Batch:
    count = boxes.shape[0]
    return Batch(
        inputs=torch.zeros(count, 3, 4, 4, dtype=torch.uint8),
        boxes=boxes,
        labels=labels,
        ignore=torch.zeros_like(labels, dtype=torch.bool) if ignore is None else ignore,
        annotated=torch.ones(count, classes, dtype=torch.bool),
        frames=torch.zeros(count, 3, 2),
        sizes=torch.zeros(count, 2, dtype=torch.int64),
        ids=[str(i) for i in range(count)],
    )


def raw_of(anchors: Tensor, pictures: int) -> Raw:
    count = anchors.shape[0]
    codes = torch.zeros(pictures, count, 4)
    return Raw(codes, torch.zeros(pictures, count, 4), None, anchors, torch.ones(count), (100, 100))


def draw(seed: int, count: int) -> Tensor:
    """Boxes as cx, cy, w, h."""
    source = torch.Generator().manual_seed(seed)
    return torch.cat(
        [20 + 60 * torch.rand(count, 2, generator=source), 5 + 40 * torch.rand(count, 2, generator=source)], 1
    )


def slow(anchors: Tensor, boxes: Tensor, labels: Tensor, ignore: Tensor, high: float, low: float) -> list[int]:
    """One picture, anchor by anchor, as the words say it."""
    real = [i for i in range(boxes.shape[0]) if labels[i] >= 0 and not ignore[i]]
    overlap = box_iou(boxes, corners(anchors))
    common = intersection(boxes[None], corners(anchors))[0]
    index = []
    for anchor in range(anchors.shape[0]):
        value, best = max(((float(overlap[i, anchor]), -i) for i in real), default=(-1.0, 0))
        index.append(-best if value >= high else BACKGROUND if value < low else IGNORE)
    pairs = sorted((-float(overlap[i, a]), i, a) for i in real for a in range(anchors.shape[0]))
    truths, taken = set(), set()
    for value, i, a in pairs:
        if value < 0 and i not in truths and a not in taken:
            truths.add(i)
            taken.add(a)
            index[a] = i
    for anchor in range(anchors.shape[0]):
        area = float(anchors[anchor, 2] * anchors[anchor, 3])
        inside = any(ignore[i] and common[i, anchor] / area >= 0.5 for i in range(boxes.shape[0]))
        if index[anchor] == BACKGROUND and inside:
            index[anchor] = IGNORE
    return index


@given(seed=st.integers(0, 2**32), pictures=st.integers(1, 3), most=st.integers(1, 6), low=st.sampled_from([0.5, 0.4]))
@settings(max_examples=40, deadline=None)
def test_by_iou_does_what_it_says(seed: int, pictures: int, most: int, low: float) -> None:
    anchors = draw(seed, 40)
    boxes = corners(draw(seed + 1, pictures * most)).view(pictures, most, 4)
    source = torch.Generator().manual_seed(seed)
    labels = torch.randint(-1, 3, (pictures, most), generator=source)
    boxes[labels < 0] = 0
    ignore = (torch.rand(pictures, most, generator=source) < 0.3) & (labels >= 0)
    index = by_iou(raw_of(anchors, pictures), CODER, batch_of(boxes, labels, ignore), high=0.5, low=low)
    for i in range(pictures):
        assert index[i].tolist() == slow(anchors, boxes[i], labels[i], ignore[i], 0.5, low)


def test_truths_that_want_one_anchor_both_get_one() -> None:
    anchors = torch.tensor([[50.0, 50, 20, 20], [60, 50, 20, 20], [10, 10, 5, 5]])
    boxes = corners(torch.tensor([[[50.0, 50, 10, 10], [50, 50, 9, 9], [51, 50, 8, 8]]]))
    index = by_iou(raw_of(anchors, 1), CODER, batch_of(boxes, torch.zeros(1, 3, dtype=torch.int64)))
    assert index.tolist() == [
        [0, 2, BACKGROUND]
    ]  # the third truth reaches the second anchor better than the second does


def test_without_force_a_small_overlap_is_background() -> None:
    anchors = torch.tensor([[50.0, 50, 20, 20]])
    boxes = corners(torch.tensor([[[50.0, 50, 10, 10]]]))
    batch = batch_of(boxes, torch.zeros(1, 1, dtype=torch.int64))
    assert by_iou(raw_of(anchors, 1), CODER, batch, force_best=False).tolist() == [[BACKGROUND]]
    assert by_iou(raw_of(anchors, 1), CODER, batch).tolist() == [[0]]


def test_padding_matches_nothing() -> None:
    anchors = draw(0, 30)
    index = by_iou(raw_of(anchors, 2), CODER, batch_of(torch.zeros(2, 1, 4), torch.full((2, 1), -1)))
    assert (index == BACKGROUND).all()


def test_anchors_inside_a_crowd_are_ignored_but_not_those_with_a_real_truth() -> None:
    anchors = torch.tensor([[50.0, 50, 10, 10], [30, 30, 10, 10], [95, 95, 10, 10]])
    boxes = torch.tensor([[[0.0, 0, 90, 90], [45, 45, 55, 55]]])
    batch = batch_of(boxes, torch.tensor([[0, 1]]), torch.tensor([[True, False]]))
    assert by_iou(raw_of(anchors, 1), CODER, batch).tolist() == [[1, IGNORE, BACKGROUND]]


@given(seed=st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_distinct_best_takes_no_anchor_twice(seed: int) -> None:
    overlap = torch.rand(2, 8, 10, generator=torch.Generator().manual_seed(seed)).pow(4)
    overlap[:, :, 3] += 1  # all want this one
    best = distinct_best(overlap)
    for row in best.tolist():
        assert len(set(row)) == 8
    assert distinct_best(torch.zeros(1, 2, 3)).tolist() == [[-1, -1]]


def test_gather_lists_positives_with_their_truth() -> None:
    index = torch.tensor([[BACKGROUND, 1], [0, IGNORE]])
    boxes = torch.arange(16.0).view(2, 2, 4)
    batch = batch_of(boxes, torch.tensor([[0, 1], [2, -1]]))
    matched = gather(raw_of(draw(0, 2), 2), CODER, index, batch)
    assert matched.picture.tolist() == [0, 1]
    assert matched.anchor.tolist() == [1, 0]
    assert matched.labels.tolist() == [1, 2]
    assert torch.equal(matched.boxes, torch.stack([boxes[0, 1], boxes[1, 0]]))
    assert matched.positives == 2
