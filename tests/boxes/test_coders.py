import pytest
import torch
from builders.subclasses import concrete_subclasses
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models.detection._utils import BoxCoder

from polyhead import boxes as package
from polyhead.boxes.anchors import cxcywh_to_xyxy
from polyhead.boxes.coders import CellCoder, Coder, DeltaCoder

CODERS: dict[type[Coder], list[Coder]] = {CellCoder: [CellCoder()], DeltaCoder: [DeltaCoder(), DeltaCoder(0.1, 0.2)]}
"""Every coder, in the settings in which it is used."""


def draw(seed: int, count: int = 50) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return anchors, boxes whose centers are in the anchor's cell of 16 pixels, and strides."""
    generator = torch.Generator().manual_seed(seed)
    centers = torch.rand(count, 2, generator=generator) * 300
    sides = 2 + torch.rand(count, 2, generator=generator) * 200
    anchors = torch.cat([centers, sides], dim=1)
    moved = centers + 16 * (torch.rand(count, 2, generator=generator) - 0.5)
    scaled = sides * (3 * (torch.rand(count, 2, generator=generator) - 0.5)).exp()
    return anchors, cxcywh_to_xyxy(torch.cat([moved, scaled], dim=1)), torch.full((count,), 16.0)


def check_coder(coder: Coder, seed: int) -> None:
    """Check the contract of a coder."""
    anchors, boxes, strides = draw(seed)
    again = coder.decode(coder.encode(boxes, anchors, strides), anchors, strides)
    torch.testing.assert_close(again, boxes, atol=1e-3, rtol=1e-5, msg="decode is not the inverse of encode")
    assert coder.decode(torch.full((2, 50, 4), 1e4), anchors, strides).isfinite().all(), "large deltas overflow"
    assert coder.encode(torch.zeros(50, 4), anchors, strides).isfinite().all(), "boxes without area overflow"


def test_every_coder_is_listed() -> None:
    assert concrete_subclasses(Coder, package) == list(CODERS)  # type: ignore[type-abstract]  # its subclasses are listed


@pytest.mark.parametrize("coder", [coder for coders in CODERS.values() for coder in coders])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_every_coder_fulfills_the_contract(coder: Coder, seed: int) -> None:
    check_coder(coder, seed)


class Forgetful(DeltaCoder):
    """Decodes with another variance than it encodes with."""

    def decode(self, deltas: torch.Tensor, anchors: torch.Tensor, strides: torch.Tensor) -> torch.Tensor:
        return super().decode(deltas * 1.1, anchors, strides)


class Endless(DeltaCoder):
    """Decodes sides without a limit."""

    def decode(self, deltas: torch.Tensor, anchors: torch.Tensor, strides: torch.Tensor) -> torch.Tensor:
        center = deltas[..., :2] * anchors[:, 2:] + anchors[:, :2]
        half = deltas[..., 2:].exp() * anchors[:, 2:] / 2
        return torch.cat([center - half, center + half], dim=-1)


@pytest.mark.parametrize(
    ("broken", "message"), [(Forgetful, "not the inverse of encode"), (Endless, "large deltas overflow")]
)
def test_a_broken_coder_is_found(broken: type[DeltaCoder], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_coder(broken(), 0)


def test_deltas_equal_those_of_torchvision() -> None:
    anchors, boxes, strides = draw(1)
    reference = BoxCoder((10.0, 10.0, 5.0, 5.0))
    torch.testing.assert_close(
        DeltaCoder(0.1, 0.2).encode(boxes, anchors, strides),
        reference.encode_single(boxes, cxcywh_to_xyxy(anchors)),
        atol=1e-3,
        rtol=1e-4,
    )
