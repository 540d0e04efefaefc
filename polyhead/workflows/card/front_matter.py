"""The front matter of a model card, which the Hugging Face Hub reads: YAML with license, tags and scores."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from polyhead.errors import one_line
from polyhead.workflows.card.model_facts import ModelFacts
from polyhead.workflows.space import licenses


def front_matter(facts: ModelFacts) -> str:
    """Return the front matter, between its lines of ``---``."""
    tasks = dict.fromkeys(found for task in facts.weights.tasks if (found := facts.hub_task(task)))
    kinds = dict.fromkeys(kind.title for kind in facts.kinds.values())
    bases = licenses.hub_models(facts.pretrained)
    results = [result for task in facts.weights.tasks if (result := _result(facts, task)) is not None]
    matter: dict[str, Any] = {
        **_license(facts),
        "library_name": "polyhead",
        "tags": list(dict.fromkeys(["polyhead", "pytorch", *kinds, *tasks])),
        **({"pipeline_tag": next(iter(tasks))} if tasks else {}),
        **({"base_model": bases} if bases else {}),
        "datasets": [identifier(task) for task in facts.weights.tasks],
        **({"model-index": [{"name": one_line(facts.name), "results": results}]} if results else {}),
    }
    text = yaml.safe_dump(matter, sort_keys=False, allow_unicode=True)
    return f"---\n{text}---\n"


def identifier(name: str) -> str:
    """Return a name as an identifier of the Hub.

    Examples:
        >>> identifier("Äpfel & pears"), identifier("mean accuracy")
        ('pfel-pears', 'mean-accuracy')
    """
    return re.sub(r"[^a-z0-9_.]+", "-", name.lower()).strip("-.") or "unnamed"


def _license(facts: ModelFacts) -> dict[str, str]:
    """Return the license of the weights: that of the data and of the weights from which the training started."""
    stated = [*facts.data.values(), *facts.pretrained.values()]
    if licenses.UNKNOWN in stated:
        return {"license": licenses.UNKNOWN}
    shared = licenses.together(stated)
    return {"license": shared, **({"license_name": "see-the-model-card"} if shared == "other" else {})}


def _result(facts: ModelFacts, task: str) -> dict[str, Any] | None:
    """Return the scores of a head as an entry of ``model-index``; None without any."""
    scored = facts.scored(task)
    if scored is None:
        return None
    split, numbers = scored
    name = facts.hub_task(task) or str(numbers.get("kind", "unknown"))
    return {
        "task": {"type": name, "name": one_line(task)},
        "dataset": {"type": identifier(task), "name": one_line(task), "split": split},
        "metrics": [*_metrics(facts, task, split, numbers)],
    }


def _metrics(facts: ModelFacts, task: str, split: str, numbers: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the main score of a head and the other ones that have an interval."""
    dummy = numbers.get("dummy_baseline") or {}
    main = numbers["metric"]
    args = {
        "split": split,
        "n": numbers["images"],
        "seed": facts.weights.seed,
        **({"protocol": numbers["protocol"]} if "protocol" in numbers else {}),
    }
    known = {} if dummy.get("score") is None else {"dummy_baseline": dummy["score"]}
    yield _metric(main, numbers["score"], interval_of(numbers), numbers.get("level"), {**args, **known})
    kind = facts.kinds.get(task)
    titles = {} if kind is None else {each.name: each.title for each in (*kind.scores, *kind.measures)}
    for name, (value, *bounds) in numbers.get("intervals", {}).items():
        title = titles.get(name, main)
        if title != main and value is not None:
            yield _metric(title, value, None if None in bounds else bounds, numbers.get("level"), args)


def _metric(
    title: str, value: float, interval: list[float] | None, level: float | None, args: Mapping[str, Any]
) -> dict[str, Any]:
    """Return one score; its name, which the Hub shows, has the interval."""
    name, found = title, dict(args)
    if interval is not None:
        found |= {"interval": interval, **({"level": level} if level else {})}
        share = f"{level:.0%} " if level else ""
        name = f"{title} ({share}interval {interval[0]:.3f} to {interval[1]:.3f}, n = {args['n']})"
    return {"type": identifier(title), "value": value, "name": name, "args": found}


def interval_of(numbers: Mapping[str, Any]) -> list[float] | None:
    """Return the interval of a main score; None without one."""
    bounds = numbers.get("interval") or []
    return list(bounds) if len(bounds) == 2 and None not in bounds else None
