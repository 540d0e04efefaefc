"""What a model card is written from: the files of a run, which are read here and nowhere else for it."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from polyhead import checkpoint
from polyhead.analysis.report.questions import MARK
from polyhead.checkpoint import Checkpoint
from polyhead.contracts.kind import Kind
from polyhead.data.io.yaml_files import load_yaml
from polyhead.errors import counted
from polyhead.kinds import kind_of
from polyhead.run import Run
from polyhead.workflows.space import licenses
from polyhead.workflows.space.public import private_part

DATA_CARD = "data_card.md"
LIMITS = ("Biases", "Limitations", "Personal data", "Uses and misuse")
"""Sections of a data card that a model card repeats."""


class ModelFacts(NamedTuple):
    """What is known of the model of a run.

    Attributes:
        name: of the run.
        weights: the content of ``best.pt``.
        manifest: the content of ``manifest.json``.
        results: the content of ``results.json``.
        config: the recipe; empty for a run of :func:`polyhead.fit`.
        seconds: time of the training; None if unknown.
        data: the license of the data of each task.
        pretrained: the license of the weights from which the training started, by name.
        limits: of each task, the paragraphs of :data:`LIMITS` in its data card.
    """

    name: str
    weights: Checkpoint
    manifest: Mapping[str, Any]
    results: Mapping[str, Any]
    config: Mapping[str, Any]
    seconds: float | None
    data: Mapping[str, str]
    pretrained: Mapping[str, str]
    limits: Mapping[str, Mapping[str, list[str]]]

    @property
    def kinds(self) -> dict[str, Kind]:
        """The kind of each task."""
        return {task: kind_of(entry["kind"]) for task, entry in self.weights.tasks.items() if "kind" in entry}

    def hub_task(self, task: str) -> str:
        """Return the Hub's name of what a head does; empty if the Hub has none."""
        kind, modality = self.kinds.get(task), self.weights.tasks[task].get("modality", {}).get("name", "")
        return "" if kind is None else kind.hub_task.format(modality=modality)

    def scored(self, task: str) -> tuple[str, Mapping[str, Any]] | None:
        """Return the split on which a head was scored, test rather than val, and its numbers; None if on neither."""
        for split in ("test", "val"):
            numbers = self.results.get(split, {}).get("tasks", {}).get(task, {})
            if numbers.get("score") is not None:
                return split, numbers
        return None


def model_facts(run: Run) -> ModelFacts:
    """Return what the files of a run say of its model.

    Raises:
        PolyheadError: if it has no weights, or one of its files is damaged.
    """
    weights, manifest = checkpoint.load(run.best), run.read_manifest()
    config = load_yaml(run.config) if run.config.is_file() else {}
    rows = run.epochs
    card = run.folder / DATA_CARD
    return ModelFacts(
        run.name,
        weights,
        manifest,
        run.results,
        config,
        float(rows[-1]["time"]) if rows and rows[-1].get("time") else None,
        licenses.of_data(manifest, weights.tasks),
        licenses.of_pretrained(weights.model, config, manifest),
        dict(_limits(card.read_text(encoding="utf-8", errors="replace"))) if card.is_file() else {},
    )


def _limits(card: str) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Yield each task of a data card with the paragraphs that say what its data does not show."""
    for part in f"\n{card}".split("\n# Data card: ")[1:]:
        name, _, text = part.partition("\n")
        sections = {title: body for title, _, body in (each.partition("\n") for each in text.split("\n## ")[1:])}
        found = {title: _public(sections[title]) for title in LIMITS if title in sections}
        yield name.strip().replace("\\", ""), {title: lines for title, lines in found.items() if lines}


def _public(section: str) -> list[str]:
    """Return the lines of a section without open questions; those that may be private are only counted."""
    lines = [line for line in section.splitlines() if line.strip() and not line.startswith((MARK, "<!--"))]
    shown = [line for line in lines if private_part(line) is None]
    left = len(lines) - len(shown)
    return [*shown, *([f"- {counted(left, 'sentence')} of the data card with paths left out"] if left else [])]
