"""The cells of a report: five sections of headings, code that shows the numbers of a run, and questions."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from polyhead.analysis.report.questions import MARK

SECTIONS = ("Problem", "Methodology", "Results", "Analysis", "Conclusion")
"""The sections of a report, in order."""
Type = Literal["text", "show", "work", "question"]


class Cell(NamedTuple):
    """A cell that Polyhead writes.

    Attributes:
        id: its name in the notebook; the same in each version of the report.
        type: ``text``; code that ``show``s what the files of a run hold, or does other ``work``; or a ``question``,
            which a person answers in its place.
        source: its content.
    """

    id: str
    type: Type
    source: str

    @property
    def name(self) -> str:
        """The id in the form that a notebook requires: at most 64 letters of some."""
        name = re.sub(r"[^A-Za-z0-9_-]", "-", self.id)
        return name if name == self.id and len(name) <= 64 else f"{name[:47]}-{digest(self.id)}"


class Sources(NamedTuple):
    """What a report is about.

    Attributes:
        tasks: the questions of the data card of each head.
        others: further runs, which the run is compared with, by the expression of each.
        studies: the folders of studies, by the expression of each.
    """

    tasks: Mapping[str, Sequence[str]]
    others: Sequence[str] = ()
    studies: Sequence[str] = ()


def digest(source: str) -> str:
    """Return the digest of the source of a cell; spaces at its ends do not count."""
    return hashlib.blake2b(source.strip().encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def question(name: str, text: str) -> Cell:
    """Return a cell that asks a question."""
    return Cell(f"question-{name}", "question", f"{MARK} {text}")


def opening(folder: str) -> Cell:
    """Return the cell that opens the run in a folder for the cells that follow."""
    source = f"import polyhead\nfrom polyhead.analysis import report\n\nrun = polyhead.Run.open({folder!r})"
    return Cell("open", "show", source)


AUTHORS = question("authors", "Who wrote this report, and when?")


def sections(sources: Sources) -> Iterator[Cell]:
    """Yield the cells of the five sections."""
    parts = (_problem, _methodology, _results, _analysis, _conclusion)
    for number, (title, part) in enumerate(zip(SECTIONS, parts, strict=True), 1):
        yield Cell(heading_id(title), "text", f"## {number}. {title}")
        yield from part(sources)


def heading_id(section: str) -> str:
    """Return the id of the heading of a section."""
    return f"section-{section.lower()}"


def _problem(sources: Sources) -> Iterator[Cell]:
    yield _show("problem", "run")
    yield question("purpose", "Who would use these predictions, for which decision, and what does a wrong one cost?")
    for task, asked in sources.tasks.items():
        yield Cell(f"heading-card-{task}", "text", f"### Data card: {task}")
        yield _show("data_card", "run", repr(task))
        for each in asked:
            yield question(f"card-{task}-{digest(each)}", each)
    yield Cell("heading-links", "text", "### Links")
    yield _show("links", "run")
    yield question("links", "Where are the app, the code and this notebook published? Or are they not?")


def _methodology(_: Sources) -> Iterator[Cell]:
    yield Cell("heading-splits", "text", "### Splits")
    yield _show("splits", "run")
    yield Cell("heading-network", "text", "### Network")
    yield _show("network", "run")
    yield Cell("heading-training", "text", "### Training")
    yield _show("training", "run")
    yield question("method", "Why this network and these settings, and which alternatives were left out?")
    yield Cell("heading-reproducibility", "text", "### Seed, versions and hardware")
    yield _show("reproducibility", "run")


def _results(sources: Sources) -> Iterator[Cell]:
    yield _show("scores", "run")
    yield Cell("heading-curves", "text", "### Training curves")
    yield _show("curves", "run")
    for task in sources.tasks:
        yield Cell(f"heading-results-{task}", "text", f"### Results of {task}")
        yield _show("classes", "run", repr(task))
        yield _show("other_scores", "run", repr(task))
        yield _show("plots", "run", repr(task))
    if sources.others:
        yield Cell("heading-comparison", "text", "### Comparison with other runs")
        yield _show("comparison", "run", *sources.others)
    for study in sources.studies:
        yield Cell(f"heading-study-{study}", "text", "### Ablation study")
        yield _show("study", study)
        yield _show("effects", study)
    yield question("results", "Is the model good enough for its purpose? Name the number that decides.")


def _analysis(_: Sources) -> Iterator[Cell]:
    yield _show("verdict", "run")
    yield Cell("heading-errors", "text", "### Errors")
    yield _show("errors", "run")
    yield _show("error_plots", "run")
    yield Cell("heading-mistakes", "text", "### The worst mistakes, and what they depend on")
    yield _show("mistakes", "run")
    yield _show("mistake_images", "run")
    yield question(
        "hypotheses",
        "Why does the model fail in these cases? Give hypotheses, and an experiment for each that could refute it.",
    )


def _conclusion(sources: Sources) -> Iterator[Cell]:
    yield _show("conclusion", "run")
    yield question("conclusion", "Would you use this model, and what would you do next?")
    for task in sources.tasks:
        yield Cell(f"heading-biases-{task}", "text", f"### Biases and misuse: {task}")
        yield _show("biases", "run", repr(task))
    yield question("misuse", "Whom could biases of this data harm, and how could this technology be misused?")


def _show(function: str, *arguments: str) -> Cell:
    """Return a cell that calls a function of :mod:`polyhead.analysis.report`."""
    name = "-".join([function, *(each.strip("'") for each in arguments if each != "run")])
    return Cell(name, "show", f"report.{function}({', '.join(arguments)})")
