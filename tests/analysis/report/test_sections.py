"""The sections of a report on a run that lacks most files: each says what it has, and what is missing."""

import subprocess
import sys
from pathlib import Path

import pytest
from builders.shown_run import shown_run

from polyhead.analysis import report
from polyhead.errors import PolyheadError
from polyhead.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(shown_run(tmp_path_factory.mktemp("report") / "run"))


def test_the_problem_names_heads_and_scores(run: Run) -> None:
    text = report.problem(run)
    assert "| street | detection | - | 1: a | AP50 | - (not measured) |" in text
    assert "Protocol of AP50: of street." in text


def test_links_are_those_of_the_run(run: Run, tmp_path: Path) -> None:
    assert report.links(run) == "- paper: <https://example.org/paper>"
    assert "no links" in report.links(Run(tmp_path))


def test_what_is_missing_is_stated(run: Run) -> None:
    assert "polyhead data card" in report.data_card(run, "street")
    assert "no error analysis" in report.errors(run)
    assert "no data card" in report.biases(run, "street")
    assert not report.error_plots(run)
    assert not report.plots(run, "street")


def test_the_record_of_the_training(run: Run) -> None:
    text = report.reproducibility(run)
    assert "| seed | 3 |" in text
    assert "polyhead train secret.yaml" in text
    assert "| backbone | 10 |" in report.network(run)
    assert report.splits(run).to_dict("records")[0] == {"head": "street", "test": 1, "in two splits": 0}
    assert "test was measured afterwards" not in report.training(run), "nothing is known to be chosen"


def test_samples_in_two_splits_are_counted(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.update_manifest(splits={"a": {"train": ["1", "2", "3"], "val": ["3"], "test": ["2", "3"]}})
    assert report.splits(run)["in two splits"].tolist() == [2]


def test_scores_stand_beside_n_and_baselines(run: Run) -> None:
    assert "| street | test | AP50 | 0.500 | 4 | - | - |" in report.scores(run)
    assert "One run, seed 3." in report.scores(run)


def test_the_gallery_and_the_verdict_are_shown(run: Run) -> None:
    assert "| street | missed | 1 |" in report.mistakes(run)
    assert [each.name for each in report.mistake_images(run)] == ["street.missed.1.jpg", "food.missed.1.jpg"]
    assert "AP50 0.500 on 4 test images." in report.verdict(run)
    assert [each.name for each in report.curves(run)] == ["results.png"]


def test_the_conclusion_repeats_what_was_reached(run: Run) -> None:
    assert "**street**: AP50 0.500 on 4 test images, one seed; dummy baseline (not measured): -." in (
        report.conclusion(run)
    )


def test_a_run_without_scores_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolyheadError, match=r"has no scores\. Write them with 'polyhead evaluate "):
        report.problem(Run(tmp_path))


def test_a_long_table_of_errors_is_cut(tmp_path: Path) -> None:
    folder = tmp_path / "errors"
    folder.mkdir()
    rows = "\n".join(f"| {number} |" for number in range(30))
    (folder / "errors.json").write_text('{"split": "val", "tasks": {}}', encoding="utf-8")
    (folder / "errors.md").write_text(f"# Errors of a\n\n## head\n\n| n |\n|---|\n{rows}\n\nBelow.\n", encoding="utf-8")
    text = report.errors(Run(tmp_path))
    assert "| 11 |" in text
    assert "| 12 |" not in text
    assert "The rest of this table is in `errors/errors.md`." in text
    assert text.startswith("On val:\n\n#### head")
    assert text.endswith("Below.")


def test_reports_do_not_load_torch() -> None:
    code = "import sys; from polyhead.analysis import report; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
