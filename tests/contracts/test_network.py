"""What a head inherits from its contract."""

from typing import NamedTuple

import pytest
import torch
from builders.toy_parts import Cells
from torch import Tensor

from polyhead.contracts.network import Head
from polyhead.types import PyramidSpec, TaskInfo


class Raw(NamedTuple):
    """Raw predictions with everything that they may hold."""

    logits: Tensor
    deltas: Tensor
    objectness: Tensor | None
    classes: Tensor
    anchors: Tensor
    canvas: tuple[int, int]


def draw(seed: int) -> Raw:
    generator = torch.Generator().manual_seed(seed)
    logits, deltas, anchors = (torch.randn(shape, generator=generator) for shape in ((2, 5, 3), (2, 5, 4), (5, 4)))
    return Raw(logits, deltas.bfloat16(), None, torch.zeros(2, dtype=torch.int64), anchors, (64, 64))


class Plain(Cells):
    """A head with the distillation loss of the contract."""

    distill = Head.distill


def plain() -> Head:
    return Plain(PyramidSpec([8], [8]), TaskInfo(["bright", "dark"]))


def test_distillation_is_the_relative_squared_distance_of_what_has_the_batch_axis() -> None:
    raw, teacher = draw(0), draw(1)
    values = plain().distill(raw, teacher, 2.0)
    assert set(values) == {"logits", "deltas"}
    for name, value in values.items():
        mine, theirs = getattr(raw, name).double(), getattr(teacher, name).double()
        assert value.dtype is torch.float32
        assert float(value) == pytest.approx(float((mine - theirs).pow(2).sum() / theirs.pow(2).sum()))


def test_distillation_does_not_depend_on_the_scale() -> None:
    raw, teacher = draw(0), draw(1)
    first = plain().distill(raw, teacher, 2.0)["logits"]
    large = [each._replace(logits=1e3 * each.logits) for each in (raw, teacher)]
    second = plain().distill(large[0], large[1], 2.0)["logits"]
    torch.testing.assert_close(first, second)


def test_distillation_is_0_where_both_agree_and_finite_where_the_teacher_is_0() -> None:
    raw = draw(0)
    nothing = raw._replace(logits=0 * raw.logits, deltas=0 * raw.deltas)
    for teacher in (raw, nothing):
        assert all(float(value) == 0 for value in plain().distill(teacher, teacher, 2.0).values())
    assert all(0 < float(value) < float("inf") for value in plain().distill(raw, nothing, 2.0).values())


@pytest.mark.parametrize("raw", [torch.zeros(2, 3), (torch.zeros(2, 3),)])
def test_raw_predictions_of_another_type_are_refused(raw: object) -> None:
    with pytest.raises(
        TypeError, match=r"Plain: expected raw predictions that are a named tuple .*, got (Tensor|tuple)\."
    ):
        plain().distill(raw, raw, 2.0)
