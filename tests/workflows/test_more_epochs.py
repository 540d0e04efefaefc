"""A finished run is trained further, as a new stage; an interrupted one gets all of its files."""

from pathlib import Path

import pytest

from polyhead import cli
from polyhead.analysis import plots
from polyhead.config import recipe
from polyhead.errors import PolyheadError
from polyhead.run import Run, partial_path, read_rows, write_text
from polyhead.workflows.more_epochs import add_stage, more_epochs

pytestmark = pytest.mark.usefixtures("undrawn")

RECIPE = """\
model: {class_path: ssd300, init_args: {backbone: test_resnet, size: 64, width: 16}}
data:
  a: {reader: scenes, count: 8, size: 64, val: {count: 4, seed: 1}, test: {count: 4, seed: 2}, batch: 4, workers: 0}
stages: [{epochs: 1, lr: 0.002, init: {backbone: runs/other}}]
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that is finished, as far as its recipe and manifest tell."""
    (tmp_path / "small.yaml").write_text(RECIPE)
    run = Run.create(tmp_path, "run")
    write_text(run.config, recipe.dump(recipe.load(tmp_path / "small.yaml")))
    run.update_manifest(seed=0, finished="2026-11-28")
    run.resume.write_bytes(b"")
    return run


def test_the_new_stage_has_the_settings_of_the_last_one_and_its_own_epochs(run: Run) -> None:
    line = add_stage(run, 3)
    assert line == "stage 2 is new: 3 more epochs with the settings of stage 1"
    first, second = recipe.load(run.config)["stages"]
    assert (first["epochs"], second["epochs"], second["init"]) == (1, 3, {})
    assert {**second, "epochs": 1, "init": first["init"]} == first
    assert run.read_manifest() == {"seed": 0}


def test_the_number_of_epochs_is_checked_before_anything_is_changed(run: Run) -> None:
    before = run.config.read_text()
    with pytest.raises(PolyheadError, match=r"stages\.1.*epochs must be positive, got 0"):
        add_stage(run, 0)
    assert run.config.read_text() == before
    assert "finished" in run.read_manifest()


def test_what_cannot_be_trained_further_says_what_to_do(run: Run) -> None:
    run.resume.unlink()
    with pytest.raises(PolyheadError, match=r"cannot be trained further: it has no resume.ckpt. Start a new run\.$"):
        add_stage(run, 3)
    run.manifest.unlink()
    with pytest.raises(PolyheadError, match=rf"is not finished, .* --resume {run.folder}'; epochs=3 can then train"):
        add_stage(run, 3)
    run.config.unlink()
    with pytest.raises(PolyheadError, match=r"was trained from Python .* one stage more\.$"):
        add_stage(run, 3)


@pytest.mark.parametrize("changes", [["epochs=3", "lr=0.1"], ["epochs=-1"], ["epochs=many"], ["stages.0.epochs=3"]])
def test_only_a_number_of_epochs_can_be_given(changes: list[str]) -> None:
    with pytest.raises(PolyheadError, match=rf"Remove '{changes[-1]}'\. \(epochs=N trains a finished run N"):
        more_epochs(changes)


@pytest.mark.slow
def test_a_run_that_was_stopped_while_its_data_was_plotted_is_resumed_completely_and_then_trained_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(RECIPE.replace(", init: {backbone: runs/other}", ""))

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(plots, "train_batch", stop)
        assert cli.main(["train", "small.yaml"]) == 130
    run = Run("runs/small")
    partial_path(run.plots / "train_batch.a.png").write_text("half")
    assert cli.main(["train", "--resume", "runs/small"]) == 0
    assert {"labels.a.png", "train_batch.a.png"} <= {path.name for path in run.plots.iterdir()}
    assert not list(run.folder.rglob("*.partial"))
    capsys.readouterr()
    assert cli.main(["train", "--resume", "runs/small", "epochs=2"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("stage 2 is new: 2 more epochs with the settings of stage 1\n")
    assert "stage 2/2 epoch 2/2" in output
    assert [(row["stage"], row["epoch"]) for row in read_rows(run.results_csv)] == [("0", "1"), ("1", "1"), ("1", "2")]
    assert "finished" in run.read_manifest()
    config = run.config.read_text()
    run.config.write_text(config.replace("epochs: 2", "epochs: 1"))
    assert cli.main(["train", "--resume", "runs/small"]) == 2
    assert "stage 2 has trained 2 epochs already, more than its setting epochs=1." in capsys.readouterr().err
    run.config.write_text(config.replace("epochs: 2", "epochs: 3"))
    assert cli.main(["train", "--resume", "runs/small"]) == 2
    assert "epochs 2 is now 3, steps 4 is now 6. Restore the settings" in capsys.readouterr().err
    assert cli.main(["train", "--resume", "runs/small", "--new-schedule"]) == 0
    assert "is finished already" not in (output := capsys.readouterr().out)
    assert "stage 3/3 epoch 1/1" in output
