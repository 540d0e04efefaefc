"""A model that is uploaded is loaded elsewhere and predicts the same; all that can go wrong is said in words."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from builders.fake_hub import FakeHub, Repo, connect
from builders.shown_run import shown_run
from huggingface_hub import ModelCard, constants

import polyhead
from polyhead.errors import PolyheadError

# huggingface_hub uses a parameter that its HTTP client will drop
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning")
FILES = {"model.safetensors", "config.json", "README.md"}
PREDICT = """
import json, sys, numpy, torch, polyhead
photo = torch.from_numpy(numpy.load(sys.argv[2]))
results = polyhead.from_pretrained(sys.argv[1]).predict(photo, conf=0.0)
print(json.dumps([[each.task, each.labels, each.boxes.tolist(), each.scores.tolist()] for each in results]))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shown_run(tmp_path_factory.mktemp("push") / "two")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    hub = FakeHub({"good": "ann", "reader": "ann", "other": "bob"}, readers={"reader"})
    connect(monkeypatch, hub.url, "good")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield hub
    hub.close()


def test_a_pushed_model_is_private_and_loads(run: Path, hub: FakeHub) -> None:
    lines: list[str] = []
    assert polyhead.push_to_hub(run, "ann/two", show=lines.append) == f"{hub.url}/ann/two"
    assert lines[0] == "made the private repository ann/two"
    repo = hub.repos["model", "ann/two"]
    assert repo.private
    assert {*repo.files} == FILES | {".gitattributes"}
    card = repo.files["README.md"].decode()
    assert 'polyhead.from_pretrained("ann/two")' in card
    assert ModelCard(card).data.get("license") == "unknown", "it extends another run"
    assert polyhead.from_pretrained("ann/two").names == polyhead.load(run).names
    asked = len(hub.asked)
    polyhead.from_pretrained("ann/two", revision=repo.sha)
    assert not [each for each in hub.asked[asked:] if "safetensors" in each], "it is in the cache"


@pytest.mark.slow
def test_another_process_predicts_the_same(run: Path, hub: FakeHub, tmp_path: Path) -> None:
    polyhead.push_to_hub(run, "ann/two", show=lambda line: None)
    draw = torch.Generator().manual_seed(0)
    photo = torch.randint(0, 256, (3, 120, 160), dtype=torch.uint8, generator=draw)
    assert hub.repos["model", "ann/two"].private
    np.save(tmp_path / "photo.npy", photo.numpy())
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", PREDICT, "ann/two", str(tmp_path / "photo.npy")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    expected = polyhead.load(run).predict(photo, conf=0.0)
    assert sum(map(len, expected)) > 10
    for each, (task, labels, boxes, scores) in zip(expected, found, strict=True):
        assert (each.task, each.labels) == (task, labels)
        np.testing.assert_allclose(each.boxes, boxes, atol=1e-6)
        np.testing.assert_allclose(each.scores, scores, atol=1e-6)


def test_a_repository_is_updated(run: Path, hub: FakeHub) -> None:
    polyhead.push_to_hub(run, "ann/two", show=lambda line: None)
    hub.repos["model", "ann/two"].files["notes.txt"] = b"mine"
    polyhead.push_to_hub(run, "ann/two", show=lambda line: None)
    assert hub.repos["model", "ann/two"].files["notes.txt"] == b"mine"


def test_a_public_repository_is_only_changed_when_asked_for(run: Path, hub: FakeHub) -> None:
    polyhead.push_to_hub(run, "ann/two", private=False, show=lambda line: None)
    assert not hub.repos["model", "ann/two"].private
    with pytest.raises(PolyheadError, match=r"ann/two exists, and everyone can see it. Add private=False"):
        polyhead.push_to_hub(run, "ann/two")


@pytest.mark.parametrize("files", [{"pytorch_model.bin": b"x"}, {"config.json": b'{"model_type": "bert"}'}])
def test_a_repository_of_something_else_is_not_touched(files: dict[str, bytes], run: Path, hub: FakeHub) -> None:
    hub.repos["model", "ann/two"] = Repo(True, dict(files))
    with pytest.raises(PolyheadError, match="the repository ann/two exists, and Polyhead has not written it"):
        polyhead.push_to_hub(run, "ann/two")
    assert hub.repos["model", "ann/two"].files == files


@pytest.mark.parametrize(
    ("token", "repo", "message"),
    [
        ("wrong", "ann/two", "the Hub does not accept the token. Log in again"),
        ("reader", "ann/two", "the token may not write to ann/two. Use a token with the permission to write"),
        ("good", "bob/two", "the token may not write to bob/two"),
        (None, "ann/two", "there is no token of the Hub on this machine"),
        ("good", "two", "'two' is not the name of a repository. Expected OWNER/NAME"),
    ],
)
def test_what_a_push_is_refused_for(
    token: str | None, repo: str, message: str, run: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, hub.url, token)
    with pytest.raises(PolyheadError, match=message):
        polyhead.push_to_hub(run, repo, show=lambda line: None)
    assert hub.repos == {}


@pytest.mark.parametrize("token", ["good", None])
def test_a_repository_that_does_not_exist(token: str | None, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, hub.url, token)
    with pytest.raises(PolyheadError, match="there is no repository ann/none on the Hub, or it is private"):
        polyhead.from_pretrained("ann/none")


def test_a_repository_without_a_model(hub: FakeHub) -> None:
    hub.repos["model", "ann/two"] = Repo(True, {"README.md": b"x"})
    with pytest.raises(PolyheadError, match=r"has no config.json"):
        polyhead.from_pretrained("ann/two")


def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    connect(monkeypatch, "http://127.0.0.1:9", "good")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(PolyheadError, match=r"http://127.0.0.1:9 cannot be reached \(.*Check the network"):
        polyhead.from_pretrained("ann/two")
