"""Section 4 of a report: what the numbers mean, where the model is wrong, and what its mistakes depend on."""

from itertools import zip_longest
from pathlib import Path

from polyhead.analysis.markdown import escape, table
from polyhead.analysis.report.shown import Gallery, Text, image
from polyhead.run import Run
from polyhead.stored.run_files import read_errors, read_mistakes

ERRORS, MISTAKES = "errors", "mistakes"
"""Folders of a run with the error analysis and the gallery of mistakes."""
MOST_IMAGES = 6
"""Plots of the error analysis, and drawn mistakes, that are shown; the folders have all."""
MOST_ROWS = 14
"""Lines of a table of the error analysis that are shown, its header included."""


def verdict(run: Run) -> Text:
    """Show the verdict: what the numbers of each head mean."""
    if not run.verdict.is_file():
        return Text(f"There is no verdict. Write it with `polyhead evaluate {run.quoted}`.")
    lines = run.verdict.read_text(encoding="utf-8").splitlines()
    return Text(
        "\n".join(f"- {escape(line.strip())}" if line[:1] == " " else f"\n**{escape(line)}**\n" for line in lines)
    )


def errors(run: Run) -> Text:
    """Show the tables of the error analysis."""
    path = run.folder / ERRORS / "errors.md"
    if not path.is_file():
        return Text("There is no error analysis of this run.")
    lines = [f"On {read_errors(path.with_suffix('.json')).get('split', 'an unknown split')}:"]
    rows = 0
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:  # without the title
        rows = rows + 1 if line.startswith("|") else 0
        if rows <= MOST_ROWS:
            lines.append(f"##{line}" if line.startswith("#") else line)
        elif rows == MOST_ROWS + 1:
            lines += ["", f"The rest of this table is in `{ERRORS}/errors.md`."]
    return Text("\n".join(lines).strip())


def error_plots(run: Run) -> Gallery:
    """Return the plots of the error analysis."""
    return Gallery(image(path) for path in sorted((run.folder / ERRORS).glob("*.png"))[:MOST_IMAGES])


def mistakes(run: Run) -> Text:
    """Show how many mistakes of each type there are, and whether the maps of the worst can be trusted."""
    content = read_mistakes(run.folder / MISTAKES / "mistakes.json")
    if not content:
        return Text("There is no gallery of mistakes of this run.")
    counts = [
        [escape(task), escape(kind), f"{count:,}"]
        for task, entry in content["tasks"].items()
        for kind, count in entry["types"].items()
    ]
    images = ", ".join(f"{escape(task)}: {entry['images']}" for task, entry in content["tasks"].items())
    if not content["mistakes"]:
        return Text(f"No mistakes were found on {content['split']} ({images} images).")
    worst = [
        [escape(each["task"]), escape(each["type"]), escape(each["caption"]), escape(each.get("verdict", "-"))]
        for each in content["mistakes"]
    ]
    return Text(
        f"Mistakes on {content['split']} ({images} images):\n\n{table(['head', 'type', 'mistakes'], counts)}\n\n"
        "The worst of each, with the map of what the prediction depends on, and whether that map can be trusted:\n\n"
        + table(["head", "type", "mistake", "verdict on the map"], worst)
    )


def mistake_images(run: Run) -> Gallery:
    """Return the drawn mistakes of the heads in turn: annotation, prediction, and what the prediction depends on."""
    folder = run.folder / MISTAKES
    listed = read_mistakes(folder / "mistakes.json").get("mistakes", ())
    files: dict[str, list[Path]] = {}
    for each in listed:
        if each["file"]:
            files.setdefault(each["task"], []).append(folder / Path(each["file"]).name)
    in_turn = [path for paths in zip_longest(*files.values()) for path in paths if path is not None]
    return Gallery(image(path) for path in in_turn[:MOST_IMAGES])
