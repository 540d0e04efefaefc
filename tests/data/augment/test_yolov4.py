"""The preset: its parts come as often as set, mix only when allowed, and never touch what they are given."""

import pickle
from collections.abc import Callable

import pytest
import torch
from builders.colored_images import COLOURS, copied, painted, same
from torch import Tensor

from polyhead import rng
from polyhead.data.augment.base import Partner
from polyhead.data.augment.transforms import PRESETS, Eval, Train, fit_of, train_transform
from polyhead.data.augment.yolov4 import Yolov4
from polyhead.errors import PolyheadError
from polyhead.types import Sample

SIZE = (64, 80)
STILL = {
    "mosaic": 0.0, "mixup": 0.0, "cutmix": 0.0, "scale": 0.0, "translate": 0.0, "flip": 0.0, "hue": 0.0,
    "saturation": 0.0, "value": 0.0, "erase": 0.0,
}  # fmt: skip
SAMPLES = [painted((60, 50), (10, 12, 40, 50), COLOURS[label], label) for label in range(4)]


def partners() -> Partner:
    return lambda: SAMPLES[int(torch.randint(1, 4, ()))]


def looks(look: Yolov4, partner: Partner | None, count: int = 60) -> list[Sample]:
    transform = Train(SIZE, look)
    with rng.seeded("yolov4"):
        return [transform(SAMPLES[0], partner) for _ in range(count)]


def unchanged() -> Sample:
    return looks(Yolov4(**STILL), None, 1)[0]


def test_without_its_parts_it_is_the_evaluation_of_the_picture() -> None:
    seen, plain = looks(Yolov4(**STILL), partners(), 1)[0], Eval(SIZE, fit_of("yolov4"))(SAMPLES[0])
    assert (seen.boxes - plain.boxes).as_subclass(Tensor).abs().max() <= 1
    assert (seen.input.float() - plain.input.float()).abs().mean() < 3


@pytest.mark.parametrize(("part", "most"), [("mosaic", 4), ("mixup", 2), ("cutmix", 2)])
def test_parts_that_mix_do_so_as_often_as_set_and_never_when_quiet(part: str, most: int) -> None:
    counts = [len(seen.labels) for seen in looks(Yolov4(**{**STILL, part: 1.0}), partners())]
    assert max(counts) == most
    half = [len(seen.labels) for seen in looks(Yolov4(**{**STILL, part: 0.5}), partners())]
    assert 12 <= sum(count > 1 for count in half) <= 45
    for partner in (None, partners()):
        look = Yolov4(**{**STILL, part: 1.0 if partner is None else 0.0})
        assert all(same(seen, unchanged()) for seen in looks(look, partner, 5))


CHANGES: dict[str, Callable[[Sample, Sample], bool]] = {
    "degrees": lambda seen, still: not torch.equal(seen.frame, still.frame),
    "shear": lambda seen, still: not torch.equal(seen.frame, still.frame),
    "scale": lambda seen, still: not torch.equal(seen.frame, still.frame),
    "translate": lambda seen, still: not torch.equal(seen.frame, still.frame),
    "flip": lambda seen, still: bool(seen.frame[1, 0] < seen.frame[0, 0]) and torch.equal(seen.boxes, still.boxes),
    "upside_down": lambda seen, _: bool(seen.frame[2, 1] < seen.frame[0, 1]),
    "hue": lambda seen, still: torch.equal(seen.boxes, still.boxes) and not torch.equal(seen.input, still.input),
    "saturation": lambda seen, still: torch.equal(seen.boxes, still.boxes) and not torch.equal(seen.input, still.input),
    "value": lambda seen, still: torch.equal(seen.boxes, still.boxes) and not torch.equal(seen.input, still.input),
    "erase": lambda seen, still: torch.equal(seen.frame, still.frame) and not torch.equal(seen.input, still.input),
    "grid": lambda seen, still: torch.equal(seen.frame, still.frame) and not torch.equal(seen.input, still.input),
}


@pytest.mark.parametrize("part", sorted(CHANGES))
def test_every_part_can_be_had_alone(part: str) -> None:
    amount = {"degrees": 10.0, "shear": 10.0, "hue": 0.4}.get(part, 0.9 if part in ("scale", "saturation") else 1.0)
    still = unchanged()
    changes = [CHANGES[part](seen, still) for seen in looks(Yolov4(**{**STILL, part: amount}), None, 10)]
    assert sum(changes) >= 7


def test_what_it_is_given_stays_as_it_is() -> None:
    before = [copied(sample) for sample in SAMPLES]
    look = Yolov4(mosaic=0.5, mixup=0.5, cutmix=0.5, degrees=5.0, erase=0.5, grid=0.5, upside_down=0.5)
    first = looks(look, partners(), 40)
    assert all(same(a, b) for a, b in zip(first, looks(pickle.loads(pickle.dumps(look)), partners(), 40), strict=True))
    assert all(same(a, b) for a, b in zip(SAMPLES, before, strict=True))
    height, width = SIZE
    for seen in first:
        assert seen.input.shape == (3, *SIZE)
        boxes = seen.boxes.as_subclass(Tensor)
        assert ((boxes >= 0) & (boxes <= torch.tensor([width, height, width, height]))).all()
        assert len(boxes) == len(seen.labels) == len(seen.ignore)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_only_presets_that_mix_ask_for_partners(preset: str) -> None:
    asked = 0

    def partner() -> Sample:
        nonlocal asked
        asked += 1
        return SAMPLES[1]

    with rng.seeded("partners"):
        for _ in range(10):
            train_transform(preset, SIZE)(SAMPLES[0], partner)
    assert (asked > 0) == (preset == "yolov4")


def test_evaluation_cannot_mix() -> None:
    with pytest.raises(TypeError):
        Eval(SIZE)(SAMPLES[0], partners())  # type: ignore[call-arg]  # it takes no partner
    assert not isinstance(Eval(SIZE), Train)


def test_wrong_settings_are_refused() -> None:
    for setting, most in (("mosaic", "1"), ("shear", "44"), ("hue", "0.5"), ("scale", "0.95")):
        for wrong in (-0.1, 200.0):
            with pytest.raises(
                PolyheadError, match=f"transforms: {setting} must lie between 0 and {most}, got {wrong}"
            ):
                Yolov4(**{setting: wrong})
