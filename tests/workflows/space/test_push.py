"""An upload makes a private Space with the same bytes; all that can go wrong is said in words."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.fake_hub import FakeHub, Repo, connect
from builders.shown_run import all_bytes, shown_run
from huggingface_hub import hf_hub_download, snapshot_download

from polyhead.errors import PolyheadError
from polyhead.workflows.space.folder import write
from polyhead.workflows.space.plan import plan
from polyhead.workflows.space.push import push

# huggingface_hub uses a parameter that its HTTP client will drop
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("space")
    return write(plan(shown_run(root / "two")), root / "space")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    hub = FakeHub({"good": "ann", "reader": "ann", "other": "bob"}, readers={"reader"})
    connect(monkeypatch, hub.url, "good")
    yield hub
    hub.close()


def test_all_files_arrive(folder: Path, hub: FakeHub, tmp_path: Path) -> None:
    (folder / "__pycache__").mkdir(exist_ok=True)
    (folder / "__pycache__" / "app.pyc").write_bytes(b"x")
    lines: list[str] = []
    assert push(folder, "ann/two", lines.append) == f"{hub.url}/spaces/ann/two"
    assert lines == ["made the private Space ann/two", f"uploading {folder} to {hub.url}/spaces/ann/two"]
    repo = hub.repos["space", "ann/two"]
    expected = {path: content for path, content in all_bytes(folder).items() if "__pycache__" not in path}
    assert repo.private
    assert {path: content for path, content in repo.files.items() if path != ".gitattributes"} == expected
    weights = hf_hub_download(
        "ann/two", "runs/two/weights/best.pt", repo_type="space", endpoint=hub.url, token="good", local_dir=tmp_path
    )
    assert Path(weights).read_bytes() == expected["runs/two/weights/best.pt"]
    where = tmp_path / "all"
    snapshot_download(
        "ann/two", repo_type="space", endpoint=hub.url, token="good", local_dir=where, allow_patterns="runs/*"
    )
    assert {path for path in all_bytes(where) if path.startswith("runs/")} == {
        path for path in expected if path.startswith("runs/")
    }


def test_an_upload_replaces_an_earlier_one(folder: Path, hub: FakeHub) -> None:
    push(folder, "ann/two", lambda line: None)
    hub.repos["space", "ann/two"].files["runs/two/samples/private.jpg"] = b"old"
    push(folder, "ann/two", lambda line: None)
    assert "runs/two/samples/private.jpg" not in hub.repos["space", "ann/two"].files


def test_a_space_is_public_only_when_asked_for(folder: Path, hub: FakeHub) -> None:
    push(folder, "ann/two", lambda line: None, public=True)
    assert not hub.repos["space", "ann/two"].private
    with pytest.raises(PolyheadError, match=r"exists, and everyone can see it. Add --public"):
        push(folder, "ann/two")


def test_a_space_of_someone_else_is_not_touched(folder: Path, hub: FakeHub) -> None:
    hub.repos["space", "ann/two"] = Repo(True, {"app.py": b"mine"})
    with pytest.raises(PolyheadError, match="the Space ann/two exists, and Polyhead has not written it"):
        push(folder, "ann/two")
    assert hub.repos["space", "ann/two"].files == {"app.py": b"mine"}


@pytest.mark.parametrize(
    ("token", "repo", "message"),
    [
        ("wrong", "ann/two", "the Hub does not accept the token. Log in again with 'hf auth login'"),
        ("reader", "ann/two", "the token may not write to ann/two. Use a token with the permission to write"),
        ("good", "bob/two", "the token may not write to bob/two"),
        (None, "ann/two", "there is no token of the Hub on this machine. Log in with 'hf auth login', or set HF_TOKEN"),
    ],
)
def test_a_refused_token(
    token: str | None, repo: str, message: str, folder: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, hub.url, token)
    with pytest.raises(PolyheadError, match=message):
        push(folder, repo, lambda line: None)
    assert hub.repos == {}


@pytest.mark.parametrize("repo", ["two", "a/b/c", "ann/-", "ann/two words", "ann/a--b", "../x", "ann/two.git", "ann/é"])
def test_a_wrong_name(repo: str, folder: Path) -> None:
    with pytest.raises(PolyheadError, match=r"is not the name of a Space. Expected OWNER/NAME"):
        push(folder, repo)


def test_a_hub_that_cannot_be_reached(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, "http://127.0.0.1:9", "good")
    with pytest.raises(PolyheadError, match=r"http://127.0.0.1:9 cannot be reached \(.*Check the network"):
        push(folder, "ann/two", lambda line: None)


def test_a_changed_folder_is_not_uploaded(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "space.json").write_text('{"files": {}}')
    (tmp_path / "secret.txt").write_text("x")
    with pytest.raises(PolyheadError, match=r"was changed after Polyhead wrote it \(secret.txt\)"):
        push(tmp_path, "ann/two")
    with pytest.raises(PolyheadError, match="is not a Space that Polyhead has written"):
        push(tmp_path / "none", "ann/two")
    assert hub.asked == []
