"""The samples of a split of a run, one by one."""

from pathlib import Path

import pytest
import torch
from builders.three_heads import three_heads
from PIL import Image

from polyhead.data.loading.source import Source
from polyhead.data.readers.folder import Folder
from polyhead.errors import Problem
from polyhead.workflows.split import open_run, samples
from polyhead.workflows.tasks import open_tasks


def test_a_file_that_cannot_be_read_is_left_out_and_named(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(10):
            Image.new("RGB", (20, 20), (number, 0, 0)).save(tmp_path / name / f"{number}.png")
    split: dict[str, int | float | str] = {"val": 0.25, "test": 0.25}
    task = open_tasks({"pets": Source(Folder(str(tmp_path)), split=split, workers=0)}, (32, 32), 0)["pets"]
    broken = Path(task.readers["test"].entry(1).path)
    broken.write_bytes(broken.read_bytes()[:40])
    unread: list[Problem] = []
    found = [index for index, _ in samples(task, "test", unread)]
    assert found == [index for index in range(len(task.readers["test"])) if index != 1]
    assert [Path(problem.where).name for problem in unread] == [broken.name]
    assert [index for index, _ in samples(task, "test", unread, [3, 1, 0])] == [3, 0]


def test_a_run_is_opened_with_its_data(tmp_path: Path) -> None:
    lines: list[str] = []
    predictor, tasks = open_run(three_heads(tmp_path), lines.append)
    assert predictor.names == {name: task.names for name, task in tasks.items()}
    assert predictor.precision == "32-true"
    assert not lines
    index, sample = next(samples(tasks["cls"], "test", []))
    assert index == 0
    assert sample.input.dtype == torch.uint8
    assert sample.input.shape == (3, 64, 64)
    with pytest.raises(StopIteration):
        next(samples(tasks["cls"], "test", [], []))
