"""The text of a data card."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from polyhead.analysis.markdown import escape, table
from polyhead.analysis.report.questions import MARK
from polyhead.contracts.card import CardFacts
from polyhead.errors import few
from polyhead.workflows.card.facts import ClassCounts
from polyhead.workflows.card.questions import QUESTIONS
from polyhead.workflows.card.subject import Subject
from polyhead.workflows.space.licenses import is_open

MOST_CLASSES = 100
"""Rows of the table of classes."""
_MISUSE = (
    "A model trained on this data knows what these {samples} samples show, and nothing else: inputs unlike them are "
    "not covered, and it will take what it does not know for something that it knows."
)
_CHECKED = (
    "Do not use it where a mistake harms someone unless a person checks its predictions, and measure it on data of the "
    "place where it will be used: a score on this data says little about other data."
)


class Known(NamedTuple):
    """What a card is written from.

    Attributes:
        subject: the data set.
        counts: its classes.
        facts: sentences, numbers and plots.
        answers: what people or the catalog say, by question.
        croissant: name of the file in Croissant's format; None if there is none.
        answer_file: name of the file of the answers; None if there is none.
    """

    subject: Subject
    counts: ClassCounts
    facts: CardFacts
    answers: Mapping[str, str]
    croissant: str | None = None
    answer_file: str | None = None


def card_text(known: Known) -> str:
    """Return the card of a data set in Markdown."""
    subject, facts = known.subject, known.facts
    sections = [
        f"# Data card: {escape(subject.name)}",
        _introduction(known),
        "## Source and license",
        *_source(known),
        *_asked(known, "source", "creator", "purpose", "license", "cite", "published", "version"),
        "## Samples and classes",
        *_counts(known),
        "## Features",
        table(["what", "value"], [[escape(cell) for cell in row] for row in facts.rows]) if facts.rows else "",
        *_plots(facts),
        "## Annotation",
        *_asked(known, "annotation"),
        "## Biases",
        _listed(facts.biases),
        *_asked(known, "coverage"),
        "## Limitations",
        _listed([*facts.limitations, *subject.notes]),
        "## Personal data",
        _listed(facts.privacy)
        or "No class name suggests people, and no metadata of a file that names them was found. Images may show them.",
        *_asked(known, "consent"),
        "## Uses and misuse",
        misuse(known),
        *_asked(known, "misuse"),
        "## Maintenance",
        *_asked(known, "maintenance"),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _introduction(known: Known) -> str:
    subject = known.subject
    text = (
        f"{len(subject):,} samples for {subject.kind.title}: {escape(few(subject.classes))}. The numbers were measured "
        "by `polyhead data card`."
    )
    if known.answer_file:
        text += f" What only a person can answer is asked below; the answers are in `{known.answer_file}`."
    return text + (f" The same in Croissant's format: `{known.croissant}`." if known.croissant else "")


def _source(known: Known) -> list[str]:
    """Return what is known of the splits and of the source."""
    subject, entry = known.subject, known.subject.entry
    named = f"By its name, this is a data set of the catalog: {entry.url}." if entry else ""
    return [f"Splits: {escape(subject.splits)}.", named]


def _asked(known: Known, *keys: str) -> list[str]:
    """Return the answer to each question, or the question."""
    return [
        f"**{QUESTIONS[key]}** {escape(known.answers[key])}" if key in known.answers else f"{MARK} {QUESTIONS[key]}"
        for key in keys
    ]


def _counts(known: Known) -> list[str]:
    """Return the tables of the splits and of the classes."""
    subject, counts = known.subject, known.counts
    has_unit = bool(counts.amounts) and subject.kind.counted != "images"  # else each sample counts once
    unit = [subject.kind.counted] if has_unit else []
    splits = []
    for split, targets in subject.targets.items():
        amount = [f"{sum(counts.amounts[split]):,}"] if has_unit else []
        splits.append([split, f"{len(targets):,}", f"{counts.empty[split]:,}", *amount])
    found = [table(["split", "samples", "without content", *unit], splits)]
    if not counts.amounts:
        return found
    amounts, samples = counts.total(counts.amounts), counts.total(counts.samples)
    order = sorted(range(len(amounts)), key=lambda label: -amounts[label])
    total = max(1, sum(amounts))
    rows = []
    for label in order[:MOST_CLASSES]:
        shares = [f"{amounts[label]:,}", f"{amounts[label] / total:.1%}"] if has_unit else []
        rows.append([subject.classes[label], *(f"{each[label]:,}" for each in counts.samples.values()), *shares])
    columns = ["class", *(f"{split} samples" for split in subject.targets), *unit, *(["share"] if has_unit else [])]
    found.append(table(columns, [[escape(cell) for cell in row] for row in rows]))
    if left := order[MOST_CLASSES:]:
        found.append(
            f"{len(left)} more classes are shown by at most {max(samples[label] for label in left):,} samples."
        )
    return found


def _plots(facts: CardFacts) -> list[str]:
    return [f"![{caption}]({_link(path)})" for path, caption in facts.plots]


def _link(path: Path) -> str:
    """Return the relative link to a plot, which is beside the card or in a folder beside it."""
    return f"{path.parent.name}/{path.name}" if path.parent.name == "plots" else path.name


def _listed(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {escape(sentence)}" for sentence in sentences)


def misuse(known: Known) -> str:
    """Return a paragraph on what a model trained on the data should not be used for."""
    subject, counts = known.subject, known.counts
    stated = known.answers.get("license")
    sentences = [_MISUSE.format(samples=f"{len(subject):,}")]
    if counts.amounts:
        shown = counts.total(counts.samples)
        weak = [name for name, count in zip(subject.classes, shown, strict=True) if count < 10]
        if weak:
            sentences.append(f"Do not rely on it for classes with fewer than 10 samples ({escape(few(weak, 8))}).")
    if known.facts.privacy:
        sentences.append("Do not use it to identify, watch or judge people.")
    sentences.append(_CHECKED)
    if stated is None:
        sentences.append("No license is stated: ask the owner before you pass the data on or use it commercially.")
    elif not is_open(stated):
        sentences.append(
            f"Its license ({escape(stated)}) does not clearly allow passing the data on or commercial use: ask first."
        )
    return " ".join(sentences)
