"""Photometric distortion by look-up tables."""

import cv2
import numpy as np
import pytest
import torch
from torchvision import tv_tensors as tv

from polyhead import rng
from polyhead.data.augment.color import PhotometricDistortion, colour_matrix, distort, recolour

PICTURE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
STILL = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}


def test_nothing_is_nothing() -> None:
    assert distort(PICTURE, **STILL) is PICTURE


def test_brightness_and_contrast_are_arithmetic() -> None:
    expected = ((PICTURE.astype(float) + 20) * 0.75).round().clip(0, 255)
    assert np.array_equal(distort(PICTURE, **STILL | {"brightness": 20.0, "contrast": -0.25}), expected)


def test_saturation_to_zero_is_grey() -> None:
    grey = distort(PICTURE, **STILL | {"saturation": -1.0})
    assert np.array_equal(grey.min(2), grey.max(2))
    assert np.array_equal(grey.max(2), PICTURE.max(2))


def test_hue_turns_red_to_yellow() -> None:
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 200
    assert distort(red, **STILL | {"hue": 60.0})[0, 0].tolist() == [200, 200, 0]
    assert distort(red, **STILL | {"hue": -120.0})[0, 0].tolist() == [0, 0, 200]


def test_hue_leaves_saturation_and_value() -> None:
    bright = np.maximum(PICTURE, 128)
    before, after = (cv2.cvtColor(p, cv2.COLOR_RGB2HSV) for p in (bright, distort(bright, **STILL | {"hue": 18.0})))
    assert np.abs(before[..., 1:].astype(int) - after[..., 1:]).max() <= 3


@pytest.mark.parametrize("layout", ["planes", "channels last"])
def test_only_pictures_change_in_half_of_the_calls_each(layout: str) -> None:
    picture = torch.from_numpy(PICTURE).permute(2, 0, 1)
    image = tv.Image(picture.contiguous() if layout == "planes" else picture)
    labels = torch.arange(3)
    distortion = PhotometricDistortion()
    with rng.seeded("photometric"):
        drawn = [distortion.make_params([]) for _ in range(400)]
        outputs = [distortion({"image": image, "labels": labels}) for _ in range(20)]
    for name, most in (("brightness", 32), ("contrast", 0.5), ("saturation", 0.5), ("hue", 18)):
        values = torch.tensor([params[name] for params in drawn])
        assert 150 <= int((values != 0).sum()) <= 250
        assert 0.9 * most < values.abs().max() <= most
    assert all(torch.equal(output["labels"], labels) for output in outputs)
    assert all(isinstance(o["image"], tv.Image) and o["image"].shape == image.shape for o in outputs)
    assert len({o["image"].sum().item() for o in outputs}) > 10
    assert torch.equal(image, picture)


def test_one_matrix_turns_fades_and_scales() -> None:
    assert np.array_equal(recolour(PICTURE, colour_matrix(0.0, 1.0, 1.0)), PICTURE)
    red = np.full((1, 1, 3), (200, 0, 0), np.uint8)
    assert recolour(red, colour_matrix(120.0, 1.0, 1.0)).tolist() == [[[0, 200, 0]]]
    assert recolour(red, colour_matrix(-120.0, 1.0, 1.0)).tolist() == [[[0, 0, 200]]]
    assert recolour(red, colour_matrix(0.0, 0.0, 1.0)).tolist() == [[[67, 67, 67]]]
    assert recolour(red, colour_matrix(0.0, 1.0, 1.2)).tolist() == [[[240, 0, 0]]]
    assert recolour(red, colour_matrix(0.0, 1.0, 2.0)).tolist() == [[[255, 0, 0]]]
    grey = np.full((1, 1, 3), 90, np.uint8)
    assert recolour(grey, colour_matrix(77.0, 1.7, 1.0)).tolist() == grey.tolist()
