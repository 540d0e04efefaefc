"""Photometric distortion with look-up tables and color matrices."""

import cv2
import numpy as np
import pytest
import torch
from torchvision import tv_tensors as tv

from polyhead import rng
from polyhead.data.augment.color import PhotometricDistortion, color_matrix, distort, recolor

IMAGE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
NO_CHANGE = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}


def test_zero_changes_return_the_same_array() -> None:
    assert distort(IMAGE, **NO_CHANGE) is IMAGE


def test_brightness_and_contrast_are_arithmetic() -> None:
    expected = ((IMAGE.astype(float) + 20) * 0.75).round().clip(0, 255)
    assert np.array_equal(distort(IMAGE, **NO_CHANGE | {"brightness": 20.0, "contrast": -0.25}), expected)


def test_zero_saturation_is_gray() -> None:
    gray = distort(IMAGE, **NO_CHANGE | {"saturation": -1.0})
    assert np.array_equal(gray.min(2), gray.max(2))
    assert np.array_equal(gray.max(2), IMAGE.max(2))


def test_hue_rotates_red_to_yellow_and_blue() -> None:
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 200
    assert distort(red, **NO_CHANGE | {"hue": 60.0})[0, 0].tolist() == [200, 200, 0]
    assert distort(red, **NO_CHANGE | {"hue": -120.0})[0, 0].tolist() == [0, 0, 200]


def test_hue_preserves_saturation_and_value() -> None:
    bright = np.maximum(IMAGE, 128)
    before, after = (cv2.cvtColor(p, cv2.COLOR_RGB2HSV) for p in (bright, distort(bright, **NO_CHANGE | {"hue": 18.0})))
    assert np.abs(before[..., 1:].astype(int) - after[..., 1:]).max() <= 3


@pytest.mark.parametrize("layout", ["planes", "channels last"])
def test_each_change_has_probability_one_half_and_only_images_change(layout: str) -> None:
    planes = torch.from_numpy(IMAGE).permute(2, 0, 1)
    image = tv.Image(planes.contiguous() if layout == "planes" else planes)
    labels = torch.arange(3)
    distortion = PhotometricDistortion()
    with rng.fork_rng("photometric"):
        drawn = [distortion.make_params([]) for _ in range(400)]
        outputs = [distortion({"image": image, "labels": labels}) for _ in range(20)]
    for name, limit in (("brightness", 32), ("contrast", 0.5), ("saturation", 0.5), ("hue", 18)):
        values = torch.tensor([params[name] for params in drawn])
        assert 150 <= int((values != 0).sum()) <= 250
        assert 0.9 * limit < values.abs().max() <= limit
    assert all(torch.equal(output["labels"], labels) for output in outputs)
    assert all(isinstance(o["image"], tv.Image) and o["image"].shape == image.shape for o in outputs)
    assert len({o["image"].sum().item() for o in outputs}) > 10
    assert torch.equal(image, planes)


def test_color_matrix_rotates_desaturates_and_scales() -> None:
    assert np.array_equal(recolor(IMAGE, color_matrix(0.0, 1.0, 1.0)), IMAGE)
    red = np.full((1, 1, 3), (200, 0, 0), np.uint8)
    assert recolor(red, color_matrix(120.0, 1.0, 1.0)).tolist() == [[[0, 200, 0]]]
    assert recolor(red, color_matrix(-120.0, 1.0, 1.0)).tolist() == [[[0, 0, 200]]]
    assert recolor(red, color_matrix(0.0, 0.0, 1.0)).tolist() == [[[67, 67, 67]]]
    assert recolor(red, color_matrix(0.0, 1.0, 1.2)).tolist() == [[[240, 0, 0]]]
    assert recolor(red, color_matrix(0.0, 1.0, 2.0)).tolist() == [[[255, 0, 0]]]
    gray = np.full((1, 1, 3), 90, np.uint8)
    assert recolor(gray, color_matrix(77.0, 1.7, 1.0)).tolist() == gray.tolist()
