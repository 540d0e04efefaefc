"""Write the data card of a folder, a recipe or a run."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from polyhead.analysis.report.questions import open_questions
from polyhead.contracts.card import CardFacts
from polyhead.data.loading.source import TaskData
from polyhead.errors import PolyheadError, counted
from polyhead.paths import make_folder, shipped
from polyhead.run import Run, write_json
from polyhead.workflows.card.croissant import croissant
from polyhead.workflows.card.facts import class_counts, class_facts
from polyhead.workflows.card.markdown import Known, card_text
from polyhead.workflows.card.questions import read_answers, write_questions
from polyhead.workflows.card.signature import is_edited, write_signed
from polyhead.workflows.card.subject import Subject, of_folder, of_recipe, of_task
from polyhead.workflows.card.tables import copies, take_inventory, write_tables

CARD = "data_card.md"
EXAMINED = 1000
"""Inputs that are opened to measure them."""
BY = "data card"
"""The command of a data card."""


def data_card(
    source: str | Path,
    out: str | Path | None = None,
    reader: str | None = None,
    settings: Mapping[str, Any] | None = None,
    show: Callable[[str], None] = print,
) -> Path:
    """Write the data card of a data set: Markdown with plots, Croissant with tables, and a file for answers.

    Args:
        source: a folder with data, the file or name of a recipe, or a run folder. The data is not changed.
        out: where the card is written; by default ``NAME_card``, or the run folder.
        reader: the data format, for a folder with data in several formats.
        settings: settings of the reader; overrides of a recipe.
        show: receives the lines to print.

    Returns:
        The card, ``data_card.md``.

    Raises:
        DataError: with every problem of the data.
        PolyheadError: if the source is not found, an answer is not valid, or a card that was edited would be lost.
    """
    path = Path(source)
    is_run = path.is_dir() and Run(path).manifest.is_file()
    target = Path(out) if out is not None else path if is_run else Path(f"{path.resolve().stem}_card")
    if is_run or str(source) in shipped() or path.is_file():
        subjects = of_recipe(source, [f"{key}={json.dumps(value)}" for key, value in (settings or {}).items()])
    else:
        subjects = [of_folder(source, reader, settings)]
    if is_edited(target / CARD):
        raise PolyheadError(
            f"{target / CARD} was edited and is not overwritten. Move your answers to answers.yaml, or give another "
            "folder with --out."
        )
    make_folder(target)
    texts = [_write(subject, target, f".{subject.name}" if len(subjects) > 1 or is_run else "") for subject in subjects]
    text = "\n".join(texts)
    write_signed(target / CARD, text, BY)
    left = len(open_questions(text))
    show(
        f"wrote {target / CARD}" + (f"; {counted(left, 'open question')}: answer them in answers*.yaml" if left else "")
    )
    return target / CARD


def run_card(run: Run, tasks: Sequence[TaskData], seed: int) -> None:
    """Write the card of a run from what a training has in memory: no input is read, and no Croissant is written.

    A card that was edited stays as it is.
    """
    if is_edited(run.folder / CARD):
        return
    texts = []
    for subject in (of_task(task, seed) for task in tasks):
        plot = run.plots / f"labels.{subject.name}.png"
        facts = CardFacts(plots=[(plot, "classes of the training data")] if plot.is_file() else [])
        counts = class_counts(subject)
        found = class_facts(subject, counts).joined(subject.kind.card_facts(subject.targets)).joined(facts)
        texts.append(card_text(Known(subject, counts, found, _known(subject, {}))))
    write_signed(run.folder / CARD, "\n".join(texts), BY)


def _write(subject: Subject, folder: Path, suffix: str) -> str:
    """Write everything about one data set but the card, and return the card's text."""
    answer_file = folder / f"answers{suffix}.yaml"
    answers = _known(subject, read_answers(answer_file))
    write_questions(answer_file, _known(subject, {}))
    counts, inventory = class_counts(subject), take_inventory(subject)
    labels = subject.kind.plot_data(subject.targets["train"], subject.name, folder / f"labels{suffix}.png")
    found = [
        class_facts(subject, counts),
        subject.kind.card_facts(subject.targets),
        CardFacts(plots=[(labels, "classes of the training data")] if labels else []),
        subject.modality.card_facts(subject.raws(EXAMINED), folder / f"inputs{suffix}.png"),
        copies(inventory),
    ]
    facts = CardFacts()
    for each in found:
        facts = facts.joined(each)
    tables = {"samples": folder / f"samples{suffix}.csv", "annotations": folder / f"annotations{suffix}.csv"}
    write_tables(subject, inventory, *tables.values())
    if not subject.kind.croissant_columns:
        del tables["annotations"]
    described = folder / f"croissant{suffix}.json"
    write_json(described, croissant(subject, facts, answers, inventory, tables))
    return card_text(Known(subject, counts, facts, answers, described.name, answer_file.name))


def _known(subject: Subject, answers: Mapping[str, str]) -> dict[str, str]:
    """Return the answers, and what the data and the catalog say where a person gave none."""
    entry = subject.entry
    found = {"license": subject.license or (entry.license if entry else "")}
    if entry is not None:
        found |= {"source": f"{entry.what}; {entry.url}", "cite": entry.cite}
    return {**{key: value for key, value in found.items() if value}, **answers}
