"""Explain predictions: which pixels each box, class or region depends on, and whether the map can be trusted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from PIL import Image
from torch import Tensor

from polyhead.analysis.explain.layers import Layers, Traced, cam, gradients, trace
from polyhead.analysis.explain.methods import method_of
from polyhead.analysis.explain.trust import Judge, Trust, on_cpu
from polyhead.contracts.explained import SIDES, Item
from polyhead.contracts.kind import Kind
from polyhead.contracts.modality import Modality
from polyhead.contracts.operating import Point
from polyhead.data.loading.streams import Collate
from polyhead.errors import PolyheadError, suggest
from polyhead.nets.inference import on_device
from polyhead.nets.model import Model
from polyhead.nets.precision import standard_defaults
from polyhead.plotting.draw import draw
from polyhead.plotting.heat import captioned
from polyhead.types import Inputs, Marks, Meta, Sample
from polyhead.workflows.operating import lowest_score

METHOD, LEVELS = "hirescam", "backbone.sum"
"""The defaults; ``docs/explain.md`` has the table that they were chosen by."""


@runtime_checkable
class Network(Protocol):
    """What is explained; :class:`polyhead.workflows.predictor.Predictor` is one.

    Attributes:
        model: the model, in evaluation mode.
        names: class names of each task.
        kinds: kind of each task.
        modalities: fitted modality of each task.
        device: where the model is.
        points: operating points of the tasks that have one.
    """

    model: Model
    names: dict[str, list[str]]
    kinds: dict[str, Kind]
    modalities: dict[str, Modality]
    device: torch.device
    points: dict[str, Point]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a model predicts one item of an input.

    Attributes:
        image: path of the input's file, or its index.
        task: the head.
        place: place of the item among all that are predicted, from 0.
        item: what is explained; boxes are in pixels of the canvas.
        values: how much each cell of the finest layer matters, 0..1: ``[h, w]`` or ``[t]``.
        method: the method and the layers of the map.
        trust: the figures that decide whether the map can be trusted; None if they cannot be, or were not, computed.
        heat: the input with the map over it; None if it cannot be drawn.
        marks: the item in the space of the original input, to be drawn.
    """

    image: str
    task: str
    place: int
    item: Item
    values: Tensor
    method: str
    trust: Trust | None
    heat: Image.Image | None
    marks: Marks

    @property
    def verdict(self) -> str:
        """Whether the map can be trusted, in words."""
        return "trust not measured" if self.trust is None else self.trust.verdict

    def plot(self) -> Image.Image | None:
        """Draw the map, the item and the verdict; None if the input cannot be drawn."""
        if self.heat is None:
            return None
        return captioned(draw(self.heat, [self.marks]), [f"{self.item.caption}, {self.method}: {self.verdict}"])

    def to_json(self) -> dict[str, Any]:
        """Return the explanation in plain types, without the map itself."""
        trust: dict[str, Any] | None = None
        if self.trust is not None:
            trust = {
                **self.trust.map._asdict(),
                "references": {name: curves._asdict() for name, curves in self.trust.references.items()},
                "shuffled": self.trust.shuffled,
                "head_shuffled": self.trust.head_shuffled,
                "energy": self.trust.energy,
                "hit": self.trust.hit,
                "trustworthy": not self.trust.faults,
            }
        box = self.marks.boxes[0] if self.marks.boxes else None
        return {
            "image": self.image,
            "task": self.task,
            "item": self.item.caption,
            "score": self.item.score,
            "box": None if box is None else [round(float(side), 1) for side in box],
            "method": self.method,
            "verdict": self.verdict,
            "trust": trust,
        }


class Explainer:
    """Explains the predictions of one head.

    Args:
        predictor: the model.
        task: the head; None for the only one.
        method: one of :data:`polyhead.analysis.explain.methods.METHODS`.
        levels: the layers of the map, such as ``backbone.sum`` or ``neck.8``.
        trust: whether to compute whether a map can be trusted, which takes most of the time.
        seed: seed of shuffled weights and random maps.
        side: the side of a box to explain instead of the box, ``left``, ``top``, ``right`` or ``bottom``; whether such
            a map can be trusted is not measured.

    Raises:
        PolyheadError: if there is no such head, method, layer or side.
    """

    def __init__(
        self,
        predictor: Network,
        task: str | None = None,
        method: str = METHOD,
        levels: str = LEVELS,
        *,
        trust: bool = True,
        seed: int = 0,
        side: str | None = None,
    ) -> None:
        if side is not None and side not in SIDES:
            raise PolyheadError(f"side must be one of {', '.join(SIDES)}, got {side!r}")
        if task is None and len(predictor.names) > 1:
            raise PolyheadError(f"the model has several heads. Choose one with task: {', '.join(predictor.names)}.")
        self.task = next(iter(predictor.names)) if task is None else task
        self.head = predictor.model.head(self.task)
        self.predictor, self.method, self.layers = predictor, method, Layers.parse(levels)
        method_of(method)
        self.kind: Kind = predictor.kinds[self.task]
        self.modality: Modality = predictor.modalities[self.task]
        self.names = predictor.names[self.task]
        self.trust, self.seed, self.side = trust and side is None, seed, side

    @cached_property
    def judge(self) -> Judge:
        """What computes whether a map can be trusted; it holds copies of the network with shuffled weights."""
        model = self.predictor.model
        return Judge(model, self.task, self.kind, self.modality, self.layers, self.method, self.seed)

    def stream(
        self, source: Any, conf: float | None = None, label: str | None = None, box: int | None = None, most: int = 10
    ) -> Iterator["Explained"]:
        """Yield the explanations for one input after another.

        Args:
            source: see :meth:`polyhead.workflows.predictor.Predictor.predict`.
            conf: lowest score of a box; None for the operating point of the task, or 0.25.
            label: the class to explain; None for all.
            box: the only prediction to explain, from 1, highest score first; None for all.
            most: largest number of explanations for an input.

        Raises:
            PolyheadError: if there is no such class or prediction, or an input cannot be read.
        """
        for each in self.modality.sources(source):
            forward = self.run(self.modality.decode(each.raw), conf)
            places = self.places(forward, label)
            if box is not None:
                if not 0 < box <= len(forward.items):
                    raise PolyheadError(f"{each.name}: there is no prediction {box}, only {len(forward.items)}")
                places = [box - 1]
            found = [self.explain(forward, place, each.name) for place in places[:most]]
            yield Explained(each.name, forward, found, len(places) - len(found))

    def places(self, forward: "Forward", label: str | None = None) -> list[int]:
        """Return the places of the items of a class in ``forward.items``; None for those of all classes.

        Raises:
            PolyheadError: if there is no such class.
        """
        if label is not None and label not in self.names:
            raise PolyheadError(f"task {self.task!r} has no class {label!r}{suggest(label, self.names)}")
        return [place for place, item in enumerate(forward.items) if label is None or self.names[item.label] == label]

    @standard_defaults()
    def run(self, decoded: Any, conf: float | None = None) -> "Forward":
        """Predict for one decoded input, such that what is predicted can be explained.

        Args:
            decoded: the input (:meth:`polyhead.contracts.modality.Modality.decode`).
            conf: lowest score of a box; None for the operating point of the task, or 0.25.
        """
        point = self.predictor.points.get(self.task)
        sample = self.modality.eval(Sample(decoded, None, self.modality.meta("0", decoded)))
        inputs = on_device(Collate(None, self.modality)([sample]), self.predictor.device).inputs
        traced = trace(self.predictor.model, self.head, inputs, self.task)
        with torch.no_grad():
            found = on_cpu(self.head.decode(traced.raw)[0])
        if point is not None:
            found = self.kind.calibrated(found, point.temperature)
        found = self.kind.confident(found, lowest_score(point, conf))
        found = self.kind.visible(found, sample.meta)
        return Forward(decoded, sample.meta, inputs, traced, found, self.kind.items(found, self.names))

    @standard_defaults()
    def explain(self, forward: "Forward", place: int, image: str = "") -> Explanation:
        """Explain one item of a prediction.

        Args:
            forward: the prediction (:meth:`run`).
            place: place of the item in ``forward.items``.
            image: name of the input.

        Raises:
            PolyheadError: if the layers have no positions.
        """
        item = forward.items[place]
        asked = (forward.traced.raw, forward.prediction, item.number)
        if self.side is None:
            logit = self.head.logit(*asked)
        else:
            logit = self.head.side(*asked, self.side)
            item = item._replace(caption=f"{item.caption}, {self.side} side")
        values = cam(gradients(forward.traced, logit, self.layers), self.method)
        heat = self.modality.draw_attribution(forward.decoded, values, forward.meta)
        one = self.kind.restore(self.kind.take(forward.prediction, [place]), forward.meta)
        marks = self.kind.marks(one, self.names)._replace(overlay=None, notes=())
        how = f"{self.method} at {self.layers}"
        found = Explanation(image, self.task, place, item, values, how, None, heat, marks)
        return self.judged(forward, found) if self.trust else found

    @standard_defaults()
    def judged(self, forward: "Forward", explanation: Explanation) -> Explanation:
        """Compute whether the map of an explanation can be trusted.

        Args:
            forward: the prediction that is explained.
            explanation: an explanation of one of its items, by this explainer.
        """
        trust = self.judge.judge(forward.inputs, forward.prediction, explanation.item, explanation.values)
        return replace(explanation, trust=trust)

    def together(self, forward: "Forward", found: Sequence[Explanation]) -> Image.Image | None:
        """Draw the maps of several items of a prediction on one image; None if it cannot be drawn."""
        values = torch.stack([each.values for each in found]).amax(dim=0)  # [n, h, w] -> [h, w]
        heat: Image.Image | None = self.modality.draw_attribution(forward.decoded, values, forward.meta)
        if heat is None:
            return None
        trusted = [not each.trust.faults for each in found if each.trust is not None]
        line = (
            f"{found[0].method}: {sum(trusted)} of {len(trusted)} maps are trustworthy" if trusted else found[0].method
        )
        return captioned(draw(heat, [each.marks for each in found]), [line])


class Forward(NamedTuple):
    """A prediction that can be explained.

    Attributes:
        decoded: the input.
        meta: maps the canvas back to it.
        inputs: the batch that the network got.
        traced: the forward pass.
        prediction: the confident predictions inside the input, on the canvas.
        items: what they say, most important first.
    """

    decoded: Any
    meta: Meta
    inputs: Inputs
    traced: Traced
    prediction: Any
    items: list[Item]


class Explained(NamedTuple):
    """The explanations for one input.

    Attributes:
        image: its name.
        forward: the prediction.
        explanations: those of the items that were chosen.
        left: number of items that were left out.
    """

    image: str
    forward: Forward
    explanations: list[Explanation]
    left: int
