"""Weights files are recognized by their content, and the normalization that they need by their batch norm."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from polyhead.nets.backbones.agreement import HALF, best_preparation
from polyhead.nets.backbones.identify import find_weights, networks_of
from polyhead.nets.backbones.timm import Timm

SMALL = "test_resnet"


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    net: Any = timm.create_model(SMALL)
    found: dict[str, torch.Tensor] = net.state_dict()
    return found


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty current folder; no other place has weights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POLYHEAD_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@pytest.mark.parametrize("name", ["mobilenetv2_100", "tf_efficientnet_lite0"])
def test_a_known_network_is_recognized_whatever_the_name_of_its_file(name: str, suffix: str, here: Path) -> None:
    net: Any = timm.create_model(name, num_classes=3)
    path = here / f"my weights.{suffix}"
    if suffix == "pth":
        torch.save({"state_dict": net.state_dict()}, path)
    else:
        save_file(net.state_dict(), path)
    assert networks_of(path)[0] == name


def test_a_file_may_lack_the_classifier_and_the_counters_of_batch_norm(
    here: Path, state: dict[str, torch.Tensor]
) -> None:
    less = {key: value for key, value in state.items() if not key.startswith("fc.") and "num_batches" not in key}
    assert len(less) < len(state) - 3
    save_file(less, here / f"{SMALL}.safetensors")
    assert networks_of(here / f"{SMALL}.safetensors") == [SMALL]
    Timm(SMALL, f"{SMALL}.safetensors")


def test_other_files_are_left_out(here: Path, state: dict[str, torch.Tensor]) -> None:
    torch.save({"format": 2, "state": state}, here / "best.pt")
    torch.save({**state, "spare": torch.zeros(1)}, here / f"{SMALL}.pth")
    torch.save([1, 2], here / "list.pt")
    torch.save({**state, "conv1.weight": torch.zeros(1)}, here / "resnet18.pth")
    for name in ("damaged.pt", "damaged.bin", "damaged.safetensors"):
        (here / name).write_bytes(b"no weights")
    (here / "folder.pt").mkdir()
    assert find_weights() == []


def test_files_of_nearer_places_come_first(
    here: Path, state: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, cached = here / "listed", here / "cache" / "polyhead" / "weights"
    for folder in (here, listed, cached):
        folder.mkdir(parents=True, exist_ok=True)
        save_file(state, folder / f"{SMALL}.safetensors")
        assert [each.place for each in find_weights()] == ["the current folder"]
    monkeypatch.setenv("POLYHEAD_WEIGHTS", str(listed))
    (here / f"{SMALL}.safetensors").unlink()
    assert [(each.place, each.networks) for each in find_weights()] == [("POLYHEAD_WEIGHTS", [SMALL])]
    (listed / f"{SMALL}.safetensors").unlink()
    assert [(each.place, each.path) for each in find_weights()] == [(str(cached), cached / f"{SMALL}.safetensors")]


@pytest.mark.parametrize("half", [True, False])
def test_the_normalization_is_the_one_that_agrees_with_the_batch_norm(half: bool, here: Path) -> None:
    name = "mobilenetv2_035"  # timm normalizes its images with the statistics of ImageNet
    net: Any = timm.create_model(name)
    images = torch.rand(32, 3, 32, 32, generator=torch.Generator().manual_seed(0)) ** 2
    own = net.pretrained_cfg["mean"], net.pretrained_cfg["std"]
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in ((HALF, HALF) if half else own))
    net.train()
    with torch.no_grad():
        for _ in range(60):
            net((images - mean) / std)
    path = here / "a.safetensors"
    save_file(net.state_dict(), path)
    found = best_preparation(path, [name], images[:16])
    assert found == (name, *((HALF, HALF) if half else (None, None)))


def test_a_file_that_states_its_normalization_is_believed(here: Path, state: dict[str, torch.Tensor]) -> None:
    save_file(state, here / "a.safetensors", {"mean": "[0.1, 0.2, 0.3]"})
    assert best_preparation(here / "a.safetensors", [SMALL], torch.rand(2, 3, 32, 32)) == (SMALL, None, None)
