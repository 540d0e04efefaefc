"""YOLOv4 augmentation: steps have the given probability, mix only if allowed, and never modify their input."""

import pickle
from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from builders.colored_images import COLORS, painted, same
from torch import Tensor

from polyhead import rng
from polyhead.data.augment.base import Partner
from polyhead.data.augment.transforms import PRESETS, Eval, Train, fit_of, train_transform
from polyhead.data.augment.yolov4 import Yolov4
from polyhead.data.geometry.plane import ImageSample
from polyhead.errors import PolyheadError

SIZE = (64, 80)
DISABLED = {
    "mosaic": 0.0, "mixup": 0.0, "cutmix": 0.0, "scale": 0.0, "translate": 0.0, "flip": 0.0, "hue": 0.0,
    "saturation": 0.0, "value": 0.0, "erase": 0.0,
}  # fmt: skip
SAMPLES = [painted((60, 50), (10, 12, 40, 50), COLORS[label], label) for label in range(4)]


def partners() -> Partner:
    """Return a function that draws one of the other samples."""
    return lambda: SAMPLES[int(torch.randint(1, 4, ()))]


def draws(augmentation: Yolov4, partner: Partner | None, count: int = 60) -> list[ImageSample]:
    """Return random results of an augmentation, with a fixed seed."""
    transform = Train(SIZE, augmentation)
    with rng.fork_rng("yolov4"):
        return [transform(SAMPLES[0], partner) for _ in range(count)]


def unchanged() -> ImageSample:
    """Return the result with every step disabled."""
    return draws(Yolov4(**DISABLED), None, 1)[0]


def test_with_all_steps_disabled_it_equals_the_evaluation_transform() -> None:
    result, plain = draws(Yolov4(**DISABLED), partners(), 1)[0], Eval(SIZE, fit_of("yolov4"))(SAMPLES[0])
    assert (result.boxes - plain.boxes).as_subclass(Tensor).abs().max() <= 1
    assert (result.input.float() - plain.input.float()).abs().mean() < 3


@pytest.mark.parametrize(("step", "limit"), [("mosaic", 4), ("mixup", 2), ("cutmix", 2)])
def test_mixing_steps_have_the_given_probability_and_need_a_partner(step: str, limit: int) -> None:
    counts = [len(result.labels) for result in draws(Yolov4(**{**DISABLED, step: 1.0}), partners())]
    assert max(counts) == limit
    half = [len(result.labels) for result in draws(Yolov4(**{**DISABLED, step: 0.5}), partners())]
    assert 12 <= sum(count > 1 for count in half) <= 45
    for partner in (None, partners()):
        augmentation = Yolov4(**{**DISABLED, step: 1.0 if partner is None else 0.0})
        assert all(same(result, unchanged()) for result in draws(augmentation, partner, 5))


CHANGES: dict[str, Callable[[ImageSample, ImageSample], bool]] = {
    "degrees": lambda result, base: not torch.equal(result.frame, base.frame),
    "shear": lambda result, base: not torch.equal(result.frame, base.frame),
    "scale": lambda result, base: not torch.equal(result.frame, base.frame),
    "translate": lambda result, base: not torch.equal(result.frame, base.frame),
    "flip": lambda result, base: (
        bool(result.frame[1, 0] < result.frame[0, 0]) and torch.equal(result.boxes, base.boxes)
    ),
    "upside_down": lambda result, _: bool(result.frame[2, 1] < result.frame[0, 1]),
    "hue": lambda result, base: torch.equal(result.boxes, base.boxes) and not torch.equal(result.input, base.input),
    "saturation": lambda result, base: (
        torch.equal(result.boxes, base.boxes) and not torch.equal(result.input, base.input)
    ),
    "value": lambda result, base: torch.equal(result.boxes, base.boxes) and not torch.equal(result.input, base.input),
    "erase": lambda result, base: torch.equal(result.frame, base.frame) and not torch.equal(result.input, base.input),
    "grid": lambda result, base: torch.equal(result.frame, base.frame) and not torch.equal(result.input, base.input),
}


@pytest.mark.parametrize("step", sorted(CHANGES))
def test_every_step_can_be_used_alone(step: str) -> None:
    amount = {"degrees": 10.0, "shear": 10.0, "hue": 0.4}.get(step, 0.9 if step in ("scale", "saturation") else 1.0)
    base = unchanged()
    changes = [CHANGES[step](result, base) for result in draws(Yolov4(**{**DISABLED, step: amount}), None, 10)]
    assert sum(changes) >= 7


def test_the_inputs_are_not_modified() -> None:
    before = [deepcopy(sample) for sample in SAMPLES]
    augmentation = Yolov4(mosaic=0.5, mixup=0.5, cutmix=0.5, degrees=5.0, erase=0.5, grid=0.5, upside_down=0.5)
    first = draws(augmentation, partners(), 40)
    assert all(
        same(a, b) for a, b in zip(first, draws(pickle.loads(pickle.dumps(augmentation)), partners(), 40), strict=True)
    )
    assert all(same(a, b) for a, b in zip(SAMPLES, before, strict=True))
    height, width = SIZE
    for result in first:
        assert result.input.shape == (3, *SIZE)
        boxes = result.boxes.as_subclass(Tensor)
        assert ((boxes >= 0) & (boxes <= torch.tensor([width, height, width, height]))).all()
        assert len(boxes) == len(result.labels) == len(result.ignore)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_only_mixing_presets_call_the_partner(preset: str) -> None:
    calls = 0

    def partner() -> ImageSample:
        nonlocal calls
        calls += 1
        return SAMPLES[1]

    with rng.fork_rng("partners"):
        for _ in range(10):
            train_transform(preset, SIZE)(SAMPLES[0], partner)
    assert (calls > 0) == (preset in ("yolov4", "yolox"))


def test_the_evaluation_transform_takes_no_partner() -> None:
    with pytest.raises(TypeError):
        Eval(SIZE)(SAMPLES[0], partners())  # type: ignore[call-arg]  # it takes no partner
    assert not isinstance(Eval(SIZE), Train)


def test_settings_out_of_range_raise() -> None:
    for setting, limit in (("mosaic", "1"), ("shear", "44"), ("hue", "0.5"), ("scale", "0.95")):
        for wrong in (-0.1, 200.0):
            with pytest.raises(
                PolyheadError, match=f"transforms: {setting} must be between 0 and {limit}, got {wrong}"
            ):
                Yolov4(**{setting: wrong})
