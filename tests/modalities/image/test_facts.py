"""Facts of an image, and changes that leave its objects as they are."""

import pytest
import torch
from torchvision import tv_tensors as tv

from polyhead.modalities.image.changes import CHANGES, NOISE
from polyhead.modalities.image.facts import image_facts


def image(height: int = 40, width: int = 60) -> tv.Image:
    generator = torch.Generator().manual_seed(0)
    return tv.Image(torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator))


def test_facts_of_plain_images() -> None:
    white = torch.full((3, 20, 80), 255, dtype=torch.uint8)
    assert image_facts(white) == pytest.approx({"brightness": 1, "contrast": 0, "image side": 40, "image aspect": 4})
    half = white.clone()
    half[:, :10] = 0
    assert image_facts(half)["brightness"] == pytest.approx(0.5)
    assert image_facts(half)["contrast"] == pytest.approx(0.5)
    green = torch.zeros(3, 4, 4, dtype=torch.uint8)
    green[1] = 255
    assert image_facts(green)["brightness"] == pytest.approx(0.587)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_follows_the_seed_and_leaves_the_image_alone(name: str) -> None:
    original = image()
    before = original.clone()
    changed, again = CHANGES[name](original, 3), CHANGES[name](original, 3)
    assert torch.equal(original, before)
    assert (changed.shape, changed.dtype) == (original.shape, torch.uint8)
    assert torch.equal(changed, again)
    assert not torch.equal(changed, original)
    assert CHANGES[name](image(1, 1), 0).shape == (3, 1, 1)


def test_light_moves_towards_black_and_white() -> None:
    original = image()
    brightness = {name: image_facts(change(original, 0))["brightness"] for name, change in CHANGES.items()}
    before = image_facts(original)["brightness"]
    assert brightness["darker"] == pytest.approx(before / 2, abs=0.01)
    assert brightness["brighter"] == pytest.approx((1 + before) / 2, abs=0.01)
    assert brightness["blur"] == pytest.approx(before, abs=0.01)


def test_noise_differs_by_seed_and_has_its_strength() -> None:
    gray = tv.Image(torch.full((3, 60, 60), 128, dtype=torch.uint8))
    one, other = CHANGES["noise"](gray, 0), CHANGES["noise"](gray, 1)
    assert not torch.equal(one, other)
    assert float(one.float().std()) == pytest.approx(255 * NOISE, rel=0.05)


def test_blur_removes_contrast() -> None:
    assert image_facts(CHANGES["blur"](image(), 0))["contrast"] < image_facts(image())["contrast"] / 2
