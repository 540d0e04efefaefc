"""A plain vision transformer is the backbone of every model."""

from collections.abc import Callable

import pytest
import torch
from builders.image_batches import images

from polyhead.models import classifier, efficientdet, ssd300, unified
from polyhead.nets.model import Model
from polyhead.types import TaskInfo

BACKBONE = "test_vit"
PETS = TaskInfo(["cat", "dog"])
BUILDERS: dict[str, Callable[[], Model]] = {
    "ssd300": lambda: ssd300(BACKBONE, size=72, width=16).build({"pets": PETS}),
    "ssd300 with fpn": lambda: ssd300(BACKBONE, size=72, width=16, neck="fpn").build({"pets": PETS}),
    "efficientdet": lambda: efficientdet(BACKBONE, size=72, width=16, repeats=1, depth=1).build(
        {"pets": TaskInfo(["cat"])}
    ),
    "unified": lambda: unified(
        {"seg": "segment", "det": "detect", "cls": "classify"}, BACKBONE, size=72, middle=16, width=16, depth=1
    ).build({"seg": TaskInfo(["background", "cat"]), "det": TaskInfo(["cat"]), "cls": PETS}),
    "classifier": lambda: classifier(BACKBONE, size=72).build({"pets": PETS}),
}


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
@pytest.mark.parametrize("size", [72, 75])
def test_every_model_predicts_with_it(build: Callable[[], Model], size: int) -> None:
    model = build().eval()
    raws = model(images(2, size))
    assert set(raws) == set(model.heads)
    for task, raw in raws.items():
        assert len(model.head(task).decode(raw)) == 2


def test_a_classifier_averages_all_patches() -> None:
    model = classifier(BACKBONE, size=72).build({"pets": PETS}).eval()
    levels = model.trunk(images(1, 80)).levels
    assert [level.shape for level in levels] == [(1, 64, 5, 5)]
    linear = model.head("pets").get_submodule("linear")
    expected = linear(levels[0].flatten(2).mean(dim=2))
    torch.testing.assert_close(model(images(1, 80))["pets"].logits, expected)
