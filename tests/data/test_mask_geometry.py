"""The mask of a filled box stays aligned with the box under every preset, and color changes do not affect it."""

import pytest
import torch
from builders.colored_images import extent, painted, scenes
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.ops import box_iou

from polyhead.data.augment.color import PhotometricDistortion
from polyhead.data.augment.transforms import PRESETS, Eval, train_transform
from polyhead.data.augment.yolov4 import Yolov4
from polyhead.data.geometry.affine import Placement, affine_matrix, compose, paste
from polyhead.data.geometry.crop import flip
from polyhead.data.geometry.plane import ImageSample
from polyhead.rng import fork_rng
from polyhead.types import IGNORED

SIZE = (96, 128)
SETTINGS = settings(max_examples=60, deadline=None)


def overlap(sample: ImageSample) -> float:
    """Return the IoU of the only box and the bounding box of its mask; 1 if the box was removed or is ignored."""
    assert sample.mask is not None
    boxes = sample.boxes.as_subclass(Tensor)[~sample.ignore]
    hull = extent(sample.mask.as_subclass(Tensor) == 1)
    if boxes.shape[0] == 0:
        return 1.0
    assert hull is not None
    return float(box_iou(boxes, hull[None])[0, 0])


@SETTINGS
@given(scenes(), st.sampled_from(sorted(PRESETS)), st.integers(0, 1000))
def test_presets_keep_masks_and_boxes_together(sample: ImageSample, preset: str, seed: int) -> None:
    transforms = Yolov4(erase=0.0) if preset == "yolov4" else preset
    with fork_rng(seed):
        result = train_transform(transforms, SIZE)(sample)
    assert result.mask is not None
    assert result.mask.shape == SIZE
    assert result.mask.dtype == torch.uint8
    assert set(result.mask.flatten().tolist()) <= {0, 1, IGNORED}
    boxes = result.boxes.as_subclass(Tensor)[~result.ignore]
    if (
        boxes.shape[0] and (boxes[0, 2:] - boxes[0, :2]).min() > 12
    ):  # rounding changes smaller ones by more than a tenth
        assert overlap(result) >= 0.8


@SETTINGS
@given(scenes(), st.sampled_from(["stretch", "letterbox"]))
def test_evaluation_keeps_masks_and_boxes_together(sample: ImageSample, fit: str) -> None:
    assert overlap(Eval(SIZE, fit)(sample)) >= 0.8


@given(scenes())
def test_flips_are_exact(sample: ImageSample) -> None:
    result = flip(sample)
    assert overlap(result) == 1.0
    assert torch.equal(flip(result).mask, sample.mask)  # type: ignore[arg-type]  # both have masks


@SETTINGS
@given(st.floats(-30, 30), st.floats(0.7, 1.5), st.booleans())
def test_rotated_masks_stay_in_their_boxes(degrees: float, scale: float, mirrored: bool) -> None:
    sample = painted((100, 100), (30, 35, 70, 60), (250, 0, 0))
    matrix = compose(affine_matrix((160, 160), degrees, scale=scale, mirror=(mirrored, False)), 1.0, (-50.0, -50.0))
    result = paste([Placement(sample, matrix)], (160, 160))
    assert overlap(result) >= 0.9
    shown = (result.mask == 1).sum()  # type: ignore[union-attr]  # it has one
    assert float(shown) == pytest.approx(40 * 25 * scale**2, rel=0.1)


@given(st.integers(0, 1000))
def test_color_changes_do_not_affect_masks(seed: int) -> None:
    sample = painted((40, 40), (5, 5, 30, 20), (250, 0, 0))
    with fork_rng(seed):
        result = PhotometricDistortion()(sample)
    assert torch.equal(result.mask, sample.mask)  # type: ignore[arg-type]  # both have masks
