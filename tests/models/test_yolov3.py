from pathlib import Path
from typing import Any

import pytest
import torch
from builders.image_batches import images, target
from torch import Tensor

from polyhead.boxes.anchors import Priors
from polyhead.boxes.raw import DensePredictions
from polyhead.contracts.coco_names import COCO_NAMES
from polyhead.errors import PolyheadError
from polyhead.models import yolov3, yolov3_tiny
from polyhead.models.yolov3 import COCO_PRIORS, TINY_PRIORS, priors_of
from polyhead.models.yolov3_weights import write_darknet
from polyhead.nets.heads.dense import Dense
from polyhead.nets.model import Model
from polyhead.types import TaskInfo

SMALL: dict[str, Any] = {"width": 0.125, "depth": 0.125, "size": 64}
TINY: dict[str, Any] = {"width": 0.25, "size": 64}
NETWORKS: dict[str, tuple[Any, dict[str, Any]]] = {"yolov3": (yolov3, SMALL), "yolov3_tiny": (yolov3_tiny, TINY)}
each_network = pytest.mark.parametrize("name", NETWORKS)


def built(name: str, classes: list[str] | None = None, seed: int = 0, **settings: Any) -> Model:
    """Return a network whose batch norms have statistics of their own."""
    torch.manual_seed(seed)
    function, small = NETWORKS[name]
    model: Model = function(**{**small, **settings}).build({"objects": TaskInfo(classes or COCO_NAMES)})
    if "weights" not in settings:
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                assert module.running_var is not None
                torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model.eval()


@torch.no_grad()
def raw_of(model: Model, inputs: Tensor) -> DensePredictions:
    raw: DensePredictions = model(inputs)["objects"]
    return raw


def sizes_of(model: Model) -> list[list[tuple[float, float]]]:
    head = model.head("objects")
    assert isinstance(head, Dense)
    assert isinstance(head.anchors, Priors)
    return [[*level] for level in head.anchors.sizes]


@pytest.mark.parametrize(
    ("function", "parameters", "floats"), [(yolov3, 61_949_149, 62_001_757), (yolov3_tiny, 8_852_366, 8_858_734)]
)
def test_networks_have_as_many_numbers_as_the_official_files(function: Any, parameters: int, floats: int) -> None:
    with torch.device("meta"):
        model = function().build({"objects": TaskInfo(COCO_NAMES)})
    assert sum(each.numel() for each in model.parameters()) == parameters
    buffers = [value for name, value in model.named_buffers() if "running" in name]
    assert parameters + sum(each.numel() for each in buffers) == floats


@each_network
def test_a_full_file_is_written_and_read_equal(name: str, tmp_path: Path) -> None:
    original = built(name)
    path = tmp_path / "full.weights"
    write_darknet(original, path, "objects", seen=7)
    model = built(name, weights=str(path), seed=1)
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in original.state_dict().items())
    write_darknet(model, tmp_path / "again.weights", "objects", seen=7)
    assert path.read_bytes() == (tmp_path / "again.weights").read_bytes()
    assert sizes_of(model)[0] == (COCO_PRIORS if name == "yolov3" else TINY_PRIORS)[:3]
    assert [*model.head("objects").known] == COCO_NAMES


@each_network
def test_a_partial_file_fills_the_backbone(name: str, tmp_path: Path) -> None:
    original = built(name, ["cat"])
    write_darknet(original, tmp_path / "backbone.conv")
    model = built(name, ["cat"], weights=str(tmp_path / "backbone.conv"), seed=1)
    same = {key for key, value in original.state_dict().items() if torch.equal(value, model.state_dict()[key])}
    kernels = {key for key in original.state_dict() if key.endswith("conv.weight")}
    assert {key for key in kernels if key.startswith("backbone")} == same & kernels
    assert not model.head("objects").known


@each_network
def test_known_classes_start_from_their_rows(name: str, tmp_path: Path) -> None:
    original = built(name)
    write_darknet(original, tmp_path / "full.weights", "objects")
    model = built(name, ["sofa", "forklift", "person"], weights=str(tmp_path / "full.weights"), seed=1)
    assert model.head("objects").known == ["sofa", "person"]
    raw, expected = raw_of(model, images(2, 64)), raw_of(original, images(2, 64))
    rows = [COCO_NAMES.index("couch"), COCO_NAMES.index("person")]
    torch.testing.assert_close(raw.deltas, expected.deltas)
    torch.testing.assert_close(raw.objectness, expected.objectness)
    torch.testing.assert_close(raw.logits[..., [0, 2]], expected.logits[..., rows])


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    write_darknet(built("yolov3", ["cat"]), tmp_path / "small.weights", "objects")
    message = r"small.weights does not contain weights of YOLOv3: in the place of the variances of convolution 1 of 75 "
    with pytest.raises(PolyheadError, match=message):
        yolov3(weights=str(tmp_path / "small.weights"), width=0.25)
    with pytest.raises(PolyheadError, match=r"'none.weights' was not found"):
        yolov3(weights="none.weights", **SMALL)


def test_priors_are_those_of_the_data_the_paper_or_the_recipe() -> None:
    boxes = TaskInfo(["cat"], target={"box_sizes": [[0.1 * k, 0.05 * k] for k in range(1, 10)]})
    clusters = priors_of(boxes, 9, 100)
    assert [round(side) for side in clusters[0]] == [10, 5]
    assert priors_of(TaskInfo(["cat"]), 9, 208)[0] == (5, 6.5)
    model = yolov3(**SMALL).build({"objects": boxes})
    assert [pair for level in sizes_of(model) for pair in level] == priors_of(boxes, 9, 64)
    assert sizes_of(yolov3(anchors="coco", **SMALL).build({"objects": boxes}))[2] == COCO_PRIORS[6:]
    own = [(float(k), float(k)) for k in range(1, 10)]
    assert sizes_of(yolov3(anchors=own, **SMALL).build({"objects": boxes}))[1] == own[3:6]
    with pytest.raises(PolyheadError, match="anchors: expected 9 pairs of width and height, got 6"):
        yolov3(anchors=own[:6])
    with pytest.raises(PolyheadError, match="anchors: expected auto, coco or sizes, got 'coko'; did you mean 'coco'"):
        yolov3(anchors="coko")


@each_network
@pytest.mark.parametrize("size", [64, 72])
def test_images_of_any_size_are_read(name: str, size: int) -> None:
    model = built(name, ["cat"])
    raw = raw_of(model, images(1, size))
    cells = [-(-size // stride) for stride in model.pyramid_spec().strides]
    assert raw.anchors.shape[0] == 3 * sum(count**2 for count in cells)
    assert len(model.head("objects").decode(raw)) == 1


def test_any_backbone_can_have_its_neck_and_head() -> None:
    model = built("yolov3", ["cat"], backbone="test_resnet")
    assert len(model.head("objects").decode(raw_of(model, images(2, 64)))) == 2


@pytest.mark.parametrize("best_only", [False, True])
def test_it_can_overfit_two_images(best_only: bool) -> None:
    torch.manual_seed(0)
    model = yolov3(width=0.25, depth=0.125, size=96, best_only=best_only).build({"pets": TaskInfo(["cat", "dog"])})
    head, given = model.head("pets"), target(96)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(150):
        terms = head.losses(model(given.inputs)["pets"], given)
        assert terms.keys() == {"box", "object", "class"}
        optimizer.zero_grad()
        torch.autograd.backward(torch.stack([term.value for term in terms.values()]).sum())
        optimizer.step()
    raw = model(given.inputs)["pets"]
    for i, found in enumerate(head.decode(raw)):
        count = int((given.target.labels[i] >= 0).sum())
        best = found.take(torch.arange(count))
        order = best.boxes[:, 0].argsort()
        assert best.labels[order].tolist() == given.target.labels[i, :count].tolist()
        assert best.scores.min() > 0.3
        torch.testing.assert_close(best.boxes[order], given.target.boxes[i, :count], atol=8, rtol=0)
    stats = {name: float(total) / float(count) for name, (total, count) in head.stats(raw, given).items()}
    assert stats.keys() == {"class_accuracy", "object_accuracy", "no_object_accuracy", "object_precision"}
    assert min(stats.values()) > 0.9


def test_a_network_that_finds_nothing_has_an_object_accuracy_of_zero() -> None:
    model, given = built("yolov3", ["cat", "dog"]), target(64)
    raw = raw_of(model, images(2, 64))
    assert raw.objectness is not None
    nothing = raw._replace(objectness=torch.full_like(raw.objectness, -9.0))
    stats = {
        name: (float(total), float(count))
        for name, (total, count) in model.head("objects").stats(nothing, given).items()
    }
    assert stats["object_accuracy"][0] == 0
    assert stats["object_accuracy"][1] > 2
    assert stats["no_object_accuracy"][0] == stats["no_object_accuracy"][1]
    assert stats["object_precision"] == (0.0, 0.0), "there is nothing to be right about, so no mean"
