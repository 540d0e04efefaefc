"""False claims of a run are found: each is planted into a copy of a run that claims nothing false."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polyhead import checkpoint
from polyhead.run import Run, write_json
from polyhead.workflows.report.claims import false_claims, false_studies

pytestmark = pytest.mark.slow


def results(change: Callable[[dict[str, Any]], object], task: str = "det") -> Callable[[Run], object]:
    """Return a plant that changes the numbers of a head on test."""

    def plant(run: Run) -> None:
        content = run.results
        change(content["test"]["tasks"][task])
        write_json(run.results_json, content)

    return plant


def manifest(change: Callable[[dict[str, Any]], object]) -> Callable[[Run], object]:
    """Return a plant that changes the manifest."""

    def plant(run: Run) -> None:
        content = run.read_manifest()
        change(content)
        write_json(run.manifest, content)

    return plant


def point_chosen_on_test(run: Run) -> None:
    weights = checkpoint.load(run.best)
    entries = {name: dict(entry) for name, entry in weights.tasks.items()}
    entries["cls"][checkpoint.OPERATING] = {**entries["cls"][checkpoint.OPERATING], "split": "test"}
    checkpoint.save(run.best, weights._replace(tasks=entries))


def another_epoch_selected(run: Run) -> None:
    run.update_manifest(kinds={"det": "detection"})
    run.results_csv.write_text(
        "stage,epoch,time,selected,val/det/ap50\n0,1,1.0,1,0.1\n0,2,2.0,0,0.3\n", encoding="utf-8"
    )


PLANTS: dict[str, tuple[Callable[[Run], object], str]] = {
    "a score": (results(lambda each: each.update(score=each["score"] + 0.01)), "'det' on test: the score is stated as"),
    "a narrow interval": (
        results(lambda each: each.update(interval=[each["score"] - 1e-4, each["score"] + 1e-4]), "seg"),
        "'seg' on test: the interval is stated as",
    ),
    "another level": (results(lambda each: each.update(level=0.99)), "at level 0.99"),
    "more images": (
        results(lambda each: each.update(images=800)),
        "n is stated as 800, but there are predictions for 8",
    ),
    "no dummy baseline": (results(lambda each: each.pop("dummy_baseline")), "the dummy baseline is missing"),
    "a threshold of test in the results": (
        results(lambda each: each.update(operating={"chosen_on": "test"})),
        "results.json states an operating point that was chosen on test, not on val",
    ),
    "a temperature of test in the weights": (
        point_chosen_on_test,
        "best.pt: the operating point of 'cls' was chosen on test, not on val",
    ),
    "a shared sample": (
        manifest(lambda each: each["splits"]["det"]["val"].append(each["splits"]["det"]["test"][0])),
        "'det': val and test share 1 samples",
    ),
    "other samples": (
        manifest(lambda each: each["splits"]["det"].update(test=["x"])),
        "predictions are stored for other samples than manifest.json lists",
    ),
    "val in the training folder": (
        manifest(lambda each: each["data"]["det"].update(warnings={"same-folder": "val is train"})),
        "scores may be too good. Warning of the data: val is train",
    ),
    "no seed": (manifest(lambda each: each.pop("seed")), "states no seed"),
    "another seed": (manifest(lambda each: each.update(seed=7)), "states seed 7, but config.yaml has seed 0"),
    "no versions": (manifest(lambda each: each.pop("versions")), "does not state the versions"),
    "not finished": (manifest(lambda each: each.pop("finished")), "the training is not finished"),
    "no weights": (lambda run: run.best.unlink(), "best.pt"),
    "no predictions": (
        lambda run: run.predictions_path("test", "det").unlink(),
        "'det' on test: its score cannot be computed again",
    ),
    "a worse epoch": (
        another_epoch_selected,
        "epoch 1 of stage 1 is marked as selected, but another epoch has a better",
    ),
}


def test_a_run_as_it_was_trained_claims_nothing_false(run: Run) -> None:
    assert false_claims(run) == []


@pytest.mark.parametrize("name", PLANTS)
def test_each_planted_claim_is_named(run: Run, tmp_path: Path, name: str) -> None:
    plant, expected = PLANTS[name]
    copy = Run(tmp_path / "copy")
    shutil.copytree(run.folder, copy.folder)
    plant(copy)
    found = false_claims(copy)
    assert any(expected in each for each in found), found


def test_the_rows_of_a_study_are_computed_again(run: Run, tmp_path: Path) -> None:
    numbers = run.results["test"]["tasks"]["cls"]
    row = {
        "name": "base", "task": "cls", "metric": "accuracy", "seeds": 1, "scores": {"accuracy": [numbers["score"]] * 3},
        "runs": [[str(run.folder)]],
    }  # fmt: skip
    path = tmp_path / "table.json"
    path.write_text(json.dumps({"rows": [row]}), encoding="utf-8")
    found = [*false_studies(tmp_path)]
    assert any("row 'base' states accuracy" in each for each in found), "its interval is not that of the runs"
    path.write_text(json.dumps({"rows": [{**row, "seeds": 3}]}), encoding="utf-8")
    assert any("states 3 seeds, but has 1 runs" in each for each in false_studies(tmp_path))
    path.write_text(json.dumps({"rows": [{**row, "runs": [[str(tmp_path)]]}]}), encoding="utf-8")
    assert any("cannot be computed again" in each for each in false_studies(tmp_path))
