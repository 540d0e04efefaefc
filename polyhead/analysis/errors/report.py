"""The error analysis of a head in plain types, as a few lines, and as Markdown tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from polyhead.analysis.errors.analyze import Analysis
from polyhead.analysis.errors.slices import FEWEST, LEVEL
from polyhead.analysis.markdown import escape, table
from polyhead.errors import counted, few, one_line

SHOWN = 5
"""Slices, types of error and confusions in the lines; the tables have all."""


def plain_analysis(analysis: Analysis) -> dict[str, Any]:
    """Return an analysis in plain types: intervals are lists of the value and its two ends."""
    return {
        "wrong": {
            title: {"cases": cases, "fraction": list(fraction)} for title, (cases, fraction) in analysis.wrong.items()
        },
        "confusions": analysis.confusions,
        "gains": {
            "score": analysis.score,
            "value": None if analysis.base is None else list(analysis.base),
            "types": {name: list(gain) for name, gain in analysis.gains.items()},
            "counts": analysis.counts,
        },
        "slices": {
            "tried": [
                {
                    "of": each.title,
                    "slice": each.name,
                    "cases": each.cases,
                    "images": each.samples,
                    "value": each.value,
                    "rest": each.rest,
                    "difference": list(each.difference),
                    "p": each.p,
                    "worse": each.worse,
                }
                for each in analysis.slices.tried
            ],
            "left_out": analysis.slices.left_out,
        },
        "curves": {
            fact: {
                title: [
                    {"from": each.low, "to": each.high, "cases": each.cases, "wrong": list(each.wrong)} for each in bins
                ]
                for title, bins in lines.items()
            }
            for fact, lines in analysis.curves.items()
        },
    }


def lines(task: str, entry: Mapping[str, Any], split: str) -> list[str]:
    """Return what matters most of the entry of a head in ``errors.json``."""
    unread = f", {len(entry['unread'])} not read" if entry["unread"] else ""
    found = [f"{task}: {counted(entry['images'], f'{split} image')}{unread}"]
    for title, each in entry["wrong"].items():
        found.append(f"  {title}: {_triple(each['fraction'])} of {each['cases']}")
    gains = entry["gains"]
    if gains["types"]:
        listed = ", ".join(f"{name} {_signed(gain[:1])}" for name, gain in _largest(gains["types"]))
        found.append(f"  {gains['score']} {_triple(gains['value'])}; fixing one type of error would gain {listed}")
    if entry["confusions"]:
        pairs = [f"{true} as {other} ({share:.0%})" for true, other, share in entry["confusions"][:SHOWN]]
        found.append(f"  most frequent confusions: {few(pairs)}")
    found += _slice_lines(entry["slices"])
    rows = entry["robustness"]
    if rows:
        changed = ", ".join(f"{row['change']} {_signed(row['difference'])}" for row in rows[1:])
        found.append(f"  {entry['metric']} {_triple(rows[0]['score'])}; changed by {changed}")
    return [one_line(line) for line in found]


def _slice_lines(slices: Mapping[str, Any]) -> list[str]:
    """Return how many slices are worse than the rest, and the first of them."""
    tried, worse = slices["tried"], [each for each in slices["tried"] if each["worse"]]
    note = f"; {len(slices['left_out'])} had too few images" if slices["left_out"] else ""
    found = [f"  significantly worse than the rest: {len(worse)} of {counted(len(tried), 'slice')} tried{note}"]
    for each in worse[:SHOWN]:
        where = f"{each['slice']} ({each['cases']} in {counted(each['images'], 'image')})"
        compared = f"{_number(each['value'])}, the rest {_number(each['rest'])}"
        found.append(f"    {each['of']}: {where} {compared}; {_signed(each['difference'])}, p {_chance(each['p'])}")
    return [*found, *([f"    and {len(worse) - SHOWN} more"] if len(worse) > SHOWN else [])]


def markdown(run: str, content: Mapping[str, Any]) -> str:
    """Return the content of ``errors.json`` as Markdown tables."""
    parts = [f"# Errors of {run} ({content['split']} split)"]
    parts.append(
        "Brackets are 90 % intervals over the images. A slice is worse than the rest if its *p*, which is corrected "
        f"for all slices tried of its head (Holm), is below {LEVEL:g}."
    )
    for task, entry in content["tasks"].items():
        parts.append(f"## {task}\n\n{counted(entry['images'], 'image')}, {len(entry['unread'])} not read.")
        parts.append(table(("wrong", "cases", "fraction"), _wrong(entry)))
        gains = entry["gains"]
        if gains["types"]:
            types = [(n, gains["counts"].get(n, ""), _signed(gain)) for n, gain in gains["types"].items()]
            title = f"{gains['score']} is {_triple(gains['value'])}. What fixing all errors of one type would gain:"
            parts += [title, table(("type", "errors", f"gain of {gains['score']}"), types)]
        if entry["confusions"]:
            rows = [(escape(true), escape(other), f"{share:.1%}") for true, other, share in entry["confusions"]]
            parts.append(table(("true class", "predicted class", "of the true class"), rows))
        parts.append(_slice_table(entry["slices"]))
        if entry["robustness"]:
            changed = [
                (row["change"] or "none", _triple(row["score"]), _signed(row["difference"]) if row["change"] else "")
                for row in entry["robustness"]
            ]
            parts.append(table(("change of the inputs", entry["metric"], "difference"), changed))
    return "\n\n".join(parts) + "\n"


def _wrong(entry: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    return [(title, each["cases"], _triple(each["fraction"])) for title, each in entry["wrong"].items()]


def _slice_table(slices: Mapping[str, Any]) -> str:
    """Return the table of all slices that were tried, and the names of the others."""
    rows = [
        (
            f"**{escape(each['slice'])}**" if each["worse"] else escape(each["slice"]),
            each["of"],
            each["cases"],
            each["images"],
            _number(each["value"]),
            _number(each["rest"]),
            _signed(each["difference"]),
            _chance(each["p"]),
        )
        for each in slices["tried"]
    ]
    header = ("slice", "wrong", "cases", "images", "fraction", "the rest", "difference", "p")
    left_out = few(slices["left_out"], len(slices["left_out"]) + 1, "; ") or "none"
    return (
        f"{counted(len(rows), 'slice')} tried:\n\n{table(header, rows)}\n\n"
        f"Not tried, with fewer than {FEWEST} images inside or outside: {left_out}."
    )


def _largest(gains: Mapping[str, Sequence[float]]) -> list[tuple[str, Sequence[float]]]:
    """Return the types with the largest gains."""
    return sorted(gains.items(), key=lambda item: -item[1][0])[:SHOWN]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _triple(values: Sequence[float | None]) -> str:
    value, low, high = map(_number, values)
    return f"{value} [{low}, {high}]"


def _signed(values: Sequence[float | None]) -> str:
    """Return a difference with its sign, and its interval if there is one."""
    value, *ends = ("-" if each is None else f"{each:+z.3f}" for each in values)
    return f"{value} [{', '.join(ends)}]" if ends else value


def _chance(p: float) -> str:
    return f"= {p:.2g}" if p >= 1e-4 else "< 0.0001"
