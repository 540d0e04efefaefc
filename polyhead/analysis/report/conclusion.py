"""Section 5 of a report: what was reached, biases of the data, and misuse."""

from polyhead.analysis.markdown import escape
from polyhead.analysis.report.card import stated
from polyhead.analysis.report.files import dummy_of, number, split_of, tasks_of, triple
from polyhead.analysis.report.shown import Text
from polyhead.run import Run

BIASES, MISUSE = ("Biases", "Limitations", "Personal data"), "Uses and misuse"
"""Sections of a data card."""


def conclusion(run: Run) -> Text:
    """Show what each head has reached, beside its baselines."""
    split, lines = split_of(run), []
    for task, numbers in tasks_of(run).items():
        name, score = dummy_of(numbers)
        reached = f"{escape(numbers['metric'])} {triple(numbers['score'], numbers.get('interval'))}"
        against = f"dummy baseline ({escape(name)}): {number(score)}"
        before = numbers.get("zero_shot") or {}
        if before:
            against += f"; pretrained weights before training: {triple(before.get('score'), before.get('interval'))}"
        lines.append(f"- **{escape(task)}**: {reached} on {numbers['images']} {split} images, one seed; {against}.")
    return Text("\n".join(lines))


def biases(run: Run, task: str) -> Text:
    """Show the biases and limitations of the data of a head, and for what a model of it must not be used."""
    sections = stated(run, task)
    parts = [f"**{title}.**\n\n{sections[title]}" for title in (*BIASES, MISUSE) if title in sections]
    return Text("\n\n".join(parts) or "Nothing is known of the data of this head: it has no data card.")
