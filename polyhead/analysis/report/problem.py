"""Section 1 of a report: what goes in and comes out, how it is scored, which score needs no training, the data."""

from polyhead.analysis.markdown import escape, table
from polyhead.analysis.report.card import stated
from polyhead.analysis.report.files import dummy_of, number, split_of, tasks_of
from polyhead.analysis.report.shown import Text
from polyhead.errors import few
from polyhead.run import Run


def problem(run: Run) -> Text:
    """Show input, output, score and dummy baseline of each head."""
    manifest, split = run.read_manifest(), split_of(run)
    rows, protocols = [], dict[str, None]()
    for task, numbers in tasks_of(run).items():
        names = manifest.get("data", {}).get(task, {}).get("names") or list(numbers.get("classes", {}))
        baseline, score = dummy_of(numbers)
        protocols[f"{numbers['metric']}: {numbers['protocol']}"] = None
        rows.append(
            [
                escape(task),
                escape(numbers.get("kind", "-")),
                escape(manifest.get("inputs", {}).get(task, "-")),
                f"{len(names)}: {escape(few(names, 12))}",
                escape(numbers["metric"]),
                f"{number(score)} ({escape(baseline)})",
            ]
        )
    header = ["head", "kind of task", "input", "classes", "main score", f"dummy baseline on {split}"]
    return Text("\n\n".join([table(header, rows), *(f"Protocol of {escape(each)}." for each in protocols)]))


def links(run: Run) -> Text:
    """Show where the app, the code and the notebook are published."""
    found = run.read_manifest().get("links", {})
    lines = [f"- {escape(title)}: <{address}>" for title, address in found.items()]
    return Text("\n".join(lines) or "This run states no links.")


def data_card(run: Run, task: str) -> Text:
    """Show the data card of a task: what was measured, and what people have answered."""
    parts = [f"#### {title}\n\n{text}" if title else text for title, text in stated(run, task).items()]
    return Text("\n\n".join(parts) or f"There is no data card. Write it with `polyhead data card {run.quoted}`.")
