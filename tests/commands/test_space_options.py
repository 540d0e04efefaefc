"""The command lists what it would write, asks, writes and uploads."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.fake_hub import FakeHub, connect
from builders.shown_run import CLOSED, shown_run

from polyhead.cli import Parser
from polyhead.commands.space_options import add_options, run_space
from polyhead.errors import PolyheadError

# huggingface_hub uses a parameter that its HTTP client will drop
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning")


class Terminal(io.StringIO):
    """A terminal at which someone has typed these answers."""

    def isatty(self) -> bool:
        return True


def call(*words: str | Path) -> int:
    """Call the command ``app`` with the options of a Space."""
    command = Parser(prog="polyhead app")
    command.add_argument("run")
    command.add_download()
    add_options(command)
    return run_space(command.parse_args([str(word) for word in words]))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shown_run(tmp_path_factory.mktemp("runs") / "two", food=CLOSED)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    hub = FakeHub({"good": "ann"})
    connect(monkeypatch, hub.url, "good")
    yield hub
    hub.close()


def test_every_file_is_listed_with_size_and_license(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(run, "--space", tmp_path / "space", "--yes") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  app.py (1 KiB): Apache-2.0" in lines
    assert "  runs/two/samples/ (1 KiB, 1 file): CC BY 4.0" in lines
    assert sum(line.startswith("  polyhead/") for line in lines) == 1
    assert next(line for line in lines if "best.pt" in line).endswith(
        f"MiB): data: CC BY 4.0; {CLOSED}; pretrained weights: an earlier run: unknown"
    )
    assert any(line.startswith("  left out: samples and mistakes of food: the license") for line in lines)
    assert lines[-2:] == [f"the Space is in {tmp_path}/space", f"try it with: python {tmp_path}/space/app.py"]


def test_nothing_is_written_without_a_yes(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for typed in ("n\n", "\n", ""):
        monkeypatch.setattr("sys.stdin", Terminal(typed))
        assert call(run, "--space", tmp_path / "space") == 1
        out = capsys.readouterr().out
        assert f"MiB) to {tmp_path}/space? [y/N] " in out
        assert out.endswith("nothing was written\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(PolyheadError, match=r"there is no terminal to ask whether to go on. Check the files"):
        call(run, "--space", tmp_path / "space")
    assert not any(tmp_path.iterdir())


def test_the_upload_is_asked_for_separately(
    run: Path, tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("y\nn\n"))
    assert call(run, "--space", tmp_path / "space", "--push", "ann/two") == 1
    assert f" to {hub.url}/spaces/ann/two (private)? [y/N] " in capsys.readouterr().out
    assert (tmp_path / "space" / "app.py").is_file()
    assert hub.asked == []
    monkeypatch.setattr("sys.stdin", Terminal("y\nyes\n"))
    assert call(run, "--space", tmp_path / "space", "--push", "ann/two", "--public") == 0
    out = capsys.readouterr().out
    assert "ann/two (public: everyone can see it)? [y/N] " in out
    assert out.endswith(f"{hub.url}/spaces/ann/two\n")
    assert not hub.repos["space", "ann/two"].private


def test_a_wrong_name_and_a_full_folder_are_refused_before_any_work(run: Path, tmp_path: Path) -> None:
    with pytest.raises(PolyheadError, match="'two' is not the name of a Space"):
        call(run, "--space", tmp_path / "space", "--push", "two", "--yes")
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(PolyheadError, match="is not empty, and not a Space"):
        call("no_such_run", "--space", tmp_path, "--yes")
