import math

import pytest
import torch
from builders.subclasses import finished
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models.detection._utils import BoxCoder

from polyhead import boxes as package
from polyhead.boxes.anchors import corners
from polyhead.boxes.coders import Coder, Offsets

CODERS: dict[type[Coder], list[Coder]] = {Offsets: [Offsets(), Offsets(0.1, 0.2)]}
"""Every coder there is, in the settings it is used with."""


def draw(seed: int, count: int = 50) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Anchors, boxes that they may hold (centre within the anchor's cell of 16 pixels), strides."""
    source = torch.Generator().manual_seed(seed)
    centres = torch.rand(count, 2, generator=source) * 300
    sides = 2 + torch.rand(count, 2, generator=source) * 200
    anchors = torch.cat([centres, sides], dim=1)
    moved = centres + 16 * (torch.rand(count, 2, generator=source) - 0.5)
    scaled = sides * (3 * (torch.rand(count, 2, generator=source) - 0.5)).exp()
    return anchors, corners(torch.cat([moved, scaled], dim=1)), torch.full((count,), 16.0)


def check_coder(coder: Coder, seed: int) -> None:
    """What every coder promises."""
    anchors, boxes, strides = draw(seed)
    again = coder.decode(coder.encode(boxes, anchors, strides), anchors, strides)
    torch.testing.assert_close(again, boxes, atol=1e-3, rtol=1e-5, msg="decode is not the inverse of encode")
    assert coder.decode(torch.full((2, 50, 4), 1e4), anchors, strides).isfinite().all(), "large codes overflow"
    assert coder.encode(torch.zeros(50, 4), anchors, strides).isfinite().all(), "boxes without area overflow"


def test_every_coder_is_listed() -> None:
    assert finished(Coder, package) == list(CODERS)  # type: ignore[type-abstract]  # subclasses are asked for


@pytest.mark.parametrize("coder", [coder for coders in CODERS.values() for coder in coders])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_every_coder_keeps_the_contract(coder: Coder, seed: int) -> None:
    check_coder(coder, seed)


class Forgetful(Offsets):
    """Divides by a variance that it does not multiply with."""

    def decode(self, codes: torch.Tensor, anchors: torch.Tensor, strides: torch.Tensor) -> torch.Tensor:
        return super().decode(codes * 1.1, anchors, strides)


class Endless(Offsets):
    """Lets sides grow without a limit."""

    longest = math.inf


@pytest.mark.parametrize(
    ("broken", "message"), [(Forgetful, "not the inverse of encode"), (Endless, "large codes overflow")]
)
def test_a_broken_coder_is_found(broken: type[Offsets], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_coder(broken(), 0)


def test_offsets_are_those_of_torchvision() -> None:
    anchors, boxes, strides = draw(1)
    rival = BoxCoder((10.0, 10.0, 5.0, 5.0))
    torch.testing.assert_close(
        Offsets(0.1, 0.2).encode(boxes, anchors, strides),
        rival.encode_single(boxes, corners(anchors)),
        atol=1e-3,
        rtol=1e-4,
    )
