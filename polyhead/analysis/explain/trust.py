"""Whether a map can be trusted: what hiding its places, and shuffling the weights, change.

The protocol and its sources are in ``docs/explain.md``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from polyhead.analysis.explain.layers import Layers, cam, gradients, trace
from polyhead.analysis.explain.references import coarse_noise, gaussian, noise
from polyhead.analysis.explain.shuffled import rank_correlation, shuffled
from polyhead.contracts.explained import Item
from polyhead.contracts.kind import Kind
from polyhead.contracts.modality import Modality
from polyhead.nets.fold import folded_copy
from polyhead.nets.inputs import batches, device_of, join, to_device
from polyhead.nets.model import Model
from polyhead.types import Inputs, Size

FRACTIONS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8)
"""Fractions of the input that are hidden or shown, denser where an object is small."""
BOUND = 0.5
"""Rank correlation with the map of a shuffled network from which a map counts as the same."""
BATCH = 16
"""Changed inputs of a forward pass."""


class Curves(NamedTuple):
    """Areas under the curves of agreement with the original prediction, 0..1.

    Attributes:
        deletion: hiding the most important places first; lower is better.
        insertion: showing the most important places first; higher is better.
    """

    deletion: float
    insertion: float


class Trust(NamedTuple):
    """The figures of one map, each beside those of its references.

    Attributes:
        map: its curves.
        references: the curves of the maps that know nothing: ``random``, ``noise``, ``center``, and ``box`` where the
            item has a box.
        shuffled: rank correlation with the map of the network whose weights are all shuffled.
        head_shuffled: the same where only the head's weights are.
        energy: fraction of the map inside the item's box or region; None without.
        hit: whether its largest value is inside (pointing game); None without.
    """

    map: Curves
    references: dict[str, Curves]
    shuffled: float
    head_shuffled: float
    energy: float | None
    hit: bool | None

    @property
    def reference(self) -> str:
        """The Gaussian that the map must beat: of the box's shape, or in the middle where there is no box."""
        return "box" if "box" in self.references else "center"

    @property
    def faults(self) -> list[str]:
        """Why the map is not trustworthy, in words; nothing if it is."""
        shape = "a blob in the shape of its box" if self.reference == "box" else "a blob in the middle"
        found = []
        if not self.map.deletion < self.references[self.reference].deletion:
            found.append(f"hiding what it marks changes the prediction no more than hiding {shape}")
        if not all(self.map.insertion > self.references[name].insertion for name in ("random", "noise")):
            found.append("showing what it marks brings the prediction back no sooner than showing random places")
        if not self.shuffled < BOUND:
            found.append("it hardly changes when all weights of the network are shuffled")
        return found

    @property
    def verdict(self) -> str:
        """The verdict in a sentence."""
        return "trustworthy" if not self.faults else f"not trustworthy: {'; '.join(self.faults)}"


class Judge:
    """Computes the figures of maps of one head.

    Args:
        model: the model.
        task: the head.
        kind: its kind.
        modality: what it reads.
        layers: where maps are computed.
        method: how.
        seed: seed of shuffled weights and random maps.
    """

    def __init__(
        self, model: Model, task: str, kind: Kind, modality: Modality, layers: Layers, method: str, seed: int = 0
    ) -> None:
        self.model, self.task, self.kind, self.modality = model, task, kind, modality
        self.layers, self.method, self.seed = layers, method, seed
        self.networks = {
            "all": shuffled(model, task, seed),
            "head": shuffled(model, task, seed, head_only=True),
        }
        self._folded: Model | None = None

    def judge(self, inputs: Inputs, prediction: object, item: Item, values: Tensor) -> Trust | None:
        """Return the figures of a map; None if the modality cannot hide places, or the kind has no agreement.

        Args:
            inputs: a batch of one input.
            prediction: its decoded prediction.
            item: what the map explains.
            values: the map, of any size.
        """
        size = _size(inputs, values)
        generator = torch.Generator().manual_seed(self.seed)
        maps = {"random": coarse_noise(size, generator), "noise": noise(size, generator), "center": gaussian(size)}
        if item.box is not None:
            maps["box"] = gaussian(size, item.box.cpu())
        curves = self.curves(inputs, prediction, item, {"map": values.cpu(), **maps})
        if curves is None:
            return None
        found = {
            name: self._correlation(network, inputs, prediction, item, values)
            for name, network in self.networks.items()
        }
        energy, hit = inside(values, item, size)
        return Trust(curves.pop("map"), curves, found["all"], found["head"], energy, hit)

    def curves(
        self, inputs: Inputs, prediction: object, item: Item, maps: Mapping[str, Tensor]
    ) -> dict[str, Curves] | None:
        """Return the areas under the curves of several maps; None where they cannot be computed."""
        before = self.kind.agreement(prediction, item, prediction)
        changed = [self.modality.without(inputs, values, FRACTIONS) for values in maps.values()]
        if before is None or any(each is None for each in changed):
            return None
        levels = self._agreements(
            join([part for each in changed if each is not None for part in each]), prediction, item
        )
        rows = torch.tensor(levels).reshape(len(maps), 2, len(FRACTIONS))
        ends = {"deletion": (before, 0.0), "insertion": (0.0, before)}  # nothing hidden, all hidden; and the reverse
        return {
            name: Curves(*(_area(row, *end) for row, end in zip(pair, ends.values(), strict=True)))
            for name, pair in zip(maps, rows, strict=True)
        }

    def _agreements(self, inputs: Inputs, prediction: object, item: Item) -> list[float]:
        """Return the agreement of the prediction for each input of a batch."""
        found: list[float] = []
        parts = batches(to_device(inputs, device_of(inputs)), BATCH)
        if self._folded is None:
            self._folded = folded_copy(self.model, lambda model: self._run(model, parts[0]))
        for part in parts:
            others = self._run(self._folded, part)
            found += [self.kind.agreement(prediction, item, on_cpu(each)) or 0.0 for each in others]
        return found

    @torch.inference_mode()
    def _run(self, model: Model, inputs: Inputs) -> Sequence[Any]:
        """Return the decoded predictions of the head for a batch."""
        head = model.head(self.task)
        return head.decode(head(model.trunk(inputs, self.task)))

    def _correlation(self, network: Model, inputs: Inputs, prediction: object, item: Item, values: Tensor) -> float:
        """Return the rank correlation of a map with that of another network for the same item."""
        head = network.head(self.task)
        traced = trace(network, head, inputs, self.task)
        logit = head.logit(traced.raw, prediction, item.number)
        other = cam(gradients(traced, logit, self.layers), self.method)
        return rank_correlation(values.cpu(), other.cpu())


def on_cpu(prediction: Any) -> Any:
    """Return a prediction without gradients, on the CPU: heads may return raw predictions as they are."""
    return type(prediction)(*(each.detach().cpu() if isinstance(each, Tensor) else each for each in prediction))


def _area(levels: Tensor, first: float, last: float) -> float:
    """Return the area under a curve whose first value is at fraction 0 and the last one at 1."""
    points = torch.tensor([0.0, *FRACTIONS, 1.0])
    return float(torch.trapezoid(torch.tensor([first, *levels.tolist(), last]), points))


def _size(inputs: Inputs, values: Tensor) -> Size:
    """Return height and width of the input; of what has none, the shape of the map."""
    if isinstance(inputs, Tensor) and inputs.ndim == 4:
        return int(inputs.shape[-2]), int(inputs.shape[-1])
    return (1, values.shape[-1]) if values.ndim == 1 else (int(values.shape[0]), int(values.shape[1]))


def inside(values: Tensor, item: Item, size: Size) -> tuple[float | None, bool | None]:
    """Return the fraction of a map that is inside the item, and whether its largest value is."""
    if item.box is None or values.ndim != 2:
        return None, None
    rows = (torch.arange(values.shape[0]) + 0.5) * size[0] / values.shape[0]
    columns = (torch.arange(values.shape[1]) + 0.5) * size[1] / values.shape[1]
    if item.inside is not None:
        inside = item.inside.cpu()[rows.long()][:, columns.long()]
    else:
        x1, y1, x2, y2 = item.box.tolist()
        inside = ((rows >= y1) & (rows <= y2))[:, None] & ((columns >= x1) & (columns <= x2))[None]
    cells = values.cpu()
    total = float(cells.sum())
    peak = int(cells.argmax())
    return (float(cells[inside].sum()) / total if total else 0.0), bool(inside.flatten()[peak])


def average(found: Sequence[Trust]) -> dict[str, float]:
    """Return the means of the figures of several maps, and the fraction that is trustworthy."""
    rows = {
        "deletion": [each.map.deletion for each in found],
        "insertion": [each.map.insertion for each in found],
        "shuffled": [each.shuffled for each in found],
        "head_shuffled": [each.head_shuffled for each in found],
        "trustworthy": [float(not each.faults) for each in found],
        "energy": [each.energy for each in found if each.energy is not None],
        "hit": [float(each.hit) for each in found if each.hit is not None],
    }
    for name in found[0].references if found else ():
        for curve in Curves._fields:
            rows[f"{name}_{curve}"] = [getattr(each.references[name], curve) for each in found]
    return {name: sum(values) / len(values) for name, values in rows.items() if values}
