"""The mask of a filled box lies where the box lies, whatever a preset does to the picture; colours leave it alone."""

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
from polyhead.data.geometry.affine import Patch, camera, collage, placed
from polyhead.data.geometry.crop import flip
from polyhead.rng import seeded
from polyhead.types import IGNORED, Sample

SIZE = (96, 128)
FEW = settings(max_examples=60, deadline=None)


def overlap(sample: Sample) -> float:
    """IoU of the only box and the hull of its pixels in the mask; 1 where the box is gone or ignored."""
    assert sample.mask is not None
    kept = sample.boxes.as_subclass(Tensor)[~sample.ignore]
    hull = extent(sample.mask.as_subclass(Tensor) == 1)
    if kept.shape[0] == 0:
        return 1.0
    assert hull is not None
    return float(box_iou(kept, hull[None])[0, 0])


@FEW
@given(scenes(), st.sampled_from(sorted(PRESETS)), st.integers(0, 1000))
def test_presets_keep_masks_and_boxes_together(sample: Sample, preset: str, seed: int) -> None:
    look = Yolov4(erase=0.0) if preset == "yolov4" else preset
    with seeded(seed):
        seen = train_transform(look, SIZE)(sample)
    assert seen.mask is not None
    assert seen.mask.shape == SIZE
    assert seen.mask.dtype == torch.uint8
    assert set(seen.mask.flatten().tolist()) <= {0, 1, IGNORED}
    kept = seen.boxes.as_subclass(Tensor)[~seen.ignore]
    if kept.shape[0] and (kept[0, 2:] - kept[0, :2]).min() > 12:  # smaller ones are rounded by more than a tenth
        assert overlap(seen) >= 0.8


@FEW
@given(scenes(), st.sampled_from(["stretch", "letterbox"]))
def test_evaluation_keeps_masks_and_boxes_together(sample: Sample, fit: str) -> None:
    assert overlap(Eval(SIZE, fit)(sample)) >= 0.8


@given(scenes())
def test_flips_are_exact(sample: Sample) -> None:
    seen = flip(sample)
    assert overlap(seen) == 1.0
    assert torch.equal(flip(seen).mask, sample.mask)  # type: ignore[arg-type]  # both have masks


@FEW
@given(st.floats(-30, 30), st.floats(0.7, 1.5), st.booleans())
def test_turned_masks_stay_in_their_turned_boxes(degrees: float, scale: float, mirrored: bool) -> None:
    sample = painted((100, 100), (30, 35, 70, 60), (250, 0, 0))
    matrix = placed(camera((160, 160), degrees, scale=scale, mirror=(mirrored, False)), 1.0, (-50.0, -50.0))
    seen = collage([Patch(sample, matrix)], (160, 160))
    assert overlap(seen) >= 0.9
    shown = (seen.mask == 1).sum()  # type: ignore[union-attr]  # it has one
    assert float(shown) == pytest.approx(40 * 25 * scale**2, rel=0.1)


@given(st.integers(0, 1000))
def test_colours_leave_masks_alone(seed: int) -> None:
    sample = painted((40, 40), (5, 5, 30, 20), (250, 0, 0))
    with seeded(seed):
        seen = PhotometricDistortion()(sample)
    assert torch.equal(seen.mask, sample.mask)  # type: ignore[arg-type]  # both have masks
