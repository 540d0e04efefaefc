import pytest
from builders.image_batches import images

from polyhead.boxes.raw import DensePredictions
from polyhead.models import unified
from polyhead.types import Detections, Labels, Mask, TaskInfo

BACKBONE = "test_resnet"


def test_the_unified_network_has_the_documented_number_of_parameters() -> None:
    """Within 1 % of 7.68 million, and under 8 million, with 21, 10 and 10 classes."""
    heads = {"seg": "segment", "det": "detect", "cls": "classify"}
    model = unified(heads)
    model.build(
        {
            task: TaskInfo([str(each) for each in range(count)])
            for task, count in (("seg", 21), ("det", 10), ("cls", 10))
        }
    )
    count = sum(parameter.numel() for parameter in model.parameters())
    assert abs(count / 7_680_000 - 1) < 0.01
    assert count < 8_000_000


def test_each_head_of_the_unified_network_predicts_its_kind() -> None:
    model = unified(
        {"a": "segment", "b": "detect", "c": "classify"}, BACKBONE, size=64, last_conv=False, middle=16, width=16
    )
    model.build({task: TaskInfo(["x", "y"]) for task in "abc"}).eval()
    raws = model(images(2, 64))
    kinds = {task: {type(each) for each in model.head(task).decode(raw)} for task, raw in raws.items()}
    assert kinds == {"a": {Mask}, "b": {Detections}, "c": {Labels}}
    assert model.head("a").decode(raws["a"])[0].classes.shape == (64, 64)
    assert model.pyramid_spec().strides == [16]


def test_the_anchors_of_the_grid_head_range_from_a_tenth_to_most_of_the_image() -> None:
    model = (
        unified({"b": "detect"}, BACKBONE, size=160, last_conv=False, middle=16, width=16)
        .build({"b": TaskInfo(["x"])})
        .eval()
    )
    raw: DensePredictions = model(images(1, 160))["b"]
    assert raw.anchors.shape == (10 * 10 * 15, 4)
    sides = raw.anchors[:, 2:].prod(1).sqrt() / 160
    assert float(sides.min()) == pytest.approx(0.1, rel=0.02)
    assert float(sides.max()) == pytest.approx(0.631, rel=0.02)
