"""The error analysis of a run with three heads."""

from collections.abc import Iterator
from typing import Any

import pytest
from builders.three_heads import three_heads

from polyhead.analysis.errors import slices
from polyhead.data.loading.source import TaskData
from polyhead.errors import InvalidFileError, PolyheadError
from polyhead.kinds.classification import Classification
from polyhead.modalities.image import Image
from polyhead.run import Run
from polyhead.stored.run_files import read_errors
from polyhead.types import Sample
from polyhead.workflows.errors import ErrorAnalysis, analyze_errors
from polyhead.workflows.evaluate import reopen, score_split


def silent(_: str) -> None:
    """Print nothing."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = three_heads(tmp_path_factory.mktemp("errors"))
    model, tasks = reopen(run, silent)
    run.add_scores("test", score_split(model, tasks, "test", run)["tasks"])
    return run


@pytest.fixture(scope="module")
def found(run: Run) -> Iterator[ErrorAnalysis]:
    """The analysis of all heads, with slices of few images and robustness."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "FEWEST", 2)
        yield analyze_errors(run.folder, robust=True, show=silent)


def test_each_head_has_an_entry_that_is_stored(run: Run, found: ErrorAnalysis) -> None:
    assert found.folder == run.folder / "errors"
    stored = read_errors(found.folder / "errors.json")
    assert stored["tasks"] == found.tasks
    assert stored["split"] == found.split == "test"
    assert {*found.tasks} == {"det", "seg", "cls"}
    names = {path.name for path in found.folder.iterdir()}
    assert names == {"errors.json", "errors.md", *stored["plots"]}
    assert {"det.gains.png", "det.curves.png", "seg.curves.png", "cls.curves.png"} == {*stored["plots"]}


def test_figures_are_those_of_the_evaluation(run: Run, found: ErrorAnalysis) -> None:
    results = run.results["test"]["tasks"]
    errors = results["det"]["errors"]
    wrong = found.tasks["det"]["wrong"]
    assert wrong["objects not found"]["cases"] == errors["objects"]
    assert wrong["objects not found"]["fraction"][0] == pytest.approx(1 - errors["found"] / errors["objects"])
    assert found.tasks["det"]["gains"]["value"][0] == pytest.approx(results["det"]["score"])
    assert found.tasks["cls"]["wrong"]["wrong classes"]["fraction"][0] == pytest.approx(1 - results["cls"]["score"])
    assert found.tasks["cls"]["gains"]["types"] == {}
    for task, entry in found.tasks.items():
        clean, *changed = entry["robustness"]
        assert clean["score"][0] == pytest.approx(results[task]["score"])
        assert [row["change"] for row in changed] == ["blur", "noise", "JPEG 15", "darker", "brighter"]
        for row in changed:
            assert row["difference"][0] == pytest.approx(row["score"][0] - clean["score"][0])


def test_slices_use_facts_of_the_inputs(run: Run, found: ErrorAnalysis) -> None:
    _, tasks = reopen(run, silent)
    decoded = [tasks["cls"].sample("test", index).input for index in range(8)]
    brightness = sorted(Image().facts(each)["brightness"] for each in decoded)
    (bins,) = found.tasks["cls"]["curves"]["brightness"].values()
    assert (bins[0]["from"], bins[-1]["to"]) == (brightness[0], brightness[-1])
    thirds = [each for each in found.tasks["cls"]["slices"]["tried"] if each["slice"].startswith("brightness")]
    assert sum(each["images"] for each in thirds) == 8
    assert "image side" not in found.tasks["cls"]["curves"], "all images have the same size"


def test_tables_name_what_was_tried(found: ErrorAnalysis) -> None:
    text = (found.folder / "errors.md").read_text(encoding="utf-8")
    for task, entry in found.tasks.items():
        assert f"\n## {task}\n" in text
        assert f"{len(entry['slices']['tried'])} slices tried:" in text
        assert all(each in text for each in entry["slices"]["left_out"])
    assert "| Miss |" in text
    assert "| JPEG 15 |" in text


def test_the_same_call_writes_the_same_files(run: Run) -> None:
    def written(split: str = "test") -> dict[str, Any]:
        folder = analyze_errors(run, split, "cls", show=silent).folder
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    before = {path for path in run.folder.rglob("*") if "errors" not in path.parts}
    one, again = written(), written()
    assert one == again
    assert {*one} == {"errors.json", "errors.md", "cls.curves.png"}, "files of the earlier analysis are gone"
    assert {path for path in run.folder.rglob("*") if "errors" not in path.parts} == before
    (run.folder / "errors" / "notes.txt").write_text("mine")
    with pytest.raises(PolyheadError, match=r"has files that this command did not write: notes\.txt"):
        written()
    (run.folder / "errors" / "notes.txt").unlink()


def test_an_input_that_cannot_be_read_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    read, damaged = TaskData.sample, InvalidFileError("2.png", "the image is cut off", "restore it")

    def sample(self: TaskData, split: str, index: int) -> Sample:
        if index == 2:
            raise damaged
        return read(self, split, index)

    monkeypatch.setattr(TaskData, "sample", sample)
    monkeypatch.setattr(slices, "FEWEST", 2)
    lines: list[str] = []
    entry = analyze_errors(run, task="cls", show=lines.append).tasks["cls"]
    assert entry["unread"] == [str(damaged.problem)]
    assert f"not read: {damaged.problem}" in lines
    thirds = [each for each in entry["slices"]["tried"] if each["slice"].startswith("brightness")]
    assert sum(each["images"] for each in thirds) == 7
    assert entry["images"] == 8


def test_a_kind_that_names_nothing_wrong_is_left_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Classification, "cases")
    lines: list[str] = []
    with pytest.raises(PolyheadError, match=r"^no head has an error analysis \(cls\)\.$"):
        analyze_errors(run, task="cls", show=lines.append)
    assert "cls: classification has no error analysis: its kind does not say what is wrong" in lines


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split": "train"}, "split must be 'test' or 'val', got 'train'"),
        ({"split": "val"}, "has no stored predictions of split 'val'. Write them with 'polyhead evaluate "),
        ({"task": "dte"}, "has no predictions for task 'dte'; did you mean 'det'?"),
    ],
)
def test_wrong_settings_are_refused(run: Run, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(PolyheadError) as caught:
        analyze_errors(run, show=silent, **settings)
    assert message in str(caught.value)
