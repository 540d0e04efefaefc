import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import box_iou

from polyhead.boxes.anchors import Priors
from polyhead.boxes.coders import CellCoder
from polyhead.boxes.priors import shape_iou
from polyhead.boxes.raw import BACKGROUND, IGNORE, DensePredictions
from polyhead.boxes.shape_matching import by_shape
from polyhead.types import BoxBatch

CODER = CellCoder()
CANVAS = (64, 64)
SIZES = [[(6.0, 6.0), (10.0, 16.0)], [(20.0, 20.0), (40.0, 30.0)]]
PRIORS, STRIDES = Priors(SIZES)([(8, 8), (4, 4)], [8, 16], CANVAS, torch.device("cpu"))


def draw(seed: int, images: int, most: int) -> tuple[DensePredictions, BoxBatch]:
    """Return random predictions, and targets of which some rows are padding or ignored."""
    generator = torch.Generator().manual_seed(seed)
    count = PRIORS.shape[0]
    raw = DensePredictions(
        torch.randn(images, count, 4, generator=generator),
        torch.zeros(images, count, 2),
        torch.zeros(images, count),
        PRIORS,
        STRIDES,
        CANVAS,
    )
    low = 50 * torch.rand(images, most, 2, generator=generator)
    boxes = torch.cat([low, low + 4 + 30 * torch.rand(images, most, 2, generator=generator)], 2).clamp(max=64)
    labels = torch.randint(-1, 2, (images, most), generator=generator)
    ignore = (torch.rand(images, most, generator=generator) < 0.2) & (labels >= 0)
    return raw, BoxBatch(boxes, labels, ignore, torch.ones(images, 2, dtype=torch.bool))


def match_slowly(raw: DensePredictions, batch: BoxBatch, image: int, positive: float | None) -> list[int]:
    """Match the anchors of one image one by one, as the docstring of ``by_shape`` describes it."""
    predicted = CODER.decode(raw.deltas, raw.anchors, raw.strides)[image]
    index = [BACKGROUND] * len(predicted)
    overlaps: dict[tuple[int, int], float] = {}
    real = [i for i, label in enumerate(batch.labels[image].tolist()) if label >= 0 and not batch.ignore[image, i]]
    for target in real:
        box = batch.boxes[image, target]
        center = ((box[:2] + box[2:]) / 2).clamp(max=64 - 1e-3)
        for anchor, (prior, stride) in enumerate(zip(PRIORS, STRIDES.tolist(), strict=True)):
            if (center // stride == prior[:2] // stride).all():
                overlaps[target, anchor] = float(shape_iou((box[2:] - box[:2])[None], prior[None, 2:]))
    for anchor, _ in enumerate(PRIORS):
        wanting = [(value, -target) for (target, at), value in overlaps.items() if at == anchor]
        if wanting and positive is not None and max(wanting)[0] > positive:
            index[anchor] = -max(wanting)[1]
    taken, given_one = set(), set()
    for value, target, anchor in sorted((-value, target, anchor) for (target, anchor), value in overlaps.items()):
        if value < 0 and anchor not in taken and target not in given_one:
            taken.add(anchor)
            given_one.add(target)
            index[anchor] = target
    for anchor, box in enumerate(predicted):
        near = any(box_iou(batch.boxes[image, each][None], box[None]).item() > 0.5 for each in real)
        spared = batch.boxes[image][batch.ignore[image]]
        area = (box[2:] - box[:2]).prod()
        shared = [(torch.minimum(box[2:], a[2:]) - torch.maximum(box[:2], a[:2])).clamp(min=0).prod() for a in spared]
        if index[anchor] == BACKGROUND and (near or any(bool(each > 0.5 * area) for each in shared)):
            index[anchor] = IGNORE
    return index


@pytest.mark.parametrize("positive", [None, 0.3])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), images=st.integers(1, 3), most=st.integers(1, 6))
def test_it_equals_matching_anchor_by_anchor(positive: float | None, seed: int, images: int, most: int) -> None:
    raw, batch = draw(seed, images, most)
    index = by_shape(raw, CODER, batch, positive=positive)
    assert index.tolist() == [match_slowly(raw, batch, image, positive) for image in range(images)]


def test_two_objects_in_a_cell_get_different_priors() -> None:
    raw, batch = draw(0, 1, 2)
    box = torch.tensor([[[2.0, 2, 8, 8], [1, 1, 7, 7]]])
    same = batch._replace(boxes=box, labels=torch.zeros(1, 2, dtype=torch.int64), ignore=torch.zeros(1, 2).bool())
    index = by_shape(raw, CODER, same, positive=None)
    assert sorted(index[index >= 0].tolist()) == [0, 1]


def test_a_center_on_the_last_border_has_a_cell() -> None:
    raw, batch = draw(0, 1, 1)
    edge = batch._replace(boxes=torch.tensor([[[62.0, 62, 66, 66]]]), labels=torch.tensor([[1]]))
    index = by_shape(raw, CODER, edge._replace(ignore=torch.zeros(1, 1).bool()))
    assert (index >= 0).any()
