from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, kl_div
from torchvision.models.detection._utils import BoxCoder, SSDMatcher
from torchvision.models.detection.ssd import SSD
from torchvision.ops import box_iou, complete_box_iou_loss, sigmoid_focal_loss

from polyhead.boxes.anchors import DefaultBoxes, corners
from polyhead.boxes.coders import Offsets
from polyhead.boxes.matching import by_iou
from polyhead.boxes.raw import IGNORE, Matched, Raw, gather
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
from polyhead.types import Batch

CLASSES = 5
ANCHORS, STRIDES = DefaultBoxes([[2.0], [2.0, 3.0], [2.0]])(
    [(10, 10), (5, 5), (3, 3)], [10, 20, 40], (100, 100), torch.device("cpu")
)
CODER = Offsets(0.1, 0.2)


def draw(seed: int, counts: list[int], annotated: Tensor | None = None) -> tuple[Raw, Batch]:
    source = torch.Generator().manual_seed(seed)
    pictures, most = len(counts), max(1, *counts)
    low = torch.rand(pictures, most, 2, generator=source) * 50
    boxes = torch.cat([low, low + 15 + 30 * torch.rand(pictures, most, 2, generator=source)], dim=2)
    labels = torch.randint(0, CLASSES, (pictures, most), generator=source)
    for row, count in enumerate(counts):
        boxes[row, count:], labels[row, count:] = 0, -1
    codes = torch.randn(pictures, ANCHORS.shape[0], 4, generator=source).requires_grad_()
    logits = (3 * torch.randn(pictures, ANCHORS.shape[0], CLASSES + 1, generator=source)).requires_grad_()
    every = torch.ones(pictures, CLASSES, dtype=torch.bool)
    batch = Batch(
        torch.zeros(pictures, 3, 4, 4, dtype=torch.uint8),
        boxes,
        labels,
        torch.zeros_like(labels, dtype=torch.bool),
        every if annotated is None else annotated,
        torch.zeros(pictures, 3, 2),
        torch.zeros(pictures, 2, dtype=torch.int64),
        [""] * pictures,
    )
    return Raw(codes, logits, None, ANCHORS, STRIDES, (100, 100)), batch


def match(raw: Raw, batch: Batch) -> Matched:
    return gather(raw, CODER, by_iou(raw, CODER, batch), batch)


@pytest.mark.parametrize("seed", range(5))
def test_ssd_loss_and_its_gradients_equal_those_of_torchvision(seed: int) -> None:
    raw, batch = draw(seed, [3, 1, 0, 2])
    targets = [
        {"boxes": boxes[labels >= 0], "labels": labels[labels >= 0] + 1}
        for boxes, labels in zip(batch.boxes, batch.labels, strict=True)
    ]
    matcher, none = SSDMatcher(0.5), torch.full((ANCHORS.shape[0],), -1)
    overlaps = [box_iou(target["boxes"], corners(ANCHORS)) for target in targets]
    indices = [matcher(overlap) if overlap.shape[0] else none for overlap in overlaps]
    rival = SimpleNamespace(box_coder=BoxCoder((10.0, 10.0, 5.0, 5.0)), neg_to_pos_ratio=3)
    codes, logits = raw.codes.detach().requires_grad_(), raw.logits.detach().requires_grad_()
    expected = SSD.compute_loss(
        rival,
        targets,
        {"bbox_regression": codes, "cls_logits": logits.roll(1, dims=2)},
        [corners(ANCHORS)] * 4,
        indices,
    )
    mine = by_iou(raw, CODER, batch)
    for index, overlap, given in zip(mine, overlaps, indices, strict=True):
        shared = overlap.shape[0] > 1 and overlap.argmax(1).unique().shape[0] < overlap.shape[0]
        assert shared or torch.equal(
            index, given
        )  # where truths share their best anchor, torchvision leaves one without
    matched = gather(raw, CODER, torch.stack(indices), batch)
    box, label = smooth_l1(matched), hard_negative_ce(matched, least=0)
    assert float(box.detach()) == pytest.approx(float(expected["bbox_regression"].detach()), abs=2e-6, rel=1e-6)
    assert float(label.detach()) == pytest.approx(float(expected["classification"].detach()), abs=2e-6, rel=1e-6)
    torch.autograd.backward(box + label)
    torch.autograd.backward(sum(expected.values()))
    torch.testing.assert_close(raw.codes.grad, codes.grad)
    torch.testing.assert_close(raw.logits.grad, logits.grad)


def test_a_batch_without_objects_teaches_background_and_weighs_no_more_than_another() -> None:
    raw, batch = draw(0, [0, 0])
    matched = match(raw, batch)
    box, label = smooth_l1(matched), hard_negative_ce(matched)
    torch.autograd.backward(box + label)
    assert float(box.detach()) == 0
    assert raw.codes.grad is not None
    assert raw.logits.grad is not None
    taught = (raw.logits.grad != 0).any(dim=2)
    assert taught.sum(dim=1).tolist() == [16, 16]
    assert (raw.logits.grad[..., -1][taught] < 0).all()
    losses = -raw.logits.detach().log_softmax(dim=2)[..., -1]
    mean = losses.topk(16, dim=1).values.mean()
    assert float(label.detach()) == pytest.approx(3 * float(mean), rel=1e-5)


def test_ignored_anchors_get_no_gradient() -> None:
    raw, batch = draw(1, [2, 2])
    index = torch.full((2, ANCHORS.shape[0]), IGNORE)
    index[0, 7] = 1
    matched = gather(raw, CODER, index, batch)
    torch.autograd.backward(smooth_l1(matched) + hard_negative_ce(matched))
    assert raw.logits.grad is not None
    assert raw.logits.grad.any(dim=2).nonzero().tolist() == [[0, 7]]


def test_classes_that_were_not_looked_for_count_as_background() -> None:
    annotated = torch.tensor([[True, True, False, True, False]])
    raw, batch = draw(2, [0], annotated)
    torch.autograd.backward(hard_negative_ce(match(raw, batch)))
    gradient = raw.logits.grad
    assert gradient is not None
    taught = gradient.any(dim=2)
    assert (gradient[taught][:, [0, 1, 3]] > 0).all()  # pushed down
    assert (gradient[taught][:, [2, 4, 5]] < 0).all()  # not punished: they share in the background
    merged = raw.logits.detach().softmax(dim=2)[0, :, [2, 4, 5]].sum(dim=1)
    hardest = set(merged.topk(16, largest=False).indices.tolist())
    assert set(taught[0].nonzero()[:, 0].tolist()) == hardest


def test_nothing_looked_for_teaches_nothing() -> None:
    raw, batch = draw(3, [0, 0], torch.zeros(2, CLASSES, dtype=torch.bool))
    loss = hard_negative_ce(match(raw, batch))
    torch.autograd.backward(loss)
    assert float(loss.detach()) == 0
    assert raw.logits.grad is not None
    assert raw.logits.grad.abs().max() < 1e-6


def answers(matched: Matched) -> Matched:
    """Without the background that only softmax heads have."""
    return matched._replace(raw=matched.raw._replace(logits=matched.raw.logits[..., :CLASSES]))


def truth(matched: Matched) -> Tensor:
    """1 for the class of each positive, else 0."""
    rows = torch.zeros_like(matched.raw.logits)
    rows[matched.picture, matched.anchor, matched.labels] = 1
    return rows


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 1.5), (0.25, 2.0), (0.6, 0.0)])
def test_focal_loss_and_its_gradient_equal_those_of_torchvision(seed: int, alpha: float, gamma: float) -> None:
    raw, batch = draw(seed, [3, 0, 1])
    matched = answers(match(raw, batch))
    logits = raw.logits.detach()[..., :CLASSES].requires_grad_()
    expected = sigmoid_focal_loss(logits, truth(matched), alpha, gamma, "sum") / matched.positives
    loss = focal(matched, alpha, gamma)
    torch.testing.assert_close(loss, expected)
    torch.autograd.backward(loss)
    torch.autograd.backward(expected)
    assert raw.logits.grad is not None
    torch.testing.assert_close(raw.logits.grad[..., :CLASSES], logits.grad)


def test_smoothed_labels_change_the_entropy_but_not_the_focus() -> None:
    raw, batch = draw(5, [2, 1])
    matched = answers(match(raw, batch))
    wanted = truth(matched)
    chance = matched.raw.logits.sigmoid()
    focus = torch.where(wanted > 0, 0.25 * (1 - chance) ** 1.5, 0.75 * chance**1.5)
    smooth = wanted * 0.9 + 0.05
    entropy = -smooth * chance.log() - (1 - smooth) * (1 - chance).log()
    expected = (focus * entropy).sum() / matched.positives
    torch.testing.assert_close(focal(matched, label_smoothing=0.1), expected)


def focal_gradient(seed: int, annotated: Tensor) -> tuple[Tensor, Matched]:
    raw, batch = draw(seed, [3, 2], annotated)
    matched = match(raw, batch)
    torch.autograd.backward(focal(answers(matched)))
    assert raw.logits.grad is not None
    return raw.logits.grad[..., :CLASSES], matched


@pytest.mark.parametrize("label", range(CLASSES))
def test_a_class_that_was_not_looked_for_has_no_negatives_in_its_picture_and_nothing_else_changes(label: int) -> None:
    every = torch.ones(2, CLASSES, dtype=torch.bool)
    some = every.clone()
    some[1, label] = False
    before, matched = focal_gradient(6, every)
    after, _ = focal_gradient(6, some)
    silent = torch.zeros_like(before, dtype=torch.bool)
    silent[1, :, label] = True
    silent[matched.picture, matched.anchor, matched.labels] = False
    assert torch.equal(before != after, silent)
    assert not after[silent].any()
    assert after[~silent].all()


def test_ignored_anchors_are_silent_in_sigmoid_heads_too() -> None:
    raw, batch = draw(1, [2, 2])
    index = torch.full((2, ANCHORS.shape[0]), IGNORE)
    index[0, 7] = 1
    matched = answers(gather(raw, CODER, index, batch))
    torch.autograd.backward(focal(matched) + huber(matched) + ciou(matched))
    assert raw.logits.grad is not None
    assert raw.codes.grad is not None
    assert raw.logits.grad.any(dim=2).nonzero().tolist() == [[0, 7]]
    assert raw.codes.grad.any(dim=2).nonzero().tolist() == [[0, 7]]


def test_a_batch_without_objects_has_no_box_loss_and_all_its_classes_are_pushed_down() -> None:
    raw, batch = draw(0, [0, 0])
    matched = answers(match(raw, batch))
    boxes, label = huber(matched) + ciou(matched), focal(matched)
    torch.autograd.backward(boxes + label)
    assert float(boxes.detach()) == 0
    assert raw.logits.grad is not None
    assert (raw.logits.grad[..., :CLASSES] > 0).all()


def test_huber_loss_is_quadratic_below_delta_and_even_above() -> None:
    raw, batch = draw(2, [2, 1])
    matched = match(raw, batch)
    anchors, strides = ANCHORS[matched.anchor], STRIDES[matched.anchor]
    target = CODER.encode(matched.boxes, anchors, strides)
    error = (raw.codes[matched.picture, matched.anchor] - target).abs()
    expected = torch.where(error < 0.1, error**2 / 2, 0.1 * (error - 0.05)).mean(dim=1).sum() / matched.positives
    torch.testing.assert_close(huber(matched), expected)


def test_ciou_is_that_of_the_decoded_boxes_and_nothing_for_perfect_ones() -> None:
    raw, batch = draw(3, [2, 1])
    matched = match(raw, batch)
    boxes = CODER.decode(raw.codes, ANCHORS, STRIDES)[matched.picture, matched.anchor]
    expected = complete_box_iou_loss(boxes, matched.boxes, reduction="sum") / matched.positives
    torch.testing.assert_close(ciou(matched), expected)
    codes = raw.codes.detach().clone()
    anchors, strides = ANCHORS[matched.anchor], STRIDES[matched.anchor]
    codes[matched.picture, matched.anchor] = CODER.encode(matched.boxes, anchors, strides)
    assert float(ciou(matched._replace(raw=raw._replace(codes=codes)))) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("loss", [huber, ciou, focal, partial(focal, gamma=0.5), partial(focal, label_smoothing=0.1)])
@pytest.mark.parametrize("factor", [1e4, -1e4])
def test_large_answers_stay_finite(loss: Loss, factor: float) -> None:
    raw, batch = draw(4, [2, 0])
    extreme = raw._replace(codes=raw.codes * factor, logits=raw.logits * factor)
    value = loss(answers(match(extreme, batch)))
    torch.autograd.backward(value)
    assert value.isfinite()
    assert all(each.grad is None or each.grad.isfinite().all() for each in (raw.codes, raw.logits))


@pytest.mark.parametrize("loss", [smooth_l1, hard_negative_ce, partial(hard_negative_ce, ratio=1, least=0)])
def test_large_logits_stay_finite(loss: Loss) -> None:
    raw, batch = draw(4, [2, 0])
    extreme = raw._replace(codes=raw.codes * 1e4, logits=raw.logits * 1e4)
    value = loss(match(extreme, batch))
    torch.autograd.backward(value)
    assert value.isfinite()
    assert raw.logits.grad is None or raw.logits.grad.isfinite().all()


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3), (6, 5, 3, 4)])
def test_divergence_from_a_teacher_is_that_of_torch_and_does_not_grow_with_the_map(shape: tuple[int, ...]) -> None:
    """Times the square of the temperature; a mean over all places, not a sum that a larger map would make heavier."""
    source = torch.Generator().manual_seed(len(shape))
    student, teacher = (3 * torch.randn(shape, generator=source) for _ in range(2))
    logs, wanted = ((each / 2.5).log_softmax(dim=1) for each in (student, teacher))
    apart = kl_div(logs, wanted, reduction="none", log_target=True).sum(dim=1).mean()
    torch.testing.assert_close(kullback_leibler(student, teacher, 2.5), 2.5**2 * apart)
    assert float(kullback_leibler(teacher, teacher, 2.5)) == pytest.approx(0, abs=1e-6)


def test_divergence_of_a_yes_or_no_is_what_cross_entropy_has_above_its_least() -> None:
    source = torch.Generator().manual_seed(0)
    scores, teacher = (torch.rand(2, 7, 3, generator=source) for _ in range(2))
    above = binary_cross_entropy(scores, teacher, reduction="none") - binary_cross_entropy(
        teacher, teacher, reduction="none"
    )
    torch.testing.assert_close(binary_divergence(scores, teacher), above.sum(dim=2))


@pytest.mark.parametrize("seed", range(5))
def test_dice_is_the_overlap_of_each_class_that_is_there(seed: int) -> None:
    source = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 4, 6, 5, generator=source, requires_grad=True)
    truth = torch.randint(0, 3, (2, 6, 5), generator=source)  # class 3 is nowhere
    truth[0, :2] = 255
    probabilities, losses = logits.softmax(dim=1), []
    for label in range(3):
        is_it = (truth == label).float()
        given, both = (probabilities[:, label] * (truth != 255)).sum(), (probabilities[:, label] * is_it).sum()
        losses.append(1 - (2 * both + 1) / (given + is_it.sum() + 1))
    expected = torch.stack(losses).mean()
    value = dice(probabilities, truth, 255)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(*(torch.autograd.grad(each, logits, retain_graph=True)[0] for each in (value, expected)))
