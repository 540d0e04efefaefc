"""Trackers get the numbers of the run, offline, and a resumed run continues in the same run of the tracker."""

import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import polyhead
from polyhead.config.recipe import Parts
from polyhead.config.settings import Settings
from polyhead.engine import tracker_names
from polyhead.engine.after_epoch import AfterEpoch
from polyhead.engine.stage import Stage
from polyhead.engine.trackers import step_of
from polyhead.errors import PolyheadError, SettingError
from polyhead.nets.heads.classify import Classify
from polyhead.nets.model import Model
from polyhead.run import Run, read_json, write_json
from polyhead.workflows.own import Task
from polyhead.workflows.scope import WHOLE
from polyhead.workflows.train import resume_parts, train_parts

Logged = dict[str, dict[int, float]]
"""Numbers by name and step."""


def parts(logger: str, runs: Path) -> Parts:
    points = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
    task = Task(torch.utils.data.TensorDataset(points, (points[:, 0] > 0).long()), ["left", "right"])
    return Parts(
        Model(torch.nn.Linear(2, 8), [], Classify),
        {"side": task.source("side")},
        [Stage(epochs=3, lr=0.01), Stage(epochs=1, lr=0.001)],
        Settings(name="small", runs=str(runs), logger=logger),
    )


class KilledError(Exception):
    pass


def killed_and_resumed(logger: str, runs: Path) -> tuple[Run, list[str]]:
    """Train a run that is killed after its first epoch is saved, but before it is counted as logged, and resume it."""

    def kill(epochs: int, best: float | None) -> None:
        del epochs, best
        raise KilledError

    lines: list[str] = []
    with pytest.raises(KilledError):
        train_parts(parts(logger, runs), lines.append, scope=WHOLE._replace(callbacks=[AfterEpoch(kill)]))
    run = Run.open(runs / "small")
    first = read_json(run.folder / "trackers.json")
    write_json(run.folder / "trackers.json", {**first, "epochs": 0})
    resume_parts(parts(logger, runs), run, lines.append)
    assert read_json(run.folder / "trackers.json")["id"] == first["id"]
    return run, lines


def check(run: Run, logged: Logged) -> None:
    """Compare what a tracker has with the files of the run."""
    plans = run.read_manifest()["schedules"]
    rows = run.epochs
    assert len(rows) == 4
    for name, column in (("train/loss", "train/loss"), ("val/side/accuracy", "val/side/accuracy"), ("epoch/lr", "lr")):
        assert {*logged[name]} == {step_of({key: float(row[key]) for key in ("stage", "epoch")}, plans) for row in rows}
        for row in rows:
            step = step_of({key: float(row[key]) for key in ("stage", "epoch")}, plans)
            assert math.isclose(logged[name][step], float(row[column]), rel_tol=1e-5)
    numbers = run.results["test"]["tasks"]["side"]
    last = sum(plan["steps"] for plan in plans)
    assert logged["final/test/side/score"] == {last: pytest.approx(numbers["score"])}
    assert logged["final/test/side/dummy_baseline"][last] == pytest.approx(numbers["dummy_baseline"]["score"])
    assert len(logged["step/loss"]) >= 2


def of_tensorboard(run: Run) -> Logged:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run.folder / "tensorboard"))
    events.Reload()
    return {tag: {each.step: each.value for each in events.Scalars(tag)} for tag in events.Tags()["scalars"]}


def of_mlflow(run: Run) -> Logged:
    from mlflow.tracking import MlflowClient

    client = MlflowClient((run.folder.resolve() / "mlruns").as_uri())
    (experiment,) = [each for each in client.search_experiments() if each.name == "polyhead"]
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FINISHED"
    names = found.data.metrics
    return {
        name: {each.step: each.value for each in client.get_metric_history(found.info.run_id, name)} for name in names
    }


def wandb_records(content: bytes) -> Iterator[bytes]:
    """Yield the records of a ``.wandb`` file: a log of LevelDB, in blocks of 32 KiB, after a header of 7 bytes."""
    place, joined = 7, b""
    while place < len(content):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        length, part = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        joined += content[place + 7 : place + 7 + length]
        place += 7 + length
        if part in (1, 4):  # a whole record, or the last part of one
            yield joined
            joined = b""


def of_wandb(run: Run) -> Logged:
    from wandb.proto import wandb_internal_pb2

    make: Any = vars(wandb_internal_pb2)["Record"]  # it is made when the module is imported

    found: Logged = {}
    files = sorted((run.folder / "wandb").glob("offline-run-*/*.wandb"))
    identifier = read_json(run.folder / "trackers.json")["id"]
    assert {path.name for path in files} == {f"run-{identifier}.wandb"}
    for path in files:
        for data in wandb_records(path.read_bytes()):
            record = make()
            record.ParseFromString(data)
            items = {each.key or "/".join(each.nested_key): each.value_json for each in record.history.item}
            for name, value in items.items():
                if "trainer/global_step" in items and not name.startswith("_"):
                    found.setdefault(name, {})[int(items["trainer/global_step"])] = float(value)
    return found


def of_trackio(run: Run) -> Logged:
    from trackio.sqlite_storage import SQLiteStorage

    name = f"small-{read_json(run.folder / 'trackers.json')['id']}"
    assert SQLiteStorage.get_runs("polyhead") == [name]
    found: Logged = {}
    for entry in SQLiteStorage.get_logs("polyhead", name):
        for key, value in entry.items():
            if isinstance(value, int | float) and key != "step":
                found.setdefault(key, {})[entry["step"]] = float(value)
    return found


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of packages that are not ours
@pytest.mark.parametrize("read", [of_tensorboard, of_mlflow, of_wandb, of_trackio])
def test_a_tracker_has_the_numbers_of_a_run_that_was_killed(
    read: Callable[[Run], Logged], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = read.__name__.removeprefix("of_")
    for variable in ("WANDB_MODE", "MLFLOW_TRACKING_URI", "TRACKIO_SPACE_ID", "TRACKIO_PROJECT", "WANDB_PROJECT"):
        monkeypatch.delenv(variable, raising=False)
    if name == "trackio":
        _move_trackio(tmp_path / "trackio", monkeypatch)
    run, lines = killed_and_resumed(name, tmp_path / "runs")
    assert sum(line.startswith(f"logger: {name}; ") for line in lines) == 2
    check(run, read(run))


def _move_trackio(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let trackio use another folder; it has read the environment when it was imported."""
    import trackio

    assert trackio.__version__
    for name, module in list(sys.modules.items()):
        if name.startswith("trackio") and hasattr(module, "TRACKIO_DIR"):
            patch.setattr(module, "TRACKIO_DIR", folder)


def test_a_run_without_trackers_has_none(tmp_path: Path) -> None:
    points = torch.randn(40, 2)
    task = Task(torch.utils.data.TensorDataset(points, (points[:, 0] > 0).long()), ["left", "right"])
    model = Model(torch.nn.Linear(2, 8), [], Classify)
    run = polyhead.fit(model, {"side": task}, epochs=1, runs=tmp_path, show=lambda line: None)
    assert not (run.folder / "trackers.json").exists()


def test_a_missing_package_stops_before_the_data_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker_names, "find_spec", lambda name: None if name == "wandb" else name)
    lines: list[str] = []
    with pytest.raises(
        PolyheadError, match=r"logger: wandb is not installed. Install it with: pip install 'polyhead\["
    ):
        polyhead.train("demo", logger=["tensorboard", "wandb"], show=lines.append)
    assert not lines


def test_a_tracker_that_does_not_exist() -> None:
    with pytest.raises(SettingError, match="logger: there is no tracker 'tensorbord'; did you mean 'tensorboard'"):
        Settings(logger=["tensorbord"])


def test_settings_are_logged_by_their_key_paths() -> None:
    values: dict[str, Any] = dict(_flat_of({"seed": 0, "stages": [{"lr": 0.1, "tasks": None}], "names": ["a", "b"]}))
    assert values == {"seed": 0, "stages.0.lr": 0.1, "stages.0.tasks": "None", "names": "['a', 'b']"}


def _flat_of(config: dict[str, Any]) -> Any:
    from polyhead.engine.trackers import flat

    return flat(config)
