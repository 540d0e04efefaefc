"""A trained run, ready to use: ``polyhead.load(run).predict(source)``.

Pictures are prepared by the same :class:`~polyhead.data.augment.transforms.Eval` that val and test saw, as the weights file has
it. The network runs in the precision that the hardware computes natively; boxes are decoded in float32.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from glob import glob, has_magic
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps
from torch import Tensor
from torchvision import tv_tensors as tv

from polyhead import checkpoint
from polyhead.analysis.errors import CONFIDENT
from polyhead.config.recipe import build_model
from polyhead.contracts.reader import sample
from polyhead.data.augment.transforms import Eval
from polyhead.data.io.images import SUFFIXES, is_picture, read_picture, to_rgb
from polyhead.data.loading.streams import collate
from polyhead.errors import FileFault, PolyheadError, Problem
from polyhead.nets.inference import predict_batch
from polyhead.nets.model import Model
from polyhead.nets.precision import resolve
from polyhead.run import Run
from polyhead.types import Annotation, Detections, Labels, Mask, Prediction, Sample
from polyhead.workflows.result import Result, best_of_heads

Source = str | Path | Image.Image | np.ndarray | Tensor
"""A file, a folder, a glob, or pixels: a PIL picture, a uint8 array, RGB ``[h, w, 3]`` (OpenCV has BGR: turn it round)
or grey ``[h, w]``, or a uint8 RGB tensor ``[3, h, w]`` or ``[b, 3, h, w]``."""


class Predictor:
    """A model with everything that is needed to use it.

    Args:
        model: with all its heads and weights.
        names: class names of each task.
        transforms: how pictures are prepared for each task.
        precision: see :func:`polyhead.nets.precision.resolve`.
    """

    def __init__(
        self, model: Model, names: dict[str, list[str]], transforms: Mapping[str, Eval], precision: str = "auto"
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.to(self.device).to(memory_format=torch.channels_last).eval()
        self.names = names
        self.transforms = transforms
        self.precision = resolve(precision)
        self.skipped: list[Problem] = []

    def predict(
        self,
        source: Source | Sequence[Source],
        tasks: str | Sequence[str] | None = None,
        conf: float = CONFIDENT,
        batch: int = 8,
        on_bad: str = "stop",
        across: float | None = None,
    ) -> list[Result]:
        """Use the model on pictures.

        Args:
            source: see :data:`Source`; or a list of these. Of a folder, the pictures right in it are taken.
            tasks: which heads; all when None.
            conf: detections with a lower score are left out; a classifier always tells all of its classes.
            batch: pictures at a time; changes the speed and the memory, and results by rounding at most.
            on_bad: ``"stop"`` at a picture that cannot be read, or ``"skip"`` it and keep the problem in ``skipped``.
            across: overlap (IoU) from which a box of one head is left out for a better one of another head; None
                leaves the heads alone.

        Returns:
            For each picture, in order, a result for each task.

        Raises:
            PolyheadError: when there is no picture, one cannot be read, or there is no such task.
        """
        return [result for results in self.stream(source, tasks, conf, batch, on_bad, across) for result in results]

    def stream(
        self,
        source: Source | Sequence[Source],
        tasks: str | Sequence[str] | None = None,
        conf: float = CONFIDENT,
        batch: int = 8,
        on_bad: str = "stop",
        across: float | None = None,
    ) -> Iterator[list[Result]]:
        """As :meth:`predict`, but picture after picture, so that a large folder does not fill the memory."""
        if not 0 <= conf <= 1:
            raise PolyheadError(f"conf must lie between 0 and 1, got {conf}")
        if batch < 1:
            raise PolyheadError(f"batch must be 1 or more, got {batch}")
        if across is not None and not 0 < across <= 1:
            raise PolyheadError(f"across must be an overlap above 0 and at most 1, got {across}")
        if on_bad not in ("stop", "skip"):
            raise PolyheadError(f"on_bad must be 'stop' or 'skip', got {on_bad!r}")
        chosen = list(self.names) if tasks is None else [tasks] if isinstance(tasks, str) else list(tasks)
        for task in chosen:
            self.model.head(task)
        self.skipped = []
        pictures = self._read(expand(source), on_bad)
        while group := list(islice(pictures, batch)):
            found = self._predict(group, chosen, conf)
            yield from found if across is None else (best_of_heads(results, across) for results in found)

    def _read(self, inputs: Iterable["Input"], on_bad: str) -> Iterator[tuple["Input", tv.Image]]:
        for entry in inputs:
            try:
                picture = read_picture(entry.name) if entry.pixels is None else entry.pixels
            except FileFault as fault:
                if on_bad == "stop":
                    raise PolyheadError(
                        f"{fault}; or leave out such pictures with on_bad='skip' (--on-bad skip)"
                    ) from fault
                self.skipped.append(fault.problem)
                continue
            yield entry, picture

    def _predict(self, group: list[tuple["Input", tv.Image]], tasks: list[str], conf: float) -> Iterator[list[Result]]:
        alike: dict[Eval, list[str]] = {}
        for task in tasks:
            alike.setdefault(self.transforms[task], []).append(task)
        found: dict[str, dict[str, Prediction]] = {}
        for prepare, some in alike.items():
            samples = collate([prepare(_sample(picture, str(number))) for number, (_, picture) in enumerate(group)])
            inputs = samples.inputs.to(self.device).contiguous(memory_format=torch.channels_last)
            found |= predict_batch(self.model, samples._replace(inputs=inputs), some, self.precision)
        for number, (entry, _) in enumerate(group):
            yield [self._result(entry, task, found[task][str(number)], conf) for task in tasks]

    def _result(self, entry: "Input", task: str, prediction: Prediction, conf: float) -> Result:
        if isinstance(prediction, Detections):
            boxes, scores, classes = (part[prediction.scores >= conf].numpy() for part in prediction)
        elif isinstance(prediction, Labels):
            best, order = prediction.scores.float().sort(descending=True, stable=True)
            boxes, scores, classes = np.zeros((0, 4), dtype=np.float32), best.numpy(), order.numpy()
        elif isinstance(prediction, Mask):
            return _shares(entry, task, prediction.classes.numpy(), self.names[task])
        else:
            raise PolyheadError(f"task {task!r}: predictions of kind {type(prediction).__name__} cannot be shown yet")
        return Result(entry.name, task, boxes, scores, classes, self.names[task], entry.pixels)


def _shares(entry: "Input", task: str, mask: UInt8[np.ndarray, "h w"], names: list[str]) -> Result:
    """A mask's classes, by their share of the picture."""
    counts = np.bincount(mask.ravel(), minlength=256)[: len(names)]
    classes = np.array([label for label in np.argsort(-counts, kind="stable") if counts[label]], dtype=np.int64)
    scores = (counts[classes] / mask.size).astype(np.float32)
    return Result(entry.name, task, np.zeros((0, 4), dtype=np.float32), scores, classes, names, entry.pixels, mask)


class Input(NamedTuple):
    """A picture to be read (``name`` is its path), or its pixels (``name`` is its number)."""

    name: str
    pixels: tv.Image | None = None


def load(run: str | Path) -> Predictor:
    """A predictor with the best weights of a run.

    Args:
        run: a run folder, or a weights file such as ``weights/best.pt``.

    Raises:
        PolyheadError: when there is no such run, it has no weights yet, or the file is none of ours.
    """
    path = Path(run)
    if not path.is_file():
        path = Run.open(run).best
    weights = checkpoint.load(path)
    if not (weights.model and weights.tasks and weights.eval):
        raise PolyheadError(
            f"{path} does not say how to build its model; give weights/best.pt of a run of 'polyhead train'"
        )
    names = {task: list(entry["names"]) for task, entry in weights.tasks.items()}
    model = build_model(weights.model).build(names)
    checkpoint.fill(model, weights.state, path)
    height, width = weights.eval["size"]
    # Files of the first versions have one fit for all tasks.
    fits = {task: entry.get("fit") or weights.eval["fit"] for task, entry in weights.tasks.items()}
    evals = {fit: Eval((height, width), fit) for fit in fits.values()}
    return Predictor(model, names, {task: evals[fit] for task, fit in fits.items()})


def expand(source: Source | Sequence[Source]) -> list[Input]:
    """The pictures of a source, in order; files are not opened.

    Raises:
        PolyheadError: when a path does not exist, a folder or glob has no picture, or pixels are not as expected.
    """
    inputs: list[Input] = []
    sources: Sequence[Any] = source if isinstance(source, list | tuple) else [source]
    for entry in sources:
        if isinstance(entry, str | Path):
            inputs += [Input(str(path)) for path in _files(entry)]
        else:
            inputs += [Input(str(len(inputs) + number), pixels) for number, pixels in enumerate(_pixels(entry))]
    if not inputs:
        raise PolyheadError("there is no picture to predict: the list of sources is empty")
    return inputs


def _files(source: str | Path) -> list[Path]:
    path = Path(source).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        found, what = list(path.iterdir()), f"folder {str(source)!r}"
        remedy = f"; for the folders in it, give {str(path / '**' / '*')!r}"
    elif has_magic(str(path)):
        names = glob(str(path), recursive=True)  # noqa: PTH207  # Path.glob refuses absolute patterns
        found, what, remedy = [Path(name) for name in names], f"{str(source)!r}", ""
    else:
        raise PolyheadError(
            f"{str(source)!r} does not exist; give a picture file, a folder or a pattern such as 'photos/*.jpg'"
        )
    pictures = sorted(each for each in found if is_picture(each) and each.is_file() and not each.name.startswith("."))
    if not pictures:
        raise PolyheadError(
            f"{what} has no picture; files with these endings were looked for: {', '.join(sorted(SUFFIXES))}{remedy}"
        )
    return pictures


def _pixels(entry: Image.Image | np.ndarray | Tensor) -> list[tv.Image]:
    """Upright RGB pixels ``[3, h, w]``; one picture, or all of a batch."""
    if isinstance(entry, Image.Image):
        rgb = to_rgb(ImageOps.exif_transpose(entry), "the given picture")
        return [tv.Image(torch.from_numpy(np.array(rgb)).permute(2, 0, 1).contiguous())]
    if not isinstance(entry, np.ndarray | Tensor):
        raise PolyheadError(f"expected a path, a PIL picture, an array or a tensor; got {type(entry).__name__}")
    form = f"{entry.dtype} {list(entry.shape)}"
    if isinstance(entry, np.ndarray):
        grey = entry.ndim == 2  # height and width
        colour = np.repeat(entry[..., None], 3, axis=2) if grey else entry
        if colour.dtype != np.uint8 or colour.shape[2:] != (3,) or 0 in colour.shape:
            raise PolyheadError(f"expected an array of uint8 (0..255), RGB [h, w, 3] or grey [h, w]; got {form}")
        return [tv.Image(torch.from_numpy(np.ascontiguousarray(colour)).permute(2, 0, 1).contiguous())]
    batch = entry[None] if entry.ndim == 3 else entry  # channels, height and width
    if batch.dtype != torch.uint8 or batch.ndim != 4 or batch.shape[1] != 3 or 0 in batch.shape:
        raise PolyheadError(f"expected a tensor of uint8 (0..255), RGB [3, h, w] or [b, 3, h, w]; got {form}")
    return [tv.Image(picture.cpu()) for picture in batch]


def _sample(picture: tv.Image, name: str) -> Sample:
    """A picture without truth."""
    none = torch.zeros(0)
    nothing = Annotation(
        id=name,
        path="",
        size=(picture.shape[1], picture.shape[2]),
        boxes=none.reshape(0, 4),
        labels=none.long(),
        ignore=none.bool(),
        areas=none,
        annotated=none.bool(),
    )
    return sample(nothing, picture)
