import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.nets.heads.segment import PixelLogits, Segment
from polyhead.types import Batch, Mask, MaskBatch, Meta, Pyramid, PyramidSpec, TaskInfo

SPEC, INFO = PyramidSpec([4], [16]), TaskInfo(["background", "cat", "dog"])


def batch(masks: torch.Tensor) -> Batch:
    return Batch(torch.zeros(2, 3, 16, 16, dtype=torch.uint8), MaskBatch(masks), [Meta("a"), Meta("b")])


def perfect(masks: torch.Tensor, logit: float = 20.0) -> PixelLogits:
    known = masks.long().clamp(max=2)
    logits = logit * torch.nn.functional.one_hot(known, 3).movedim(-1, 1).float()
    return PixelLogits(logits, (masks.shape[1], masks.shape[2]))


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000))
def test_perfect_predictions_have_no_loss_and_decode_to_the_target(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    masks = torch.randint(0, 3, (2, 16, 16), generator=generator, dtype=torch.uint8)
    head = Segment(SPEC, INFO)
    raw = perfect(masks)
    assert all(float(loss.value) < 1e-3 for loss in head.losses(raw, batch(masks)).values())
    assert torch.equal(torch.stack([each.classes for each in head.decode(raw)]), masks.long())


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000))
def test_ignored_pixels_do_not_change_the_loss(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    masks = torch.randint(0, 3, (2, 16, 16), generator=generator, dtype=torch.uint8)
    masks[:, 4:9] = 255
    logits = torch.randn(2, 3, 16, 16, generator=generator)
    other = logits.clone()
    other[:, :, 4:9] = torch.randn(2, 3, 5, 16, generator=generator)
    head = Segment(SPEC, INFO)
    first, second = (head.losses(PixelLogits(each, (16, 16)), batch(masks)) for each in (logits, other))
    for name in first:
        torch.testing.assert_close(first[name].value, second[name].value)


def test_a_batch_of_ignored_pixels_has_no_loss_and_no_gradient() -> None:
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    losses = Segment(SPEC, INFO).losses(PixelLogits(logits, (16, 16)), batch(torch.full((2, 16, 16), 255).byte()))
    torch.autograd.backward(torch.stack([loss.value for loss in losses.values()]).sum())
    assert all(float(loss.value.detach()) == 0 for loss in losses.values())
    assert logits.grad is not None
    assert not logits.grad.any()


def test_dice_penalizes_a_missed_small_class_more_than_cross_entropy() -> None:
    masks = torch.zeros(2, 16, 16, dtype=torch.uint8)
    masks[0, :2, :2] = 1
    missed = perfect(torch.zeros_like(masks), logit=8.0)
    losses = Segment(SPEC, INFO).losses(missed, batch(masks))
    assert float(losses["class"].value) < 0.1
    assert float(losses["dice"].value) > 0.3


def test_masks_have_the_size_of_the_canvas_for_any_stride() -> None:
    head = Segment(SPEC, INFO).eval()
    raw = head(Pyramid([torch.randn(2, 4, 5, 7)], (75, 100)))
    assert [each.classes.shape for each in head.decode(raw)] == [(75, 100)] * 2


def test_a_region_is_explained_by_its_mean_logit() -> None:
    head = Segment(PyramidSpec([4], [1]), TaskInfo(["background", "cat"]))
    logits = torch.zeros(1, 2, 2, 3)
    logits[0, 1] = torch.tensor([[5.0, 3.0, -1.0], [-2.0, -2.0, -2.0]])
    raw = PixelLogits(logits, (2, 3))
    (found,) = head.decode(raw)
    assert head.logit(raw, found, 1) == 4
    assert head.logit(raw, Mask(torch.zeros(2, 3)), 1) == pytest.approx(1 / 6)  # nowhere: the mean over the image


def test_all_levels_add_to_the_logits_at_the_finest_resolution() -> None:
    spec = PyramidSpec([4, 6], [8, 16])
    levels = [torch.randn(2, 4, 4, 4), torch.randn(2, 6, 1, 1).expand(2, 6, 2, 2)]
    head = Segment(spec, INFO, all_levels=True)
    logits = head(Pyramid(levels, (32, 32))).logits
    assert logits.shape == (2, 3, 4, 4)
    expected = head.last(levels[0]) + head.coarser[0](levels[1])[..., :1, :1]  # the coarse level is constant
    torch.testing.assert_close(logits, expected)
    assert not Segment(spec, INFO).coarser
