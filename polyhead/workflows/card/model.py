"""Write the model card of a run: Markdown with a front matter that the Hugging Face Hub reads.

All of it comes from the files of the run, so that a card can be written at any time. What they do not state, it says.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from polyhead.analysis.markdown import escape, table
from polyhead.errors import counted, few
from polyhead.run import Run
from polyhead.workflows.card.front_matter import front_matter, interval_of
from polyhead.workflows.card.model_facts import LIMITS, ModelFacts, model_facts
from polyhead.workflows.card.signature import is_edited, signed, write_signed
from polyhead.workflows.space.licenses import UNKNOWN, is_open, of_weights

CARD = "model_card.md"
BY = "model card"
REPO = "OWNER/NAME"
"""Stands for the name of a repository that is not known yet."""
SETTINGS = ("tasks", "epochs", "optimizer", "lr", "schedule", "weight_decay", "accumulate", "ema")
"""Settings of a stage that the card lists."""
_NOTHING = "Not stated."


def write_model_card(run: Run) -> Path:
    """Write ``model_card.md`` into a run folder; one that a person has edited stays as it is."""
    path = run.folder / CARD
    if not is_edited(path):
        write_signed(path, model_card_text(model_facts(run)), BY)
    return path


def card_to_share(run: Run, repo: str = REPO) -> str:
    """Return the model card of a run for a repository: a new one, or as it is where a person has edited it."""
    path = run.folder / CARD
    if is_edited(path):
        return path.read_text(encoding="utf-8")
    return signed(model_card_text(model_facts(run), repo), BY)


def model_card_text(facts: ModelFacts, repo: str = REPO) -> str:
    """Return the model card of a run.

    Args:
        facts: what is known of it.
        repo: the repository that the example loads.
    """
    sections = [
        front_matter(facts),
        f"# {escape(facts.name)}",
        _introduction(facts),
        "## Heads and classes",
        _table(["head", "predicts", "reads", "classes"], _heads(facts)),
        "## How to use it",
        _example(repo),
        "## Scores",
        *_scores(facts),
        "## Training data and licenses",
        *_licenses(facts),
        "## Settings",
        *_settings(facts),
        "## Limitations and misuse",
        *_limitations(facts),
        "## Not stated",
        "\n".join(f"- {line}" for line in _missing(facts)) or "Nothing.",
    ]
    return "\n\n".join(section.strip() for section in sections if section) + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of plain texts."""
    return table(header, [[escape(cell) for cell in row] for row in rows])


def _introduction(facts: ModelFacts) -> str:
    heads = counted(len(facts.weights.tasks), "head")
    version = facts.manifest.get("versions", {}).get("polyhead", "")
    sizes = facts.manifest.get("parameters", {})
    text = f"A network with {heads}, trained with Polyhead {version}.".replace(" .", ".")
    built = facts.weights.model.get("class_path", "")
    backbone = facts.weights.model.get("init_args", {}).get("backbone")
    if built:
        on = f" with the backbone `{backbone}`" if isinstance(backbone, str) else ""
        text += f" It is a `{built}`{on}."
    if sizes:
        text += f" It has {sum(sizes.values()):,} parameters."
    links = [f"[{escape(title)}]({address})" for title, address in facts.manifest.get("links", {}).items()]
    return text + (f"\n\nLinks: {', '.join(links)}." if links else "")


def _heads(facts: ModelFacts) -> Iterator[list[str]]:
    for task, entry in facts.weights.tasks.items():
        kind, reads = facts.kinds.get(task), entry.get("modality", {}).get("name", "")
        names = list(entry["names"])
        yield [task, "" if kind is None else kind.title, reads, f"{len(names)}: {few(names, 100)}"]


def _example(repo: str) -> str:
    return (
        f'```python\nimport polyhead\n\nmodel = polyhead.from_pretrained("{repo}")  # or a folder with these files\n'
        'results = model.predict("photo.jpg")\nprint(*results)\n```'
    )


def _scores(facts: ModelFacts) -> Iterator[str]:
    """Yield the table of scores, and what must be known to read it."""
    rows, protocols = [], []
    for task in facts.weights.tasks:
        found = facts.scored(task)
        if found is None:
            continue
        split, numbers = found
        bounds, level = interval_of(numbers), numbers.get("level")
        dummy, before = numbers.get("dummy_baseline") or {}, numbers.get("zero_shot") or {}
        rows.append(
            [
                task,
                split,
                f"{numbers['images']:,}",
                numbers["metric"],
                _number(numbers["score"]),
                "not stated"
                if bounds is None
                else f"{bounds[0]:.3f} to {bounds[1]:.3f}" + (f" ({level:.0%})" if level else ""),
                f"{_number(dummy.get('score'))}" + (f" ({dummy['name']})" if "name" in dummy else ""),
                _number(before.get("score")),
            ]
        )
        protocols.append(f"- **{escape(task)}**: {escape(str(numbers.get('protocol', 'protocol not stated')))}.")
    if not rows:
        yield "Not measured."
        return
    head = ["head", "split", "n", "score", "value", "interval", "dummy baseline", "before training"]
    has_before = any(row[-1] != _number(None) for row in rows)
    yield _table(head if has_before else head[:-1], rows if has_before else [row[:-1] for row in rows])
    yield "\n".join(protocols)
    yield (
        f"The scores are of one training with seed {facts.weights.seed}. The intervals are over the samples, so "
        "they do not show how scores differ between trainings. The dummy baseline is a predictor that does "
        "not look at its input."
    )


def _number(value: float | None) -> str:
    return "not stated" if value is None else f"{value:.3f}"


def _licenses(facts: ModelFacts) -> Iterator[str]:
    """Yield the data of each task with its license, and that of the weights."""
    splits = facts.manifest.get("splits", {})
    rows = []
    for task, stated in facts.data.items():
        counts = ", ".join(f"{len(ids):,} {split}" for split, ids in splits.get(task, {}).items())
        rows.append([task, counts or "not stated", stated if stated != UNKNOWN else "not stated"])
    yield _table(["data of", "samples", "license"], rows)
    starts = [f"{escape(name)} ({escape(terms)})" for name, terms in facts.pretrained.items()]
    yield f"Pretrained weights: {', '.join(starts) or 'none'}."
    text = f"The weights come from this: {escape(of_weights(facts.data, facts.pretrained))}."
    if not all(is_open(each) for each in (*facts.data.values(), *facts.pretrained.values())):
        text += (
            " Not all of these licenses clearly allow passing on or commercial use. Ask the owners of the data before "
            "you publish or sell what is based on it."
        )
    yield text


def _settings(facts: ModelFacts) -> Iterator[str]:
    """Yield the settings of the stages, and of the whole training."""
    stages, plans = facts.config.get("stages", []), facts.manifest.get("schedules", [])
    if stages:
        keys = [key for key in SETTINGS if any(stage.get(key) is not None for stage in stages)]
        stages = [{**stage, "tasks": stage.get("tasks") or "all"} for stage in stages]
        rows = [[str(number), *(_setting(stage.get(key)) for key in keys)] for number, stage in enumerate(stages, 1)]
        yield _table(["stage", *keys], rows)
    elif plans:
        keys = ["epochs", "steps", "lr", "schedule", "accumulate"]
        rows = [[str(number), *(_setting(plan[key]) for key in keys)] for number, plan in enumerate(plans, 1)]
        yield _table(["stage", *keys], rows)
    else:
        yield _NOTHING
    batches = {task: count for plan in plans for task, count in plan["batch"].items()}
    size = facts.weights.model.get("init_args", {}).get("size")
    versions = ", ".join(f"{name} {version}" for name, version in facts.manifest.get("versions", {}).items())
    device = facts.manifest.get("hardware", {})
    lines = {
        "seed": str(facts.weights.seed),
        "precision": facts.manifest.get("precision"),
        "size of the input": None if size is None else _setting(size),
        "batch": few([f"{task} {count}" for task, count in batches.items()]),
        "selected epoch": f"{facts.weights.epoch + 1} of stage {facts.weights.stage + 1}",
        "time of training": None if facts.seconds is None else f"{facts.seconds / 60:.1f} min",
        "device": device.get("gpu") or device.get("cpu"),
        "versions": versions,
    }
    yield "\n".join(f"- {key}: {escape(value)}" for key, value in lines.items() if value)


def _setting(value: Any) -> str:
    if isinstance(value, Mapping):
        return few([f"{key} {_setting(each)}" for key, each in value.items()])
    if isinstance(value, Sequence) and not isinstance(value, str):
        return few([_setting(each) for each in value])
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _limitations(facts: ModelFacts) -> Iterator[str]:
    """Yield what the data cards say of the data of each head, under its name."""
    for task in facts.weights.tasks:
        found = facts.limits.get(task, {})
        yield f"### {escape(task)}"
        if not found:
            yield "The data card says nothing of this data."
        for title in LIMITS:
            if title in found:
                yield f"**{title}**"
                yield "\n".join(found[title])


def _missing(facts: ModelFacts) -> Iterator[str]:
    """Yield what a reader of the card would look for in vain."""
    if unstated := [task for task, terms in facts.data.items() if terms == UNKNOWN]:
        yield f"the license of the data of {escape(few(unstated))}"
    if unstated := [name for name, terms in facts.pretrained.items() if terms == UNKNOWN]:
        yield f"the license of {escape(few(unstated))}"
    for task in facts.weights.tasks:
        scored = facts.scored(task)
        if scored is None:
            yield f"scores of {escape(task)}"
            continue
        split, numbers = scored
        if split != "test":
            yield f"a score of {escape(task)} on test data; val was used to select the epoch, so its score is too high"
        if interval_of(numbers) is None:
            yield f"the interval of the score of {escape(task)}"
        if (numbers.get("dummy_baseline") or {}).get("score") is None:
            yield f"the dummy baseline of {escape(task)}"
        if task not in facts.limits:
            yield f"what the data of {escape(task)} does not show: there is no data card of it"
    if not facts.weights.model:
        yield "how the model is built: it was made in Python, and is needed to load these weights"
    yield "how the scores differ between trainings with other seeds"
    yield "scores on data from another place or time"
