"""One notebook that trains and is the report: it runs in an empty folder, and resumes when it is run again."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from builders.answered_report import answer
from builders.three_heads import RECIPE

from polyhead import cli
from polyhead.config.factors import factors
from polyhead.errors import PolyheadError
from polyhead.run import Run
from polyhead.workflows.report.check import check_report
from polyhead.workflows.report.notebook_file import read_notebook
from polyhead.workflows.report.script import notebook

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a recipe of one head, in which the test runs."""
    recipe = {**RECIPE, "data": {"cls": RECIPE["data"]["cls"]}, "stages": [{"epochs": 40}]}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_killed_in_the_middle_and_run_again_it_resumes_and_passes_the_check(folder: Path) -> None:
    command = [sys.executable, "-m", "polyhead", "notebook", "small.yaml", "--run"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        resume = Run(folder / "runs" / "small").resume
        until = time.monotonic() + 240
        while not resume.is_file() and time.monotonic() < until:
            time.sleep(0.1)
        subprocess.run(["pkill", "-KILL", "-s", str(process.pid)], check=True)
        process.send_signal(signal.SIGKILL)
    assert resume.is_file()
    run = Run(folder / "runs" / "small")
    assert "finished" not in run.read_manifest()

    path = folder / "small.ipynb"
    answer(path)
    written = notebook("small.yaml", run=True, show=print)
    assert written.questions == []
    assert "finished" in run.read_manifest()
    assert run.best.is_file()
    content = read_notebook(path)
    assert content is not None
    log = "".join(output.text for cell in content.cells if cell.id == "train" for output in cell.outputs)
    assert "resuming runs/small" in log
    assert "epoch 40" in log
    assert check_report(path) == []
    page = path.with_suffix(".html").read_text(encoding="utf-8")
    assert "train_or_resume" in page, "the code that trains is shown"
    assert "<code>!" not in page


def test_every_setting_is_in_a_cell_and_an_ablation_can_be_added(folder: Path) -> None:
    written = notebook("small.yaml", ["epochs=1"], "other.ipynb", vary=factors(["lr=0.1,0.01"]), seeds=2)
    assert written.html is None
    content = read_notebook(folder / "other.ipynb")
    assert content is not None
    sources = {cell.id: cell.source for cell in content.cells}
    names: dict[str, object] = {}
    for name in ("data", "model", "stages", "recipe"):
        # pylint: disable-next=exec-used
        exec(sources[name], names)  # noqa: S102  # what the cells say is what is trained
    assert names["recipe"]["stages"][0]["epochs"] == 1  # type: ignore[index]
    assert names["recipe"]["stages"][0]["weight_decay"] is not None  # type: ignore[index]
    assert (
        "polyhead.ablate('small.yaml', {'lr': ['0.1', '0.01']}, seeds=2, name='small_ablation')" in sources["ablation"]
    )
    assert any("report.study('runs/small_ablation')" in source for source in sources.values())
    assert "polyhead-*.whl" in sources["install"]
    assert not any(line.lstrip().startswith("!") for source in sources.values() for line in source.splitlines())


def test_the_file_must_be_a_notebook(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(PolyheadError, match=r"expected the name of a notebook, which ends in \.ipynb"):
        notebook("small.yaml", out=folder / "small.txt")
    assert cli.main(["notebook", "small.yaml"]) == 0
    assert "wrote small.ipynb" in capsys.readouterr().out
