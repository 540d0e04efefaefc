from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders.image_batches import images, target
from builders.official_weights import official_state, random_model, write_official
from safetensors import safe_open
from torch import Tensor, nn

from polyhead.boxes.raw import DensePredictions
from polyhead.contracts.coco_names import COCO_NAMES
from polyhead.errors import PolyheadError
from polyhead.models import yolox
from polyhead.models.yolox import SCALES
from polyhead.nets.heads.dense import Dense
from polyhead.nets.model import Model
from polyhead.types import TaskInfo

PARAMETERS = {
    "nano": 912_159,
    "tiny": 5_055_855,
    "s": 8_968_255,
    "m": 25_326_495,
    "l": 54_208_895,
    "x": 99_071_455,
}
"""Of the official networks with 80 classes."""


def built(names: list[str] | None = None, **settings: Any) -> Model:
    return yolox(**settings).build({"coco": TaskInfo(COCO_NAMES if names is None else names)}).eval()


@torch.no_grad()
def raw_of(model: Model, inputs: Tensor, task: str = "coco") -> DensePredictions:
    raw: DensePredictions = model(inputs)[task]
    return raw


@pytest.mark.parametrize("scale", SCALES)
def test_networks_have_as_many_parameters_as_the_official_ones(scale: Any) -> None:
    with torch.device("meta"):
        model = built(scale=scale)
    assert sum(each.numel() for each in model.parameters()) == PARAMETERS[scale]
    names = sorted(official_state(model, "coco"))
    with torch.device("meta"):
        nano = sorted(official_state(built(scale="nano" if SCALES[scale].depthwise else "tiny"), "coco"))
    assert {*nano} <= {*names}, "larger ones have more bottlenecks, under the same names"


def test_official_weights_give_the_official_outputs(weights_root: Path) -> None:
    """The reference was computed from the original file with ONNX Runtime; its images are BGR."""
    model = built(weights=str(weights_root / "yolox_nano_coco.safetensors"))
    reference = np.load(weights_root / "yolox_nano_reference.npz")
    expected = torch.from_numpy(reference["outputs"])  # [3, 3549, 85]
    raw = raw_of(model, torch.from_numpy(reference["images_bgr"][..., ::-1].copy()).permute(0, 3, 1, 2))
    assert raw.objectness is not None
    assert (raw.deltas - expected[..., :4]).abs().max() < 5e-4
    assert (raw.objectness.sigmoid() - expected[..., 4]).abs().max() < 1e-4
    assert (raw.logits.sigmoid() - expected[..., 5:]).abs().max() < 1e-4
    with safe_open(weights_root / "yolox_nano_coco.safetensors", "pt") as file:
        assert sorted(file.keys()) == sorted(official_state(model, "coco"))


@pytest.mark.parametrize("name", ["yolox_nano_coco.safetensors", "yolox_nano.pth"])
def test_files_are_read_by_the_name_of_the_weights(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = random_model()
    write_official(tmp_path / name, original)
    monkeypatch.setenv("POLYHEAD_WEIGHTS", str(tmp_path))
    model = built(weights="yolox_nano")
    one, other = raw_of(model, images(2, 64)), raw_of(original, images(2, 64))
    assert torch.equal(one.deltas, other.deltas)
    assert torch.equal(one.logits, other.logits)


def test_known_classes_start_from_their_rows_and_others_from_random_ones(tmp_path: Path) -> None:
    original = random_model()
    path = str(write_official(tmp_path / "nano.pth", original))
    model = built(["sofa", "forklift", "Person"], weights=path)
    logits, expected = raw_of(model, images(1, 64)).logits, raw_of(original, images(1, 64)).logits
    known = [COCO_NAMES.index("couch"), COCO_NAMES.index("person")]
    torch.testing.assert_close(logits[..., [0, 2]], expected[..., known])  # other widths are summed in another order
    assert not torch.isclose(logits[..., [1]], expected).all(dim=1).any()
    assert torch.equal(raw_of(model, images(1, 64)).deltas, raw_of(original, images(1, 64)).deltas)
    norms = [each for each in model.modules() if isinstance(each, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.03)}


def test_a_file_of_other_classes_gives_everything_but_their_rows(tmp_path: Path) -> None:
    original = random_model(["person", "car"])
    model = built(["person"], weights=str(write_official(tmp_path / "two.pth", original)))
    raw, expected = raw_of(model, images(1, 64)), raw_of(original, images(1, 64))
    assert torch.equal(raw.deltas, expected.deltas)
    assert not torch.equal(raw.logits, expected.logits[..., :1]), "nobody knows which rows are which classes"


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = write_official(tmp_path / "nano.pth")
    with pytest.raises(PolyheadError, match=r"nano.pth does not contain weights of YOLOX-tiny: .*Use a file of this"):
        yolox(weights=str(path), scale="tiny")
    with pytest.raises(PolyheadError, match=r"there is no scale 'nan'.*nano"):
        yolox(scale="nan")


def test_missing_weights_say_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYHEAD_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    message = (
        rf"the weights yolox_s \(yolox_s_coco.safetensors or yolox_s.pth\) were not found; looked in .*{tmp_path}.* "
        "Download them with 'polyhead data get yolox_s', or set POLYHEAD_WEIGHTS"
    )
    with pytest.raises(PolyheadError, match=message):
        yolox(weights="yolox_s", scale="s")


@pytest.mark.parametrize("size", [64, 100, 33])
def test_images_of_any_size_are_read(size: int) -> None:
    model = built(["cat"])
    raw = raw_of(model, images(1, size))
    cells = [-(-size // stride) for stride in (8, 16, 32)]
    assert raw.anchors.shape[0] == sum(count**2 for count in cells)
    assert len(model.head("coco").decode(raw)) == 1


def test_any_backbone_can_have_its_head() -> None:
    model = built(["cat", "dog"], backbone="test_resnet", size=64)
    assert len(model.head("coco").decode(raw_of(model, images(2, 64)))) == 2


def test_a_backbone_needs_three_levels() -> None:
    from polyhead.nets.necks.pafpn import Pafpn
    from polyhead.types import PyramidSpec

    with pytest.raises(PolyheadError, match="the neck reads 3 levels, but the backbone has 1"):
        Pafpn(PyramidSpec([8], [32]))


def test_it_can_overfit_two_images() -> None:
    torch.manual_seed(0)
    model = yolox(size=96).build({"pets": TaskInfo(["cat", "dog"])})
    head = model.head("pets")
    assert isinstance(head, Dense)
    given = target(96)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(120):
        terms = head.losses(model(given.inputs)["pets"], given, step / 120)
        assert terms.keys() == {"box", "object", "class", "l1"}
        optimizer.zero_grad()
        torch.autograd.backward(torch.stack([term.value for term in terms.values()]).sum())
        optimizer.step()
    for i, found in enumerate(head.decode(model(given.inputs)["pets"])):
        count = int((given.target.labels[i] >= 0).sum())
        best = found.take(torch.arange(count))
        order = best.boxes[:, 0].argsort()
        assert best.labels[order].tolist() == given.target.labels[i, :count].tolist()
        assert best.scores.min() > 0.3
        torch.testing.assert_close(best.boxes[order], given.target.boxes[i, :count], atol=6, rtol=0)
