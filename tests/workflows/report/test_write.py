"""The report of a run: its numbers are those of the run, and it is one file that loads nothing."""

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from builders.app_server import browsing

from polyhead import cli
from polyhead.errors import PolyheadError
from polyhead.run import Run, read_json, write_json
from polyhead.workflows.card.questions import QUESTIONS
from polyhead.workflows.report.cells import SECTIONS, heading_id
from polyhead.workflows.report.notebook_file import read_notebook, write_notebook
from polyhead.workflows.report.write import Report, write_report

pytestmark = pytest.mark.slow


def shown(path: Path) -> dict[str, str]:
    """Return the texts that each section shows."""
    found: dict[str, str] = {}
    title = ""
    for cell in read_notebook(path).cells:  # type: ignore[union-attr]
        title = next((each for each in SECTIONS if heading_id(each) == cell.id), title)
        for output in cell.get("outputs", ()):
            texts = [output.get("data", {}).get(mime, "") for mime in ("text/markdown", "text/html", "text/plain")]
            found[title] = found.get(title, "") + " ".join(texts)
    return found


def test_each_section_has_numbers_of_the_run(run: Run, written: Report) -> None:
    texts, manifest = shown(written.notebook), run.read_manifest()
    assert [title for title in texts if title] == [*SECTIONS]
    for task, numbers in run.results["test"]["tasks"].items():
        dummy, score = f"{numbers['dummy_baseline']['score']:.3f}", f"{numbers['score']:.3f}"
        assert dummy in texts["Problem"]
        assert task in texts["Problem"]
        for section in ("Results", "Analysis", "Conclusion"):
            assert score in texts[section], (section, task)
        low, high = numbers["interval"]
        assert f"{score} [{low:.3f}, {high:.3f}]" in texts["Results"]
    for count in manifest["parameters"].values():
        assert f"{count:,}" in texts["Methodology"]
    assert f"| seed | {manifest['seed']} |" in texts["Methodology"]
    assert manifest["versions"]["torch"] in texts["Methodology"]
    assert "image, 64 × 64" in texts["Problem"]
    assert "https://example.org/code" in texts["Problem"]
    assert "verdict on the map" in texts["Analysis"]
    assert "slices tried" in texts["Analysis"]


def test_images_are_shown(written: Report) -> None:
    notebook = read_notebook(written.notebook)
    assert notebook is not None
    images = {
        cell.id: len([output for output in cell.get("outputs", ()) if {"image/png", "image/jpeg"} & {*output.data}])
        for cell in notebook.cells
        if cell.cell_type == "code" and cell.id != "open"
    }
    assert images["curves"] >= 1
    assert images["mistake_images"] >= 3
    assert all(images[name] >= 1 for name in images if name.startswith("plots-"))


def test_the_page_is_one_file_that_loads_nothing(written: Report) -> None:
    page = written.html.read_text(encoding="utf-8")
    assert len(page) < 4e6
    loaded = re.findall(r"""(?:src|href)\s*=\s*["'](?!data:|#)([^"']+)|url\(["']?(?!data:|#)([^)"']+)""", page)
    assert {each for pair in loaded for each in pair if each} <= {"https://example.org/code"}
    assert "cdnjs" not in page
    assert "report.scores(run)" not in page, "the page shows results, not code"
    assert page.count("data:image/") + page.count("image/png;base64") > 5


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_fits_the_screen(width: int, written: Report, tmp_path: Path) -> None:
    """Also make the screenshot of the docs, of a report on generated images.

    POLYHEAD_APP_RUN=runs/demo POLYHEAD_SCREENSHOTS=docs/images make test-slow ARGS="-k fits_the_screen"
    """
    if given := os.environ.get("POLYHEAD_APP_RUN"):
        written = write_report(given, show=lambda _: None)
    with browsing() as browser:
        page = browser.new_page(viewport={"width": width, "height": 900})
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(written.html.resolve().as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("h2").all_inner_texts() == [
            f"{number}. {title}" for number, title in enumerate(SECTIONS, 1)
        ]
        assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        assert page.evaluate("document.images.length") > 5
        page.locator("h2").nth(2).scroll_into_view_if_needed()
        page.evaluate("document.querySelectorAll('h2')[2].scrollIntoView()")
        folder = Path(os.environ.get("POLYHEAD_SCREENSHOTS", tmp_path))
        page.screenshot(path=folder / f"report_{width}.jpg", type="jpeg", quality=80)
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def test_questions_are_those_that_the_data_does_not_answer(run: Run, written: Report) -> None:
    assert QUESTIONS["source"] in written.questions
    assert QUESTIONS["license"] not in written.questions, "generated scenes state their license"
    assert len(written.questions) > 20
    assert run.read_manifest()["links"] == {"code": "https://example.org/code"}


def test_another_run_is_compared_and_answers_stay(
    run: Run, written: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, other = tmp_path / "first", tmp_path / "other"
    for folder in (first, other):
        shutil.copytree(run.folder, folder)
    path = first / written.notebook.name
    notebook = read_notebook(path)
    assert notebook is not None
    asked = next(cell for cell in notebook.cells if cell.id == "question-hypotheses")
    asked.source = "It has seen four images."
    write_notebook(notebook, path)
    with pytest.raises(PolyheadError, match="a run is given twice"):
        write_report(first, first, show=lambda _: None)
    with pytest.raises(PolyheadError, match="tasks of these kinds cannot be pooled"):
        write_report(first, other, show=lambda _: None)
    assert cli.main(["report", str(first)]) == 0
    printed = capsys.readouterr().out
    assert f"wrote {path} and {first / written.html.name}" in printed
    assert "hypotheses" not in printed
    assert "It has seen four images." in path.read_text(encoding="utf-8")
    assert "It has seen four images." in (first / written.html.name).read_text(encoding="utf-8")


def test_an_analysis_of_another_split_or_of_older_predictions_is_made_again(run: Run, tmp_path: Path) -> None:
    copy = Run(tmp_path / "copy")
    shutil.copytree(run.folder, copy.folder, ignore=shutil.ignore_patterns("report.*"))
    errors, mistakes = copy.folder / "errors" / "errors.json", copy.folder / "mistakes" / "mistakes.json"
    write_json(errors, {**read_json(errors), "split": "val"})
    before = mistakes.stat().st_mtime_ns
    os.utime(copy.predictions_path("test", "det"), ns=(before + 10**9, before + 10**9))
    written = write_report(copy, show=lambda _: None)
    assert read_json(errors)["split"] == "test"
    assert mistakes.stat().st_mtime_ns > before
    assert "On test:" in shown(written.notebook)["Analysis"]


def test_a_folder_that_is_no_study_and_a_run_without_scores_are_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(PolyheadError, match=r"has no table\.json, so it is not the folder of a finished study"):
        write_report(run, studies=[tmp_path], show=lambda _: None)
    (tmp_path / "config.yaml").write_text("{}", encoding="utf-8")
    with pytest.raises(PolyheadError, match=r"has no scores\. Write them with 'polyhead evaluate"):
        write_report(tmp_path, show=lambda _: None)


def test_a_run_of_fit_has_a_report_without_error_analysis(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "fitted"
    shutil.copytree(run.folder, folder, ignore=shutil.ignore_patterns("errors", "mistakes", "config.yaml", "report.*"))
    lines: list[str] = []
    written = write_report(folder, show=lines.append)
    assert lines == ["This run has no recipe (polyhead.fit), so the report has no error analysis and no mistakes."]
    assert "There is no error analysis of this run." in shown(written.notebook)["Analysis"]


def test_the_command_refuses_what_does_not_go_together(written: Report, capsys: pytest.CaptureFixture[Any]) -> None:
    assert cli.main(["report", str(written.notebook.parent), "--check", "--link", "a=https://example.org"]) == 2
    assert "--check checks one report as it is" in capsys.readouterr().err
    assert cli.main(["report", str(written.notebook)]) == 2
    assert "expected a run folder, got the notebook" in capsys.readouterr().err
    assert cli.main(["report", str(written.notebook.parent), "--seconds", "0"]) == 2
    assert "--seconds: expected more than 0, got 0" in capsys.readouterr().err
