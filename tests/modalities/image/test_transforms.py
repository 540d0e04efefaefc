"""What lies in the plane of an image moves with it; labels do not change; the original can be restored."""

import pickle
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple

import pytest
import torch
from builders.colored_images import COLORS, colored, extent, painted, same, scenes
from builders.fitted_images import image_modality
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.ops import box_iou
from torchvision.tv_tensors import TVTensor

from polyhead.data.augment.base import Augmentation
from polyhead.data.augment.transforms import PRESETS, train_transform
from polyhead.data.augment.yolov4 import Yolov4
from polyhead.data.geometry.plane import ImageMeta, ImageSample
from polyhead.kinds.detection import Detection
from polyhead.kinds.segmentation import Segmentation
from polyhead.modalities.image.transforms import from_plane, to_plane
from polyhead.rng import fork_rng
from polyhead.types import IGNORED, Boxes, ClassLabel, Detections, Mask, Sample

SIZE = (96, 128)
SETTINGS = settings(max_examples=40, deadline=None)
KEYS = st.integers(0, 1000)
ALONE: dict[str, str | Augmentation] = {**{name: name for name in PRESETS}, "yolov4": Yolov4(erase=0.0)}
"""Transforms that hide no part of an object."""
presets = pytest.mark.parametrize("preset", sorted(PRESETS))
fits = pytest.mark.parametrize("preset", ["plain", "yolov4", "yolox"])  # stretch, letterbox and corner


class Distance(NamedTuple):
    """A target of a kind that the modality does not know."""

    meters: Tensor


def with_target(plane: ImageSample, target: Any, name: str = "a") -> Sample:
    """Return an image of the builder as a decoded sample."""
    return Sample(plane.input, target, ImageMeta(name, (plane.input.shape[1], plane.input.shape[2])))


def boxed(plane: ImageSample, name: str = "a") -> Sample:
    """Return a sample of detection."""
    size = (plane.input.shape[1], plane.input.shape[2])
    boxes = plane.boxes.as_subclass(Tensor)
    areas = torch.full((len(boxes),), 5.0)
    return with_target(plane, Boxes(boxes, plane.labels, plane.ignore, areas, plane.annotated, size), name)


def masked(plane: ImageSample, name: str = "a") -> Sample:
    """Return a sample of segmentation."""
    assert plane.mask is not None
    return with_target(plane, Mask(plane.mask.as_subclass(Tensor)), name)


def drawn(transforms: str | Augmentation, sample: Sample, key: int) -> Sample:
    """Return a sample after the training transform with a fixed seed."""
    with fork_rng(key):
        return image_modality(SIZE, transforms).train(sample)


def overlap(boxes: Tensor, hull: Tensor | None) -> float:
    """Return the IoU of the only box and the box around its pixels."""
    assert hull is not None
    return float(box_iou(boxes, hull[None])[0, 0])


@presets
@SETTINGS
@given(plane=scenes(), key=KEYS)
def test_training_moves_boxes_as_the_augmentation_does(preset: str, plane: ImageSample, key: int) -> None:
    sample = boxed(plane)
    before = deepcopy(sample)
    result = drawn(preset, sample, key)
    assert same(sample, before), "the sample may come from a cache"
    with fork_rng(key):
        expected = train_transform(preset, SIZE)(plane._replace(mask=None))
    target = result.target
    assert torch.equal(result.input, expected.input)
    assert torch.equal(target.boxes, expected.boxes.as_subclass(Tensor))
    for name in ("labels", "ignore", "annotated"):
        assert torch.equal(getattr(target, name), getattr(expected, name)), name
    sides = target.boxes[:, 2:] - target.boxes[:, :2]
    assert torch.equal(target.areas, sides.prod(1))
    assert target.size == SIZE
    assert not any(isinstance(field, TVTensor) for field in target)


@pytest.mark.parametrize("preset", sorted({*ALONE} - {"ssd"}))  # SSD's crop depends on the boxes
@SETTINGS
@given(plane=scenes(), key=KEYS)
def test_training_moves_a_mask_as_it_moves_a_box(preset: str, plane: ImageSample, key: int) -> None:
    sample = masked(plane)
    before = deepcopy(sample)
    mask, boxes = drawn(ALONE[preset], sample, key), drawn(ALONE[preset], boxed(plane), key)
    assert same(sample, before), "the sample may come from a cache"
    assert torch.equal(mask.input, boxes.input)
    assert mask.meta.frame == boxes.meta.frame  # type: ignore[attr-defined]  # both are of images
    assert not isinstance(mask.target.classes, TVTensor)
    assert mask.target.classes.dtype == torch.uint8
    assert mask.target.classes.shape == SIZE
    found = boxes.target.boxes[~boxes.target.ignore]
    if found.shape[0] and (found[0, 2:] - found[0, :2]).min() > 12:  # rounding changes smaller ones by a tenth
        assert overlap(found, extent(mask.target.classes == 1)) >= 0.8


@fits
@SETTINGS
@given(plane=scenes())
def test_evaluation_moves_boxes_and_masks_with_the_image(preset: str, plane: ImageSample) -> None:
    evaluate = image_modality(SIZE, preset).eval
    boxes, mask = evaluate(boxed(plane)), evaluate(masked(plane))
    assert torch.equal(boxes.input, mask.input)
    shown = extent(colored(plane._replace(input=boxes.input), 0))
    assert overlap(boxes.target.boxes, shown) >= 0.8
    assert overlap(boxes.target.boxes, extent(mask.target.classes == 1)) >= 0.8
    assert torch.equal(boxes.target.labels, plane.labels)
    assert set(mask.target.classes.flatten().tolist()) <= {0, 1, IGNORED}


@fits
@SETTINGS
@given(plane=scenes())
def test_targets_are_restored_after_evaluation(preset: str, plane: ImageSample) -> None:
    height, width = plane.input.shape[1:]
    modality = image_modality((2 * height, 2 * width), preset)
    result, original = modality.eval(boxed(plane)), boxed(plane).target
    found = Detections(result.target.boxes, torch.ones(1), result.target.labels)
    back = Detection().restore(found, result.meta)
    assert (back.boxes - original.boxes).abs().max() <= 1e-3
    whole = modality.eval(masked(plane))
    assert torch.equal(Segmentation().restore(whole.target, whole.meta).classes, masked(plane).target.classes)


@presets
@given(plane=scenes(), key=KEYS)
@settings(max_examples=20, deadline=None)
def test_targets_that_do_not_lie_in_the_image_are_left_alone(preset: str, plane: ImageSample, key: int) -> None:
    for target in (ClassLabel(torch.tensor(3)), Distance(torch.tensor([2.5])), None):
        before = deepcopy(target)
        sample = with_target(plane, target)
        for result in (drawn(preset, sample, key), image_modality(SIZE, preset).eval(sample)):
            assert result.target is target
            assert same(target, before)
            assert result.input.shape == (3, *SIZE)


@presets
@given(plane=scenes(), key=KEYS)
@settings(max_examples=20, deadline=None)
def test_the_id_and_the_size_are_those_of_the_original(preset: str, plane: ImageSample, key: int) -> None:
    sample = boxed(plane, "an id")
    for result in (drawn(preset, sample, key), image_modality(SIZE, preset).eval(sample)):
        assert isinstance(result.meta, ImageMeta)
        assert result.meta.id == "an id"
        assert result.meta.size == (plane.input.shape[1], plane.input.shape[2])
        corners = torch.tensor(result.meta.frame, dtype=torch.float64)
        original = torch.tensor(ImageMeta("", result.meta.size).frame, dtype=torch.float64)
        assert (result.meta.points(corners) - original).abs().max() <= 1e-3


def test_mixed_samples_have_the_objects_of_all_and_the_id_of_the_first() -> None:
    first, *others = (
        boxed(painted((60, 50), (10, 12, 40, 50), COLORS[label], label), f"image {label}") for label in range(4)
    )
    modality = image_modality(SIZE, Yolov4(mosaic=1.0, mixup=0.0, cutmix=0.0, erase=0.0))
    partners: Iterator[Sample] = iter(others)
    before = deepcopy([first, *others])
    with fork_rng("mixed"):
        mixed = modality.train(first, lambda: next(partners))
        alone = modality.train(first)
    assert modality.train.mixes
    assert set(mixed.target.labels.tolist()) > {0}
    assert alone.target.labels.tolist() == [0]
    assert mixed.meta.id == alone.meta.id == "image 0"
    assert same((first, *others), tuple(before))


@presets
def test_a_transform_says_whether_it_mixes(preset: str) -> None:
    calls = 0

    def partner() -> Sample:
        nonlocal calls
        calls += 1
        return boxed(painted((60, 50), (10, 12, 40, 50), COLORS[1], 1))

    transform = image_modality(SIZE, preset).train
    with fork_rng("partners"):
        for _ in range(10):
            transform(boxed(painted((60, 50), (10, 12, 40, 50), COLORS[0])), partner)
    assert transform.mixes == (calls > 0) == (preset in ("yolov4", "yolox"))


@SETTINGS
@given(scenes())
def test_the_plane_of_a_sample_has_all_of_it(plane: ImageSample) -> None:
    for sample in (boxed(plane), masked(plane), with_target(plane, ClassLabel(torch.tensor(1)))):
        back = from_plane(to_plane(sample), sample)
        if isinstance(back.target, Boxes):  # areas are those of the boxes
            back = back._replace(target=back.target._replace(areas=sample.target.areas))
        assert same(back, sample)


@presets
def test_transforms_reach_the_loader_processes(preset: str) -> None:
    modality = image_modality(SIZE, preset)
    sample = boxed(painted((60, 50), (10, 12, 40, 50), COLORS[0]))
    copy = pickle.loads(pickle.dumps(modality))
    with fork_rng(3):
        expected = modality.train(sample)
    with fork_rng(3):
        assert same(copy.train(sample), expected)
    assert same(copy.eval(sample), modality.eval(sample))
