"""The rest of an interrupted stage gets a schedule of its own, as a new stage."""

from pathlib import Path
from typing import Any

import pytest

from polyhead import cli
from polyhead import run as runs
from polyhead.config import recipe
from polyhead.engine.checkpointing import Saver
from polyhead.engine.resume import load_state
from polyhead.errors import PolyheadError
from polyhead.run import Run, read_rows
from polyhead.workflows.new_schedule import new_schedule

pytestmark = pytest.mark.usefixtures("undrawn")

RECIPE = """\
model: {class_path: ssd300, init_args: {backbone: test_resnet, size: 64, width: 16}}
data:
  a: {reader: scenes, count: 8, size: 64, val: {count: 4, seed: 1}, test: {count: 4, seed: 2}, batch: 4, workers: 0}
stages: [{epochs: 4, lr: 0.002}]
"""


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that was stopped when two of its four epochs were saved."""
    folder = tmp_path_factory.mktemp("interrupted")
    (folder / "small.yaml").write_text(RECIPE)
    real = Saver.on_train_epoch_end

    def stop(saver: Saver, trainer: Any, module: Any) -> None:
        real(saver, trainer, module)
        if trainer.current_epoch == 1:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(Saver, "on_train_epoch_end", stop)
        assert cli.main(["train", "small.yaml"]) == 130
    return folder


@pytest.fixture
def run(interrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A copy of it, in the current folder."""
    for path in (interrupted / "runs").rglob("*"):
        copy = tmp_path / path.relative_to(interrupted)
        if path.is_dir():
            copy.mkdir(parents=True)
        else:
            copy.write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    return Run("runs/small")


@pytest.mark.slow
def test_other_settings_are_refused_and_then_trained_with_a_new_schedule(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["train", "--resume", "runs/small", "batch=2"]) == 2
    assert "--new-schedule changes the settings of the epochs that are left" in capsys.readouterr().err
    text = run.config.read_text()
    run.config.write_text(text.replace("batch: 4", "batch: 2"))
    assert cli.main(["train", "--resume", "runs/small"]) == 2
    message = capsys.readouterr().err
    assert "stage 1 is in the middle of a schedule of its learning rate, which other settings would break:" in message
    assert "steps 8 is now 16, batch 4 is now 2. Restore the settings; or add --new-schedule" in message
    run.config.write_text(text)
    earlier = run.read_manifest()["schedules"]
    words = ["train", "--resume", "runs/small", "--new-schedule", "batch=2", "epochs=5", "lr=0.001"]
    assert cli.main(words) == 0
    output = capsys.readouterr().out
    assert output.startswith("stage 1 ends after 2 epochs; the rest is stage 2, with a schedule of its own\n")
    epochs = [(row["stage"], row["epoch"]) for row in read_rows(run.results_csv)]
    assert epochs == [("0", "1"), ("0", "2"), ("1", "1"), ("1", "2"), ("1", "3")]
    first, second = run.read_manifest()["schedules"]
    assert first == earlier[0]
    assert (second["epochs"], second["steps"], second["batch"], second["lr"]) == (3, 12, {"a": 2}, 0.001)
    assert float(read_rows(run.results_csv)[-1]["lr"]) < 0.0005  # near the end of a whole cycle
    assert (run.plots / "schedule.png").is_file()
    assert "finished" in run.read_manifest()


def test_a_kill_between_the_two_files_is_repaired_by_the_same_command(run: Run) -> None:
    state = run.resume.read_bytes()
    new_schedule(run, ["data.a.batch=2"])
    stages = recipe.load(run.config)["stages"]
    assert [stage["epochs"] for stage in stages] == [2, 2]
    between = load_state(run)
    assert between is not None
    assert between["polyhead"]["stage"] == 1
    run.resume.write_bytes(state)
    new_schedule(run)
    assert recipe.load(run.config)["stages"] == stages
    again = load_state(run)
    assert again is not None
    assert again["checksum"] == between["checksum"]


def test_what_cannot_have_a_new_schedule(run: Run) -> None:
    text = run.config.read_text()
    with pytest.raises(PolyheadError, match=r"^--new-schedule: expected settings of the stages, batch or workers, got"):
        new_schedule(run, ["model.size=96"])
    with pytest.raises(PolyheadError, match=r"stage 1 has trained 2 epochs, and its setting is epochs=2, so none is"):
        new_schedule(run, ["epochs=2"])
    assert run.config.read_text() == text
    run.resume.unlink()
    with pytest.raises(PolyheadError, match=r"stage 1 has finished no epoch yet, .*train runs/small/config\.yaml'"):
        new_schedule(run)
    run.config.unlink()
    with pytest.raises(PolyheadError, match=r"was trained from Python .* one stage more\.$"):
        new_schedule(run)


def test_a_run_that_another_process_trains_is_not_changed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> bool:
        raise BlockingIOError

    monkeypatch.setattr(runs, "_acquire", refuse)
    before = run.config.read_bytes(), run.resume.read_bytes()
    with pytest.raises(PolyheadError, match="is locked by another training process"):
        new_schedule(run, ["epochs=5"])
    assert (run.config.read_bytes(), run.resume.read_bytes()) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["recipe", "--new-schedule"], "--new-schedule changes a run that is resumed. Add --resume RUN."),
        (["--resume", "run", "--lr-find"], "--lr-find starts from a recipe, not from a run. Give the recipe instead"),
    ],
)
def test_flags_that_do_not_fit(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", *words]) == 2
    assert message in capsys.readouterr().err
