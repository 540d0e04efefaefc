"""The examples run in a small form, from top to bottom, and one of them makes the plots of the docs.

``tests/workflows/test_own.py`` runs ``own_parts.py``.
"""

import json
import os
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

import polyhead

FOLDER = Path(__file__).parent.parent / "examples"
SMALL = {"imgsz": 64, "epochs": 1, "data.*.workers": 0}
PLOTS = {
    "learning_curves": "plots/results.png",
    "precision_recall": "plots/pr_curve.{task}.test.png",
    "confusion": "plots/confusion_matrix.{task}.test.png",
    "error_gains": "errors/{task}.gains.png",
    "error_curves": "errors/{task}.curves.png",
}
"""Images of the docs, and the files of a run that they show."""


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POLYHEAD_WEIGHTS", raising=False)


def example(name: str) -> ModuleType:
    """Import an example."""
    spec = spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def changes(**more: int) -> list[str]:
    """Return overrides that make a training small."""
    return [f"{key}={value}" for key, value in {**SMALL, **more}.items()]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) < 70


@pytest.mark.slow
def test_own_images_are_trained_analyzed_and_detected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = example("own_images")
    monkeypatch.setattr(module, "MINUTES", None)  # no step is timed
    run = module.main(module.generated(Path("fruit"), 20), [], **SMALL)
    assert Path("fruit.yaml").exists()
    assert (run.folder / "errors" / "errors.md").exists()
    drawn = [path.stem for path in (run.folder / "drawn").iterdir()]
    assert sorted(drawn) == sorted(path.stem for path in run.samples.iterdir())
    assert (run.folder / "detections.csv").read_text("utf-8").startswith("image,")
    assert f"drawn images are in {run.folder / 'drawn'}" in capsys.readouterr().out
    make_plots(run)


def make_plots(run: polyhead.Run) -> None:
    """Make the plots of the docs from a run, with 128 colors, so that the files are small.

    polyhead demo; polyhead errors runs/demo
    POLYHEAD_APP_RUN=$PWD/runs/demo POLYHEAD_SCREENSHOTS=$PWD/docs/images make test-slow ARGS="-k own_images_are"
    """
    shown = polyhead.Run.open(os.environ.get("POLYHEAD_APP_RUN", run.folder))
    folder = Path(os.environ.get("POLYHEAD_SCREENSHOTS", "images"))
    folder.mkdir(exist_ok=True)
    task = list(shown.results["test"]["tasks"])[-1]
    for name, file in PLOTS.items():
        path = folder / f"{name}.png"
        with Image.open(shown.folder / file.format(task=task)) as plot:
            plot.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
        assert path.stat().st_size < 150_000


@pytest.mark.slow
def test_two_data_sets_are_compared_and_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    rows = example("two_data_sets").main(
        *changes(**{"data.*.count": 12, "data.*.val.count": 6, "data.*.test.count": 8})
    )
    assert [row.name for row in rows] == ["two networks", "one network"]
    assert rows[1].parameters < rows[0].parameters
    assert rows[1].difference is not None
    assert Path("runs/both/both_heads.png").exists()
    assert capsys.readouterr().out.splitlines()[-1].startswith("signs: ")


@pytest.mark.slow
def test_a_task_is_added_after_the_data_was_deleted(capsys: pytest.CaptureFixture[str]) -> None:
    run = example("add_a_task").main(*changes(), count=20)
    assert not Path("first_data").exists()
    results = json.loads(run.results_json.read_text("utf-8"))
    assert results["test"]["tasks"].keys() == {"fruit", "signs", "daytime"}
    last = capsys.readouterr().out.splitlines()[-3:]
    assert [line.split(":")[0] for line in last] == ["fruit", "signs", "daytime"]
