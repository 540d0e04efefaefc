"""What is public of a run has no paths, names of machines or parts that a Space cannot load."""

import platform
from pathlib import Path

import pytest
import torch
from builders.untrained_run import two_detectors

from polyhead import checkpoint
from polyhead.errors import PolyheadError
from polyhead.workflows.space.public import check_own_parts, private_part, public_weights


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see /home/ann/x.json", "/home/ann"),
        ('"C:\\\\data\\\\x"', "C:\\"),
        ("in ~/data", "~/data"),
        (r"on \\server\share", "\\\\server\\"),
        ("AP50 0.5 of seg/det; 3 / 4 objects; https://example.org/a/b; 1/2", None),
        ("protocol: COCO; original pixels", None),
    ],
)
def test_paths_are_found(text: str, found: str | None) -> None:
    assert private_part(text) == found


def test_the_name_of_the_machine_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "node", lambda: "anns-laptop")
    assert private_part("trained on anns-laptop today") == "anns-laptop"


def test_weights_without_private_parts_are_copied_as_they_are(tmp_path: Path) -> None:
    path = two_detectors(tmp_path) / "weights" / "best.pt"
    assert public_weights(path, checkpoint.load(path)) == path


def test_the_path_of_pretrained_weights_is_removed(tmp_path: Path) -> None:
    path = two_detectors(tmp_path) / "weights" / "best.pt"
    weights = checkpoint.load(path)
    weights.model["init_args"]["weights"] = "/home/ann/secret.pth"
    content = public_weights(path, weights)
    assert isinstance(content, bytes)
    assert b"/home/ann" not in content
    copy = tmp_path / "copy.pt"
    copy.write_bytes(content)
    public = checkpoint.load(copy)
    assert public.model["init_args"]["weights"] is None
    assert public.tasks == weights.tasks
    assert all(torch.equal(value, weights.state[name]) for name, value in public.state.items())


def test_a_model_with_parts_of_other_packages_is_refused(tmp_path: Path) -> None:
    path = two_detectors(tmp_path) / "weights" / "best.pt"
    weights = checkpoint.load(path)
    check_own_parts(path, weights)
    weights.model["init_args"]["neck"] = [{"class_path": "mine.necks.Neck"}]
    weights.tasks["food"]["kind"] = "mine.kinds.Kind"
    with pytest.raises(PolyheadError, match=r"best.pt uses mine.kinds.Kind, mine.necks.Neck, which a Space does not"):
        check_own_parts(path, weights)
    with pytest.raises(PolyheadError, match="does not describe its model"):
        check_own_parts(path, weights._replace(model={}))
