"""Heads of any kind in every model: short names, the levels they read, and a training step."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from builders.image_batches import images, target

from polyhead.errors import PolyheadError
from polyhead.models import classifier, efficientdet, ssd300, unified
from polyhead.models.efficientdet import EfficientDetHead
from polyhead.models.heads import HEADS, Heads, head_for
from polyhead.models.ssd import SsdHead
from polyhead.models.unified import GridHead
from polyhead.nets.heads.classify import Classify
from polyhead.nets.heads.dense import Dense
from polyhead.nets.heads.segment import Segment
from polyhead.nets.model import Model
from polyhead.types import Batch, Detections, LabelBatch, Labels, Mask, MaskBatch, TaskInfo

BACKBONE = "test_resnet"
KINDS: Heads = {
    "seg": "segment",
    "cls": "classify",
    "grid": "detect",
    "ssd": "ssd",
    "effdet": "efficientdet",
    "v3": "yolov3",
}
MODELS: dict[str, Callable[..., Model]] = {
    "ssd300": partial(ssd300, BACKBONE, size=64, width=16),
    "efficientdet": partial(efficientdet, BACKBONE, size=64, width=16, repeats=1, depth=1),
    "classifier": partial(classifier, BACKBONE, size=64),
    "unified": partial(unified, backbone=BACKBONE, size=64, last_conv=False, middle=16, width=16),
}
OWN = {"ssd300": SsdHead, "efficientdet": EfficientDetHead, "classifier": Classify}
"""The head of tasks that are not named."""


def batch(size: int, kind: str) -> Batch:
    """Return two images with targets of a kind."""
    masks = torch.randint(0, 2, (2, size, size), dtype=torch.uint8)
    boxes = target(size)
    if kind == "detection":
        return boxes
    return boxes._replace(target=MaskBatch(masks) if kind == "segmentation" else LabelBatch(torch.tensor([0, 1])))


@pytest.mark.parametrize("name", MODELS)
def test_every_model_learns_with_every_head(name: str) -> None:
    torch.manual_seed(0)
    model = MODELS[name](heads=KINDS)
    tasks = [*KINDS, *(["own"] if name in OWN else [])]
    model.build(dict.fromkeys(tasks, TaskInfo(["x", "y"]))).train()
    pyramid = model.trunk(batch(64, "detection").inputs)
    raws = {task: model.head(task)(pyramid) for task in tasks}
    heads = {task: model.head(task) for task in tasks}
    terms = [heads[task].losses(raws[task], batch(64, heads[task].kind)) for task in tasks]
    torch.autograd.backward(torch.stack([term.value for named in terms for term in named.values()]).sum())
    for name_of, parameter in model.heads.named_parameters():
        assert parameter.grad is not None, name_of
        assert parameter.grad.isfinite().all(), name_of
    found = {task: model.head(task).decode(raw)[0] for task, raw in raws.items()}
    assert isinstance(found["seg"], Mask)
    assert found["seg"].classes.shape == (64, 64)
    assert isinstance(found["cls"], Labels)
    assert all(isinstance(found[task], Detections) for task in ("grid", "ssd", "effdet"))
    if name in OWN:
        assert isinstance(model.head("own"), OWN[name])


@pytest.mark.parametrize(
    ("name", "pooled", "grid"),
    [("ssd300", 32, 16), ("efficientdet", 32, 16), ("classifier", 32, 32), ("unified", 16, 16)],
)
def test_heads_choose_their_level_by_its_stride(name: str, pooled: int, grid: int) -> None:
    model = MODELS[name](heads=KINDS).build(dict.fromkeys(KINDS, TaskInfo(["x", "y"])))
    strides = model.pyramid_spec().strides
    classify, detect = model.head("cls"), model.head("grid")
    assert isinstance(classify, Classify)
    assert isinstance(detect, Dense)
    assert strides[classify.levels[0]] == pooled
    assert detect.strides == [grid]
    raw = detect(model.eval().trunk(images(1, 64)))
    assert raw.anchors.shape == ((64 // grid) ** 2 * 15, 4)
    sides = raw.anchors[:, 2:].prod(dim=1).sqrt() / 64
    assert float(sides.min()) == pytest.approx(0.1, rel=0.02)  # whatever the stride


def test_a_head_with_the_own_name_of_a_model_has_its_settings() -> None:
    model = ssd300(BACKBONE, size=64, width=16, depth=2, heads={"named": "ssd", "given": partial(SsdHead, depth=1)})
    model.build(dict.fromkeys(["named", "given", "other"], TaskInfo(["x"])))
    levels = [model.get_submodule(f"heads.{task}.tower.levels.0") for task in ("named", "given", "other")]
    assert [len(list(level.children())) - 1 for level in levels] == [2, 1, 2]
    head = unified({"a": "classify"}, BACKBONE, last_conv=False).build({"a": TaskInfo(["x"])}).head("a")
    assert isinstance(head, Classify)
    assert head.dropout.p == 0.2


@pytest.mark.parametrize("name", MODELS)
def test_a_misspelled_head_is_refused_with_the_nearest_name(name: str) -> None:
    with pytest.raises(PolyheadError, match=r"^model\.heads\.a: there is no head 'segmnt'; did you mean 'segment'\?$"):
        MODELS[name](heads={"a": "segmnt"})


def test_short_names_have_a_kind() -> None:
    from pkgutil import resolve_name

    kinds = {name: resolve_name(path).kind for name, path in HEADS.items()}
    assert kinds == {
        "segment": Segment.kind,
        "classify": Classify.kind,
        "detect": GridHead.kind,
        "ssd": "detection",
        "efficientdet": "detection",
        "yolov3": "detection",
        "yolox": "detection",
    }
    assert set(kinds.values()) == {"segmentation", "classification", "detection"}


def test_a_head_is_suggested_for_each_kind() -> None:
    suggested = {kind: head_for(kind) for kind in ("detection", "segmentation", "classification")}
    assert suggested == {"detection": "detect", "segmentation": "segment", "classification": "classify"}
    assert head_for("my_package.Age") is None
