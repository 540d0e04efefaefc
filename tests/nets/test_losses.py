from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, kl_div
from torchvision.models.detection._utils import BoxCoder, SSDMatcher
from torchvision.models.detection.ssd import SSD
from torchvision.ops import box_iou, complete_box_iou_loss, sigmoid_focal_loss

from polyhead.boxes.anchors import DefaultBoxes, cxcywh_to_xyxy
from polyhead.boxes.coders import DeltaCoder
from polyhead.boxes.matching import by_iou
from polyhead.boxes.raw import IGNORE, DensePredictions, Matched, gather
from polyhead.nets.losses import (
    Loss,
    binary_divergence,
    ciou,
    dice,
    focal,
    hard_negative_ce,
    huber,
    kullback_leibler,
    smooth_l1,
)
from polyhead.types import BoxBatch, LossTerm, SumCount

CLASSES = 5
ANCHORS, STRIDES = DefaultBoxes([[2.0], [2.0, 3.0], [2.0]])(
    [(10, 10), (5, 5), (3, 3)], [10, 20, 40], (100, 100), torch.device("cpu")
)
CODER = DeltaCoder(0.1, 0.2)


def draw(seed: int, counts: list[int], annotated: Tensor | None = None) -> tuple[DensePredictions, BoxBatch]:
    generator = torch.Generator().manual_seed(seed)
    images, most = len(counts), max(1, *counts)
    low = torch.rand(images, most, 2, generator=generator) * 50
    boxes = torch.cat([low, low + 15 + 30 * torch.rand(images, most, 2, generator=generator)], dim=2)
    labels = torch.randint(0, CLASSES, (images, most), generator=generator)
    for row, count in enumerate(counts):
        boxes[row, count:], labels[row, count:] = 0, -1
    deltas = torch.randn(images, ANCHORS.shape[0], 4, generator=generator).requires_grad_()
    logits = (3 * torch.randn(images, ANCHORS.shape[0], CLASSES + 1, generator=generator)).requires_grad_()
    every = torch.ones(images, CLASSES, dtype=torch.bool)
    ignore = torch.zeros_like(labels, dtype=torch.bool)
    batch = BoxBatch(boxes, labels, ignore, every if annotated is None else annotated)
    return DensePredictions(deltas, logits, None, ANCHORS, STRIDES, (100, 100)), batch


def match(raw: DensePredictions, batch: BoxBatch) -> Matched:
    return gather(raw, CODER, by_iou(raw, CODER, batch), batch)


def value(*found: SumCount) -> Tensor:
    """Return the sum of the values of losses."""
    return torch.stack([LossTerm(*each).value for each in found]).sum()


@pytest.mark.parametrize("seed", range(5))
def test_ssd_loss_and_its_gradients_equal_those_of_torchvision(seed: int) -> None:
    raw, batch = draw(seed, [3, 1, 0, 2])
    targets = [
        {"boxes": boxes[labels >= 0], "labels": labels[labels >= 0] + 1}
        for boxes, labels in zip(batch.boxes, batch.labels, strict=True)
    ]
    matcher, none = SSDMatcher(0.5), torch.full((ANCHORS.shape[0],), -1)
    overlaps = [box_iou(target["boxes"], cxcywh_to_xyxy(ANCHORS)) for target in targets]
    indices = [matcher(overlap) if overlap.shape[0] else none for overlap in overlaps]
    reference = SimpleNamespace(box_coder=BoxCoder((10.0, 10.0, 5.0, 5.0)), neg_to_pos_ratio=3)
    deltas, logits = raw.deltas.detach().requires_grad_(), raw.logits.detach().requires_grad_()
    expected = SSD.compute_loss(
        reference,
        targets,
        {"bbox_regression": deltas, "cls_logits": logits.roll(1, dims=2)},
        [cxcywh_to_xyxy(ANCHORS)] * 4,
        indices,
    )
    mine = by_iou(raw, CODER, batch)
    for index, overlap, given in zip(mine, overlaps, indices, strict=True):
        shared = overlap.shape[0] > 1 and overlap.argmax(1).unique().shape[0] < overlap.shape[0]
        # If targets share their best anchor, torchvision gives no anchor to one of them.
        assert shared or torch.equal(index, given)
    matched = gather(raw, CODER, torch.stack(indices), batch)
    box, label = value(smooth_l1(matched)), value(hard_negative_ce(matched, min_negatives=0))
    assert float(box.detach()) == pytest.approx(float(expected["bbox_regression"].detach()), abs=2e-6, rel=1e-6)
    assert float(label.detach()) == pytest.approx(float(expected["classification"].detach()), abs=2e-6, rel=1e-6)
    torch.autograd.backward(box + label)
    torch.autograd.backward(sum(expected.values()))
    torch.testing.assert_close(raw.deltas.grad, deltas.grad)
    torch.testing.assert_close(raw.logits.grad, logits.grad)


def test_a_batch_without_objects_has_a_bounded_loss_for_background() -> None:
    raw, batch = draw(0, [0, 0])
    matched = match(raw, batch)
    box, label = value(smooth_l1(matched)), value(hard_negative_ce(matched))
    torch.autograd.backward(box + label)
    assert float(box.detach()) == 0
    assert raw.deltas.grad is not None
    assert raw.logits.grad is not None
    has_gradient = (raw.logits.grad != 0).any(dim=2)
    assert has_gradient.sum(dim=1).tolist() == [16, 16]
    assert (raw.logits.grad[..., -1][has_gradient] < 0).all()
    losses = -raw.logits.detach().log_softmax(dim=2)[..., -1]
    mean = losses.topk(16, dim=1).values.mean()
    assert float(label.detach()) == pytest.approx(3 * float(mean), rel=1e-5)


def test_ignored_anchors_get_no_gradient() -> None:
    raw, batch = draw(1, [2, 2])
    index = torch.full((2, ANCHORS.shape[0]), IGNORE)
    index[0, 7] = 1
    matched = gather(raw, CODER, index, batch)
    torch.autograd.backward(value(smooth_l1(matched), hard_negative_ce(matched)))
    assert raw.logits.grad is not None
    assert raw.logits.grad.any(dim=2).nonzero().tolist() == [[0, 7]]


def test_classes_that_are_not_annotated_count_as_background() -> None:
    annotated = torch.tensor([[True, True, False, True, False]])
    raw, batch = draw(2, [0], annotated)
    torch.autograd.backward(value(hard_negative_ce(match(raw, batch))))
    gradient = raw.logits.grad
    assert gradient is not None
    has_gradient = gradient.any(dim=2)
    assert (gradient[has_gradient][:, [0, 1, 3]] > 0).all()  # pushed down
    assert (gradient[has_gradient][:, [2, 4, 5]] < 0).all()  # not pushed down: they count as background
    merged = raw.logits.detach().softmax(dim=2)[0, :, [2, 4, 5]].sum(dim=1)
    hardest = set(merged.topk(16, largest=False).indices.tolist())
    assert set(has_gradient[0].nonzero()[:, 0].tolist()) == hardest


def test_without_annotated_classes_there_is_no_loss() -> None:
    raw, batch = draw(3, [0, 0], torch.zeros(2, CLASSES, dtype=torch.bool))
    loss = value(hard_negative_ce(match(raw, batch)))
    torch.autograd.backward(loss)
    assert float(loss.detach()) == 0
    assert raw.logits.grad is not None
    assert raw.logits.grad.abs().max() < 1e-6


def without_background(matched: Matched) -> Matched:
    """Remove the background logit, which only softmax heads have."""
    return matched._replace(raw=matched.raw._replace(logits=matched.raw.logits[..., :CLASSES]))


def one_hot_target(matched: Matched) -> Tensor:
    """Return 1 for the class of each positive, else 0."""
    rows = torch.zeros_like(matched.raw.logits)
    rows[matched.batch_idx, matched.anchor_idx, matched.labels] = 1
    return rows


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 1.5), (0.25, 2.0), (0.6, 0.0)])
def test_focal_loss_and_its_gradient_equal_those_of_torchvision(seed: int, alpha: float, gamma: float) -> None:
    raw, batch = draw(seed, [3, 0, 1])
    matched = without_background(match(raw, batch))
    logits = raw.logits.detach()[..., :CLASSES].requires_grad_()
    expected = sigmoid_focal_loss(logits, one_hot_target(matched), alpha, gamma, "sum") / matched.positives
    loss = value(focal(matched, alpha, gamma))
    torch.testing.assert_close(loss, expected)
    torch.autograd.backward(loss)
    torch.autograd.backward(expected)
    assert raw.logits.grad is not None
    torch.testing.assert_close(raw.logits.grad[..., :CLASSES], logits.grad)


def test_label_smoothing_changes_the_entropy_but_not_the_focusing_factor() -> None:
    raw, batch = draw(5, [2, 1])
    matched = without_background(match(raw, batch))
    positive = one_hot_target(matched)
    probability = matched.raw.logits.sigmoid()
    focus = torch.where(positive > 0, 0.25 * (1 - probability) ** 1.5, 0.75 * probability**1.5)
    smooth = positive * 0.9 + 0.05
    entropy = -smooth * probability.log() - (1 - smooth) * (1 - probability).log()
    expected = (focus * entropy).sum() / matched.positives
    torch.testing.assert_close(value(focal(matched, label_smoothing=0.1)), expected)


def focal_gradient(seed: int, annotated: Tensor) -> tuple[Tensor, Matched]:
    raw, batch = draw(seed, [3, 2], annotated)
    matched = match(raw, batch)
    torch.autograd.backward(value(focal(without_background(matched))))
    assert raw.logits.grad is not None
    return raw.logits.grad[..., :CLASSES], matched


@pytest.mark.parametrize("label", range(CLASSES))
def test_a_class_that_is_not_annotated_has_no_negatives_and_nothing_else_changes(label: int) -> None:
    every = torch.ones(2, CLASSES, dtype=torch.bool)
    some = every.clone()
    some[1, label] = False
    before, matched = focal_gradient(6, every)
    after, _ = focal_gradient(6, some)
    unannotated = torch.zeros_like(before, dtype=torch.bool)
    unannotated[1, :, label] = True
    unannotated[matched.batch_idx, matched.anchor_idx, matched.labels] = False
    assert torch.equal(before != after, unannotated)
    assert not after[unannotated].any()
    assert after[~unannotated].all()


def test_ignored_anchors_get_no_gradient_in_sigmoid_heads() -> None:
    raw, batch = draw(1, [2, 2])
    index = torch.full((2, ANCHORS.shape[0]), IGNORE)
    index[0, 7] = 1
    matched = without_background(gather(raw, CODER, index, batch))
    torch.autograd.backward(value(focal(matched), huber(matched), ciou(matched)))
    assert raw.logits.grad is not None
    assert raw.deltas.grad is not None
    assert raw.logits.grad.any(dim=2).nonzero().tolist() == [[0, 7]]
    assert raw.deltas.grad.any(dim=2).nonzero().tolist() == [[0, 7]]


def test_a_batch_without_objects_has_no_box_loss_and_lowers_all_class_scores() -> None:
    raw, batch = draw(0, [0, 0])
    matched = without_background(match(raw, batch))
    boxes, label = value(huber(matched), ciou(matched)), value(focal(matched))
    torch.autograd.backward(boxes + label)
    assert float(boxes.detach()) == 0
    assert raw.logits.grad is not None
    assert (raw.logits.grad[..., :CLASSES] > 0).all()


def test_huber_loss_is_quadratic_below_delta_and_linear_above() -> None:
    raw, batch = draw(2, [2, 1])
    matched = match(raw, batch)
    anchors, strides = ANCHORS[matched.anchor_idx], STRIDES[matched.anchor_idx]
    target = CODER.encode(matched.boxes, anchors, strides)
    error = (raw.deltas[matched.batch_idx, matched.anchor_idx] - target).abs()
    expected = torch.where(error < 0.1, error**2 / 2, 0.1 * (error - 0.05)).mean(dim=1).sum() / matched.positives
    torch.testing.assert_close(value(huber(matched)), expected)


def test_ciou_equals_that_of_torchvision_and_is_0_for_perfect_boxes() -> None:
    raw, batch = draw(3, [2, 1])
    matched = match(raw, batch)
    boxes = CODER.decode(raw.deltas, ANCHORS, STRIDES)[matched.batch_idx, matched.anchor_idx]
    expected = complete_box_iou_loss(boxes, matched.boxes, reduction="sum") / matched.positives
    torch.testing.assert_close(value(ciou(matched)), expected)
    deltas = raw.deltas.detach().clone()
    anchors, strides = ANCHORS[matched.anchor_idx], STRIDES[matched.anchor_idx]
    deltas[matched.batch_idx, matched.anchor_idx] = CODER.encode(matched.boxes, anchors, strides)
    assert float(value(ciou(matched._replace(raw=raw._replace(deltas=deltas))))) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("loss", [huber, ciou, focal, partial(focal, gamma=0.5), partial(focal, label_smoothing=0.1)])
@pytest.mark.parametrize("factor", [1e4, -1e4])
def test_losses_of_large_predictions_are_finite(loss: Loss, factor: float) -> None:
    raw, batch = draw(4, [2, 0])
    extreme = raw._replace(deltas=raw.deltas * factor, logits=raw.logits * factor)
    total = value(loss(without_background(match(extreme, batch))))
    torch.autograd.backward(total)
    assert total.isfinite()
    assert all(each.grad is None or each.grad.isfinite().all() for each in (raw.deltas, raw.logits))


@pytest.mark.parametrize("loss", [smooth_l1, hard_negative_ce, partial(hard_negative_ce, ratio=1, min_negatives=0)])
def test_losses_of_large_logits_are_finite(loss: Loss) -> None:
    raw, batch = draw(4, [2, 0])
    extreme = raw._replace(deltas=raw.deltas * 1e4, logits=raw.logits * 1e4)
    total = value(loss(match(extreme, batch)))
    torch.autograd.backward(total)
    assert total.isfinite()
    assert raw.logits.grad is None or raw.logits.grad.isfinite().all()


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3), (6, 5, 3, 4)])
def test_kl_divergence_equals_that_of_torch_and_does_not_grow_with_the_map(shape: tuple[int, ...]) -> None:
    """It is multiplied by the square of the temperature, and a mean over all positions instead of a sum."""
    generator = torch.Generator().manual_seed(len(shape))
    student, teacher = (3 * torch.randn(shape, generator=generator) for _ in range(2))
    logs, expected = ((each / 2.5).log_softmax(dim=1) for each in (student, teacher))
    divergence = kl_div(logs, expected, reduction="none", log_target=True).sum(dim=1).mean()
    torch.testing.assert_close(kullback_leibler(student, teacher, 2.5), 2.5**2 * divergence)
    assert float(kullback_leibler(teacher, teacher, 2.5)) == pytest.approx(0, abs=1e-6)


def test_binary_divergence_is_cross_entropy_minus_its_minimum() -> None:
    generator = torch.Generator().manual_seed(0)
    scores, teacher = (torch.rand(2, 7, 3, generator=generator) for _ in range(2))
    above = binary_cross_entropy(scores, teacher, reduction="none") - binary_cross_entropy(
        teacher, teacher, reduction="none"
    )
    torch.testing.assert_close(binary_divergence(scores, teacher), above.sum(dim=2))


@pytest.mark.parametrize("seed", range(5))
def test_dice_is_averaged_over_the_classes_in_the_batch(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 4, 6, 5, generator=generator, requires_grad=True)
    target = torch.randint(0, 3, (2, 6, 5), generator=generator)  # class 3 does not occur
    target[0, :2] = 255
    probabilities, losses = logits.softmax(dim=1), []
    for label in range(3):
        is_label = (target == label).float()
        given, both = (probabilities[:, label] * (target != 255)).sum(), (probabilities[:, label] * is_label).sum()
        losses.append(1 - (2 * both + 1) / (given + is_label.sum() + 1))
    expected = torch.stack(losses).mean()
    found = value(dice(probabilities, target, 255))
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(each, logits, retain_graph=True)[0] for each in (found, expected)))
