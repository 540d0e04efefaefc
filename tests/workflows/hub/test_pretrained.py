"""A saved model predicts as its run does, and what is wrong with its files is said in words."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders.shown_run import shown_run
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file

import polyhead
from polyhead import checkpoint
from polyhead.errors import PolyheadError
from polyhead.stored import tensor_files

PHOTO = torch.randint(0, 256, (3, 120, 160), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shown_run(tmp_path_factory.mktemp("hub") / "two")
    weights = checkpoint.load(folder / "weights" / "best.pt")
    point = {"split": "val", "precision": None, "threshold": 0.4, "thresholds": [0.4, 0.3], "own": [True, False]}
    weights.tasks["street"][checkpoint.OPERATING] = {**point, "temperature": 1.0}
    private = {**weights.model, "init_args": {**weights.model["init_args"], "weights": "/home/ann/secret.pth"}}
    checkpoint.save(folder / "weights" / "best.pt", weights._replace(model=private))
    return folder


@pytest.fixture(scope="module")
def saved(run: Path) -> Path:
    folder: Path = polyhead.save_pretrained(run, run.parent / "saved")
    return folder


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def change(folder: Path, entries: Callable[[dict[str, Any]], Any]) -> None:
    """Change ``config.json``."""
    path = folder / "config.json"
    content = json.loads(path.read_text())
    entries(content)
    path.write_text(json.dumps(content))


def test_a_saved_model_predicts_as_its_run(run: Path, saved: Path) -> None:
    before, after = (load.predict(PHOTO) for load in (polyhead.load(run), polyhead.from_pretrained(saved)))
    assert [each.task for each in after] == ["street", "food"]
    assert sum(map(len, before)) > 0
    for one, other in zip(before, after, strict=True):
        assert one.labels == other.labels
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-6)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)
    assert polyhead.from_pretrained(saved).points == polyhead.load(run).points


def test_a_saved_model_has_no_private_path_and_a_card(run: Path, saved: Path) -> None:
    assert {path.name for path in saved.iterdir()} == {"model.safetensors", "config.json", "README.md"}
    assert b"/home/ann" in (run / "weights" / "best.pt").read_bytes()
    for path in saved.iterdir():
        assert b"ann" not in path.read_bytes()
    assert ModelCard((saved / "README.md").read_text()).data.get("library_name") == "polyhead"


def test_a_model_is_saved_again_but_other_files_are_not_lost(run: Path, copy: Path, tmp_path: Path) -> None:
    (copy / "notes.txt").write_text("mine")
    polyhead.save_pretrained(run, copy)
    assert (copy / "notes.txt").read_text() == "mine"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(PolyheadError, match=r"other' is not empty, and has no model of Polyhead. Give a new folder"):
        polyhead.save_pretrained(run, tmp_path / "other")
    (tmp_path / "other" / "config.json").write_text('{"library_name": "transformers"}')
    with pytest.raises(PolyheadError, match="expected library_name 'polyhead', got 'transformers'"):
        polyhead.save_pretrained(run, tmp_path / "other")
    with pytest.raises(PolyheadError, match=r"is a file. Give a folder for the model"):
        polyhead.save_pretrained(run, tmp_path / "other" / "thesis.txt")


def test_a_private_path_in_an_edited_card_is_refused(run: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copytree(run, tmp_path / "run"))
    (mine / "model_card.md").write_text("# Mine\n\nTrained on /data/ann/secret.\n")
    with pytest.raises(PolyheadError, match=r"README.md would name '/data/ann', .* Remove it from model_card"):
        polyhead.save_pretrained(mine, tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
    (mine / "model_card.md").write_text("# Mine\n")
    assert (polyhead.save_pretrained(mine, tmp_path / "saved") / "README.md").read_text() == "# Mine\n"


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file(name: str, copy: Path) -> None:
    (copy / name).unlink()
    with pytest.raises(PolyheadError, match=f"copy has no {name}. Download or copy the folder again"):
        polyhead.from_pretrained(copy)


@pytest.mark.parametrize("left", [0, 7, 100, 10_000])
def test_truncated_tensors(left: int, copy: Path) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(PolyheadError, match=r"model.safetensors is damaged: SafetensorError"):
        polyhead.from_pretrained(copy)


def test_other_tensors(copy: Path) -> None:
    path = copy / "model.safetensors"
    state = load_file(path)
    save_file({**state, next(iter(state)): next(iter(state.values())) + 1}, path)
    with pytest.raises(PolyheadError, match=r"its tensors are not those that config.json was written for"):
        polyhead.from_pretrained(copy)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (lambda state, name: state.pop(name), "{} is missing"),
        (lambda state, name: state.update({name: state[name][:1]}), r"{} has shape \(1, .*instead of"),
        (lambda state, name: state.update(extra=torch.zeros(1)), "extra is not in the model"),
    ],
)
def test_tensors_that_do_not_fit(tensors: Callable[..., Any], message: str, copy: Path) -> None:
    """A program that writes other tensors may write their checksum, too."""
    path = copy / "model.safetensors"
    state = load_file(path)
    name = next(each for each in state if each.endswith("weight") and state[each].ndim == 4)
    tensors(state, name)
    save_file(state, path)
    checksum = tensor_files.checksum(dict(sorted(state.items())))
    change(copy, lambda content: content.update(checksum=checksum))
    with pytest.raises(PolyheadError, match=f"do not fit the model: {message.format(name)}.*Download or copy"):
        polyhead.from_pretrained(copy)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (lambda content: content.pop("tasks"), "tasks is missing"),
        (lambda content: content.update(library_name="timm"), "expected library_name 'polyhead', got 'timm'"),
        (lambda content: content.update(format=2), r"newer Polyhead \(format 2, this version reads up to 1\)"),
        (lambda content: content.update(precision="8-bit"), "precision: expected one of"),
        (lambda content: content["tasks"]["street"].update(names="person"), "tasks.street.names: expected a list"),
        (lambda content: content["tasks"]["street"].pop("modality"), "tasks.street: modality is missing"),
        (lambda content: content["model"]["init_args"].update(size=64), "is not that of the model|cannot be built"),
    ],
)
def test_a_changed_config(entries: Callable[..., Any], message: str, copy: Path) -> None:
    change(copy, entries)
    with pytest.raises(PolyheadError, match=message) as caught:
        polyhead.from_pretrained(copy)
    assert "config.json" in str(caught.value)


@pytest.mark.parametrize(
    "entries",
    [
        lambda content: content["model"].update(class_path="evil.Model"),
        lambda content: content["tasks"]["street"].update(modality={"name": "evil.Modality", "state": {}}),
        lambda content: content["model"]["init_args"].update(heads={"street": {"class_path": "evil.Head"}}),
        lambda content: content["model"].update(class_path="os.system", init_args={"command": "touch evil"}),
    ],
)
def test_parts_of_other_packages_are_not_imported(
    entries: Callable[..., Any], copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.py").write_text("import pathlib\npathlib.Path('evil').touch()\n")
    monkeypatch.syspath_prepend(tmp_path)
    change(copy, entries)
    with pytest.raises(PolyheadError, match=r"not allowed|--allow"):
        polyhead.from_pretrained(copy)
    assert not (tmp_path / "evil").exists()


def test_something_that_is_no_json(copy: Path) -> None:
    (copy / "config.json").write_text("{")
    with pytest.raises(PolyheadError, match=r"config.json is not valid JSON.*Download or copy the folder again"):
        polyhead.from_pretrained(copy)


@pytest.mark.parametrize("name", ["nowhere", "./a/b/c", "../none/x", "a/b.git"])
def test_a_name_of_nothing(name: str) -> None:
    with pytest.raises(PolyheadError, match="is neither a folder nor the name of a repository"):
        polyhead.from_pretrained(name)
