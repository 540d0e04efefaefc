"""Predict with a model: decode inputs, transform them as in evaluation, and return results in original coordinates."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch

from polyhead.contracts.kind import Kind
from polyhead.contracts.modality import Modality, Source
from polyhead.contracts.operating import Point
from polyhead.data.loading.streams import Collate
from polyhead.errors import InvalidFileError, PolyheadError, Problem
from polyhead.kinds import kind_of
from polyhead.nets.fold import folded_copy
from polyhead.nets.inference import on_device, predict_batch, raw_predictions
from polyhead.nets.model import Model
from polyhead.nets.precision import resolve, standard_defaults
from polyhead.types import Batch, Sample
from polyhead.workflows.explain import Explainer, Explanation
from polyhead.workflows.operating import lowest_score
from polyhead.workflows.result import Result, best_of_heads

BATCH_BYTES = 1 << 27
"""Bytes of the decoded inputs of a batch (45 million pixels); a larger input is a batch of its own."""


class Predictor:
    """A model together with its class names, kinds and modalities.

    Args:
        model: the model with all its heads and weights.
        names: class names of each task.
        modalities: the fitted modality of each task.
        precision: see :func:`polyhead.nets.precision.resolve`.
        points: the operating points of the tasks that have one.

    Attributes:
        skipped: the inputs of the last call that could not be read.
        notes: what the last call left out of a folder or pattern, one sentence each.
    """

    def __init__(
        self,
        model: Model,
        names: dict[str, list[str]],
        modalities: Mapping[str, Modality],
        precision: str = "auto",
        points: Mapping[str, Point] | None = None,
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.float().to(self.device).to(memory_format=torch.channels_last).eval()
        self.names = names
        self.modalities = dict(modalities)
        self.kinds: dict[str, Kind] = {task: kind_of(model.head(task).kind) for task in names}
        self.precision = resolve(precision)
        self.points = dict(points or {})
        self._folded: dict[str, Model] = {}
        self.skipped: list[Problem] = []
        self.notes: Sequence[str] = ()

    def limit(self, max_boxes: int | None = None, overlap: float | None = None) -> None:
        """Limit the boxes of all heads.

        Args:
            max_boxes: largest number of boxes of a head for an input; None leaves it.
            overlap: the IoU with a better box of its class above which a box is dropped; None leaves it. Heads without
                such a limit have none after it, too.

        Raises:
            SettingError: if a number is out of range.
        """
        for model in (self.model, *self._folded.values()):
            for task in self.names:
                model.head(task).limit(max_boxes, overlap)

    def predict(
        self,
        source: Any,
        tasks: str | Sequence[str] | None = None,
        conf: float | None = None,
        batch: int = 8,
        on_bad: str = "stop",
        across: float | None = None,
    ) -> list[Result]:
        """Predict on images, or whatever the tasks read.

        Args:
            source: what the modality of the tasks reads (:meth:`polyhead.contracts.modality.Modality.sources`), or a
                list of these; for images, a file, a folder, a pattern such as ``photos/*.jpg``, or pixels
                (:mod:`polyhead.modalities.image.sources`).
            tasks: names of the heads to use; all heads when None.
            conf: minimum score of a detection; None for the operating point of each task (``docs/evaluate.md``), or
                0.25 where it has none. A classifier always returns all of its classes.
            batch: largest number of images per forward pass; of large images, fewer (:data:`BATCH_BYTES`). It changes
                speed and memory, and results by rounding at most.
            on_bad: what to do with an image that cannot be read: ``"stop"`` raises an error, ``"skip"`` leaves the
                image out and appends the problem to ``skipped``.
            across: IoU threshold for suppression between heads: a box is removed where a box of another head has a
                higher score and at least this overlap. None disables it.

        Returns:
            For each image, in order, a result for each task.

        Raises:
            PolyheadError: when there is no image, an image cannot be read, or a task does not exist.
        """
        return [result for results in self.stream(source, tasks, conf, batch, on_bad, across) for result in results]

    __call__ = predict

    def stream(
        self,
        source: Any,
        tasks: str | Sequence[str] | None = None,
        conf: float | None = None,
        batch: int = 8,
        on_bad: str = "stop",
        across: float | None = None,
    ) -> Iterator[list[Result]]:
        """Yield the results of one image after another, so that a large folder does not fill the memory.

        The arguments are those of :meth:`predict`.
        """
        if conf is not None and not 0 <= conf <= 1:
            raise PolyheadError(f"conf must be between 0 and 1, got {conf}")
        if batch < 1:
            raise PolyheadError(f"batch must be 1 or more, got {batch}")
        if across is not None and not 0 < across <= 1:
            raise PolyheadError(f"across must be an IoU above 0 and at most 1, got {across}")
        if on_bad not in ("stop", "skip"):
            raise PolyheadError(f"on_bad must be 'stop' or 'skip', got {on_bad!r}")
        chosen = list(self.names) if tasks is None else [tasks] if isinstance(tasks, str) else list(tasks)
        if not chosen:
            raise PolyheadError(f"tasks is empty. Choose from {', '.join(self.names)}, or leave it out for all.")
        for task in chosen:
            self.model.head(task)
        self.skipped = []
        names = {self.modalities[task].name for task in chosen}
        if len(names) > 1:
            raise PolyheadError(
                f"the tasks {', '.join(chosen)} read different inputs ({', '.join(sorted(names))}). Choose tasks of "
                "one of them (tasks=[...], or --task on the command line)."
            )
        modality = self.modalities[chosen[0]]
        self.notes = modality.unread(source)
        inputs = self._read(modality, modality.sources(source), on_bad)
        for group in _groups(inputs, batch, modality):
            found = self._predict(group, chosen, conf)
            yield from found if across is None else (best_of_heads(results, across) for results in found)

    def _read(self, modality: Modality, sources: Iterable[Source], on_bad: str) -> Iterator["Input"]:
        """Yield each source with its decoded input; see :meth:`predict` for ``on_bad``."""
        for source in sources:
            try:
                with standard_defaults():
                    decoded = modality.decode(source.raw)
            except InvalidFileError as fault:
                if on_bad == "stop":
                    raise PolyheadError(f"{fault}; or skip such images with on_bad='skip' (--on-bad skip)") from fault
                self.skipped.append(fault.problem)
            else:
                yield Input(source, decoded)

    @standard_defaults()
    def _predict(self, group: list["Input"], tasks: list[str], conf: float | None) -> list[list[Result]]:
        """Return the results of each input of a batch."""
        # Tasks with the same preprocessing share one forward pass.
        tasks_of: dict[str, list[str]] = {}
        for task in tasks:
            tasks_of.setdefault(repr((self.modalities[task].name, self.modalities[task].state())), []).append(task)
        found: dict[str, dict[str, Any]] = {}
        for names in tasks_of.values():
            modality = self.modalities[names[0]]
            samples = [
                modality.eval(Sample(each.decoded, None, modality.meta(str(number), each.decoded)))
                for number, each in enumerate(group)
            ]
            if (key := self.model.input_key(names[0])) not in self._folded:
                self._fold(key, on_device(Collate(None, modality)(samples[:1]), self.device))
            batch = on_device(Collate(None, modality)(samples), self.device)
            found |= predict_batch(self._folded[key], batch, {task: self.kinds[task] for task in names}, self.precision)
        return [
            [self._result(each, task, found[task][str(number)], conf) for task in tasks]
            for number, each in enumerate(group)
        ]

    def _fold(self, key: str, example: Batch) -> None:
        """Copy the model, with the batch norms of a backbone and its tasks folded into the convolutions before them.

        Args:
            key: key of the backbone (:meth:`polyhead.nets.model.Model.input_key`).
            example: an input of it, with which all its tasks are tried.
        """
        tasks = [name for name in self.names if self.model.input_key(name) == key]
        self._folded[key] = folded_copy(self.model, lambda model: raw_predictions(model, example, tasks))

    def _result(self, found: "Input", task: str, prediction: Any, conf: float | None) -> Result:
        """Convert one prediction to a result."""
        kind, modality, point = self.kinds[task], self.modalities[task], self.points.get(task)
        if point is not None:
            prediction = kind.calibrated(prediction, point.temperature)
        lowest = lowest_score(point, conf)
        return Result(
            found.source.name,
            task,
            kind.confident(prediction, lowest),
            self.names[task],
            kind,
            lambda: modality.draw(modality.decode(found.source.raw)),
            explainer=partial(self._explain, found.source, task, conf),
            certain=point is None or not point.thresholds or kind.certain(prediction, lowest),
        )

    def _explain(self, source: Source, task: str, conf: float | None, **settings: Any) -> list[Explanation]:
        """Explain the predictions of a head for an input, the best first."""
        explainer = Explainer(self, task, **settings)
        forward = explainer.run(explainer.modality.decode(source.raw), conf)
        return [explainer.explain(forward, place, source.name) for place in range(len(forward.items))]


def _groups(inputs: Iterable["Input"], most: int, modality: Modality) -> Iterator[list["Input"]]:
    """Yield batches of inputs, smaller ones where inputs are large."""
    group: list[Input] = []
    size = 0
    for each in inputs:
        more = modality.cached_bytes(each.decoded) or 0
        if group and (len(group) == most or size + more > BATCH_BYTES):
            yield group
            group, size = [], 0
        group.append(each)
        size += more
    if group:
        yield group


class Input(NamedTuple):
    """A source and its decoded input."""

    source: Source
    decoded: Any
