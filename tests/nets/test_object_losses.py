import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import box_iou

from polyhead.boxes.anchors import Cells
from polyhead.boxes.coders import DeltaCoder
from polyhead.boxes.raw import BACKGROUND, IGNORE, DensePredictions, Matched, gather
from polyhead.nets.object_losses import class_by_iou, late_l1, object_scores, objectness, rejected, squared_iou
from polyhead.types import BoxBatch

CLASSES = 4
CODER = DeltaCoder()
CELLS, STRIDES = Cells(1)([(4, 4)], [8], (32, 32), torch.device("cpu"))
COUNT = CELLS.shape[0]


def draw(seed: int, images: int = 2, annotated: Tensor | None = None, progress: float = 0.0) -> Matched:
    """Return random predictions matched with random boxes: some cells positive, some ignored."""
    generator = torch.Generator().manual_seed(seed)
    low = 20 * torch.rand(images, 2, 2, generator=generator)
    boxes = torch.cat([low, low + 6 + 6 * torch.rand(images, 2, 2, generator=generator)], 2)
    labels = torch.randint(0, CLASSES, (images, 2), generator=generator)
    every = torch.ones(images, CLASSES, dtype=torch.bool)
    batch = BoxBatch(boxes, labels, torch.zeros(images, 2, dtype=torch.bool), every if annotated is None else annotated)
    raw = DensePredictions(
        torch.randn(images, COUNT, 4, generator=generator).requires_grad_(),
        torch.randn(images, COUNT, CLASSES, generator=generator).requires_grad_(),
        torch.randn(images, COUNT, generator=generator).requires_grad_(),
        CELLS,
        STRIDES,
        (32, 32),
    )
    index = torch.randint(0, 6, (images, COUNT), generator=generator)
    index = torch.where(index < 2, index, torch.where(index == 2, IGNORE, BACKGROUND))
    return gather(raw, CODER, index, batch, progress)


def predicted_ious(matched: Matched) -> Tensor:
    boxes = CODER.decode(matched.raw.deltas, CELLS, STRIDES)[matched.batch_idx, matched.anchor_idx]
    ious: Tensor = box_iou(boxes, matched.boxes).diagonal()
    return ious


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_each_loss_is_what_its_docstring_says(seed: int) -> None:
    matched = draw(seed, progress=0.97)
    raw, ious = matched.raw, predicted_ious(matched)
    positive = (matched.batch_idx, matched.anchor_idx)
    assert raw.objectness is not None
    counted = matched.target != IGNORE
    expected = {
        squared_iou: (1 - ious**2).sum(),
        objectness: F.binary_cross_entropy(
            raw.objectness[counted].sigmoid(), (matched.target[counted] >= 0).float(), reduction="sum"
        ),
        class_by_iou: F.binary_cross_entropy(
            raw.logits[positive].sigmoid(),
            F.one_hot(matched.labels, CLASSES) * ious.detach()[:, None],
            reduction="sum",
        ),
        late_l1: (raw.deltas[positive] - CODER.encode(matched.boxes, CELLS[positive[1]], STRIDES[positive[1]]))
        .abs()
        .sum(),
    }
    for loss, value in expected.items():
        total, count = loss(matched)
        torch.testing.assert_close(total, value)
        assert count == matched.positives


def test_the_absolute_errors_count_in_the_last_steps_only() -> None:
    assert late_l1(draw(0, progress=0.94))[0].item() == 0.0
    assert late_l1(draw(0, progress=0.94), start=0.9)[0].item() > 0.0


@pytest.mark.parametrize("loss", [squared_iou, objectness, class_by_iou, late_l1])
def test_losses_are_finite_without_objects_and_for_extreme_predictions(loss: object) -> None:
    matched = draw(0, progress=1.0)
    raw = matched.raw
    assert raw.objectness is not None
    assert callable(loss)
    empty = BoxBatch(
        torch.zeros(2, 1, 4), torch.full((2, 1), -1), torch.zeros(2, 1, dtype=torch.bool), matched.annotated
    )
    nothing = gather(raw, CODER, torch.full_like(matched.target, BACKGROUND), empty, 1.0)
    assert torch.isfinite(loss(nothing)[0])
    extreme = raw._replace(deltas=50 * raw.deltas, logits=1e4 * raw.logits, objectness=1e4 * raw.objectness)
    assert torch.isfinite(loss(matched._replace(raw=extreme))[0])


def test_a_cell_that_may_show_a_class_nobody_annotated_gets_no_objectness_gradient() -> None:
    annotated = torch.tensor([[True, True, True, True], [True, False, True, True]])
    matched = draw(3, annotated=annotated)
    logits = matched.raw.logits.detach().clone()
    logits[:, 5, 1] = 9.0  # this cell looks like an object of class 1, in both images
    logits[:, 6, 2] = 9.0
    target = matched.target.clone()
    target[:, 5:7] = BACKGROUND
    matched = matched._replace(raw=matched.raw._replace(logits=logits), target=target)
    assert rejected(matched)[:, 5:7].tolist() == [[True, True], [False, True]]
    value = objectness(matched)[0]
    assert matched.raw.objectness is not None
    (gradient,) = torch.autograd.grad(value, [matched.raw.objectness])
    assert (gradient[:, 5:7] != 0).tolist() == [[True, True], [False, True]]
    assert (gradient[matched.target == IGNORE] == 0).all()
    assert (gradient[matched.target >= 0] < 0).all(), "positives are always pushed up"


def test_scores_are_the_probability_of_an_object_of_the_class() -> None:
    raw = draw(0).raw
    assert raw.objectness is not None
    torch.testing.assert_close(object_scores(raw), raw.objectness.sigmoid()[..., None] * raw.logits.sigmoid())
