"""Measure class activation maps: every method at several layers, beside maps that know nothing of the network.

    python -m benchmarks.explain RUN IMAGE... [--boxes 100] [--skip 0] [--task HEAD] [--conf 0.3] [--out FILE.csv]
    python -m benchmarks.explain --table FILE.csv...

RUN is a run folder or the name of official weights; the boxes (or classes, or regions) are those that it predicts for
the images, in order. Prints a row for each map: deletion (lower is better), insertion (higher is better), the fraction
of boxes on which it beats the Gaussian of the box's shape, the rank correlation with the map of the network whose
weights are shuffled, energy inside the box and hits, and the fraction of trustworthy maps. Brackets are 90 % intervals
over images. The protocol is in docs/explain.md. Several processes can share the work: each skips the boxes of the
others, and --table prints the table of all their files.
"""

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from polyhead.analysis.explain.layers import Layers, Traced, cam, gradients, trace
from polyhead.analysis.explain.methods import METHODS
from polyhead.analysis.explain.references import coarse_noise, gaussian, noise
from polyhead.analysis.explain.shuffled import rank_correlation, shuffled
from polyhead.analysis.explain.trust import Curves, Trust, inside
from polyhead.contracts.explained import Item
from polyhead.nets.model import Model
from polyhead.workflows.explain import LEVELS, METHOD, Explainer, Forward
from polyhead.workflows.predict import load

RESAMPLES = 1000
LEVEL = 0.9
SHUFFLED = f"{METHOD} {LEVELS} of shuffled weights"
"""The map of a network whose weights are in another random order than that of the verdict."""
LAYERS = ("backbone.sum", "neck.sum")
FIGURES = ("deletion", "insertion", "better_deletion", "better_insertion", "shuffled", "head_shuffled", "energy", "hit")


def main(argv: Sequence[str]) -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", nargs="?")
    parser.add_argument("sources", metavar="IMAGE", nargs="*")
    parser.add_argument("--table", nargs="+", type=Path, metavar="FILE.csv", help="print the table of these files")
    parser.add_argument("--boxes", type=int, default=100, help="items to explain (default: 100)")
    parser.add_argument("--skip", type=int, default=0, help="items to leave out at the start (default: 0)")
    parser.add_argument("--task", metavar="HEAD")
    parser.add_argument("--conf", type=float, default=0.3, help="lowest score of a box (default: 0.3)")
    parser.add_argument("--layers", nargs="+", default=LAYERS, help="default: " + " ".join(LAYERS))
    parser.add_argument("--methods", nargs="+", default=[*METHODS], choices=METHODS)
    parser.add_argument("--out", type=Path, metavar="FILE.csv", help="write the figures of each box")
    given = parser.parse_args(argv)
    rows = [row for file in given.table for row in read(file)] if given.table else measured(given)
    if given.out:
        with given.out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["image", "box", "map", *FIGURES, "trustworthy"])
            writer.writeheader()
            writer.writerows(rows)
    boxes = {(row["image"], row["box"]) for row in rows}
    print(f"{len(boxes)} items of {len({image for image, _ in boxes})} images")
    for line in table(rows):
        print(line)
    return 0


def read(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a file that ``--out`` has written."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {
                name: cell if name in ("image", "box", "map") else float(cell) if cell else None
                for name, cell in row.items()
            }
            for row in csv.DictReader(file)
        ]


def measured(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure the maps of the chosen items."""
    explainer = Explainer(load(given.run), given.task)
    maps = [(method, Layers.parse(layers)) for layers, method in product(given.layers, given.methods)]
    rows: list[dict[str, Any]] = []
    first = 0  # number of the first item of an image
    for source in explainer.modality.sources(given.sources):
        forward = explainer.run(explainer.modality.decode(source.raw), given.conf)
        for place in range(len(forward.items)):
            if given.skip <= first + place < given.skip + given.boxes:
                found = measure(explainer, forward, place, maps)
                rows += [{"image": source.name, "box": str(place), **row} for row in found]
        first += len(forward.items)
        print(f"\r{first} of {given.skip + given.boxes}", end="", file=sys.stderr, flush=True)
        if first >= given.skip + given.boxes:
            break
    print(file=sys.stderr)
    return rows


def measure(
    explainer: Explainer, forward: Forward, place: int, maps: Sequence[tuple[str, Layers]]
) -> list[dict[str, Any]]:
    """Return a row for each map of one item, for each reference, and for maps that explain nothing."""
    judge, item, prediction = explainer.judge, forward.items[place], forward.prediction
    computed = of_networks(explainer, forward, item, maps)
    found = {f"{method} {layers}": computed[""][f"{method} {layers}"] for method, layers in maps}
    assert isinstance(forward.inputs, Tensor)
    size = (int(forward.inputs.shape[-2]), int(forward.inputs.shape[-1]))
    generator = torch.Generator().manual_seed(place)
    references = {"random": coarse_noise(size, generator), "noise": noise(size, generator), "center": gaussian(size)}
    if item.box is not None:
        references["box"] = gaussian(size, item.box.cpu())
    nothing = {"constant": torch.ones(size), SHUFFLED: computed["again"][f"{METHOD} {LEVELS}"]}
    curves = judge.curves(forward.inputs, prediction, item, {**found, **references, **nothing})
    assert curves is not None
    known = {name: curves[name] for name in references}
    rows = []
    for name, values in {**found, **references, **nothing}.items():
        compared = f"{METHOD} {LEVELS}" if name == SHUFFLED else name  # a map of no network stays the same
        like = {
            which: rank_correlation(values, computed[which][compared]) if compared in computed[which] else 1.0
            for which in judge.networks
        }
        energy, hit = inside(values, item, size)
        trust = Trust(curves[name], known, like["all"], like["head"], energy, hit)
        rows.append({"map": name, **_figures(trust, curves[name], known)})
    return rows


def of_networks(
    explainer: Explainer, forward: Forward, item: Item, maps: Sequence[tuple[str, Layers]]
) -> dict[str, dict[str, Tensor]]:
    """Return the maps of an item by name, of the network (its name is empty) and of those with shuffled weights."""
    networks = {"": explainer.predictor.model, **explainer.judge.networks, "again": again(explainer)}
    default = (METHOD, Layers.parse(LEVELS))
    computed = {}
    for name, network in networks.items():
        head = network.head(explainer.task)
        traced = trace(network, head, forward.inputs, explainer.task)
        logit = head.logit(traced.raw, forward.prediction, item.number)
        computed[name] = all_maps(traced, logit, [default] if name == "again" else [*maps, default])
    return computed


@cache
def again(explainer: Explainer) -> Model:
    """Return the network with its weights in another random order than that of the verdict."""
    return shuffled(explainer.predictor.model, explainer.task, seed=1)


def all_maps(traced: Traced, logit: Tensor, maps: Sequence[tuple[str, Layers]]) -> dict[str, Tensor]:
    """Return the map of each method and layers by name; gradients are computed once for each layers."""
    computed = {layers: gradients(traced, logit, layers) for layers in {layers: None for _, layers in maps}}
    return {f"{method} {layers}": cam(computed[layers], method) for method, layers in maps}


def _figures(trust: Trust, curves: Curves, known: Mapping[str, Curves]) -> dict[str, float | None]:
    """Return the figures of a map of one item."""
    against = known[trust.reference]
    return {
        **curves._asdict(),
        "better_deletion": float(curves.deletion < against.deletion),
        "better_insertion": float(curves.insertion > against.insertion),
        "shuffled": trust.shuffled,
        "head_shuffled": trust.head_shuffled,
        "energy": trust.energy,
        "hit": None if trust.hit is None else float(trust.hit),
        "trustworthy": float(not trust.faults),
    }


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the means of the figures of each map as the lines of a Markdown table, with intervals over images."""
    columns = [*FIGURES, "trustworthy"]
    lines = [f"| map | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name in dict.fromkeys(row["map"] for row in rows):
        mine = [row for row in rows if row["map"] == name]
        lines.append(f"| {name} | {' | '.join(_cell(mine, column) for column in columns)} |")
    return lines


def _cell(rows: Sequence[Mapping[str, Any]], column: str) -> str:
    """Return the mean of a figure with its interval, from resamples of the images."""
    by_image: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row[column] is not None:
            by_image[row["image"]].append(row[column])
    if not by_image:
        return ""
    sums = torch.tensor([[sum(values), len(values)] for values in by_image.values()], dtype=torch.float64)  # [i, 2]
    drawn = torch.randint(len(sums), (RESAMPLES, len(sums)), generator=torch.Generator().manual_seed(0))
    totals = sums[drawn].sum(dim=1)  # [r, 2]
    edges = (totals[:, 0] / totals[:, 1]).quantile(
        torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.float64)
    )
    mean = sums[:, 0].sum() / sums[:, 1].sum()
    return f"{mean:.3f} [{edges[0]:.3f}, {edges[1]:.3f}]"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
