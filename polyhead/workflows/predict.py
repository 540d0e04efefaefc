"""Predict with a trained run: ``polyhead.load(run).predict(source)``.

Images go through the same eval transform (:class:`~polyhead.data.augment.transforms.Eval`) as the val and test images;
its settings are stored in the weights file. The network runs in the precision that the hardware supports natively;
boxes are decoded in float32.
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
from polyhead.data.io.images import SUFFIXES, is_image, read_image, to_rgb
from polyhead.data.loading.streams import collate
from polyhead.errors import InvalidFileError, PolyheadError, Problem
from polyhead.nets.inference import predict_batch
from polyhead.nets.model import Model
from polyhead.nets.precision import resolve
from polyhead.run import Run
from polyhead.types import Annotation, Detections, Labels, Mask, Prediction, Sample
from polyhead.workflows.result import Result, best_of_heads

Source = str | Path | Image.Image | np.ndarray | Tensor
"""What can be predicted: a file, a folder, a glob pattern, or pixels.

Pixels are a PIL image; a uint8 array, RGB ``[h, w, 3]`` or gray ``[h, w]`` (OpenCV images are BGR: reverse the channels
first); or a uint8 RGB tensor ``[3, h, w]`` or ``[b, 3, h, w]``.
"""


class Predictor:
    """A model together with its class names and transforms.

    Args:
        model: the model with all its heads and weights.
        names: class names of each task.
        transforms: the eval transform of each task.
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
        """Predict on images.

        Args:
            source: see :data:`Source`; or a list of these. Images in subfolders of a folder are not read.
            tasks: names of the heads to use; all heads when None.
            conf: minimum score of a detection. A classifier always returns all of its classes.
            batch: number of images per forward pass. It changes speed and memory, and results by rounding at most.
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

    def stream(
        self,
        source: Source | Sequence[Source],
        tasks: str | Sequence[str] | None = None,
        conf: float = CONFIDENT,
        batch: int = 8,
        on_bad: str = "stop",
        across: float | None = None,
    ) -> Iterator[list[Result]]:
        """Yield the results of one image after another, so that a large folder does not fill the memory.

        The arguments are those of :meth:`predict`.
        """
        if not 0 <= conf <= 1:
            raise PolyheadError(f"conf must be between 0 and 1, got {conf}")
        if batch < 1:
            raise PolyheadError(f"batch must be 1 or more, got {batch}")
        if across is not None and not 0 < across <= 1:
            raise PolyheadError(f"across must be an IoU above 0 and at most 1, got {across}")
        if on_bad not in ("stop", "skip"):
            raise PolyheadError(f"on_bad must be 'stop' or 'skip', got {on_bad!r}")
        chosen = list(self.names) if tasks is None else [tasks] if isinstance(tasks, str) else list(tasks)
        for task in chosen:
            self.model.head(task)
        self.skipped = []
        images = self._read(expand(source), on_bad)
        while group := list(islice(images, batch)):
            found = self._predict(group, chosen, conf)
            yield from found if across is None else (best_of_heads(results, across) for results in found)

    def _read(self, inputs: Iterable["Input"], on_bad: str) -> Iterator[tuple["Input", tv.Image]]:
        """Yield each input with its pixels ``[3, h, w]``; see :meth:`predict` for ``on_bad``."""
        for entry in inputs:
            try:
                image = read_image(entry.name) if entry.pixels is None else entry.pixels
            except InvalidFileError as fault:
                if on_bad == "stop":
                    raise PolyheadError(f"{fault}; or skip such images with on_bad='skip' (--on-bad skip)") from fault
                self.skipped.append(fault.problem)
                continue
            yield entry, image

    def _predict(self, group: list[tuple["Input", tv.Image]], tasks: list[str], conf: float) -> Iterator[list[Result]]:
        """Yield the results of each image of a batch."""
        # Tasks with the same transform share one forward pass.
        tasks_of: dict[Eval, list[str]] = {}
        for task in tasks:
            tasks_of.setdefault(self.transforms[task], []).append(task)
        found: dict[str, dict[str, Prediction]] = {}
        for transform, names in tasks_of.items():
            samples = collate([transform(_sample(image, str(number))) for number, (_, image) in enumerate(group)])
            inputs = samples.inputs.to(self.device)  # uint8 [b, 3, h, w]
            inputs = inputs.contiguous(memory_format=torch.channels_last)
            found |= predict_batch(self.model, samples._replace(inputs=inputs), names, self.precision)
        for number, (entry, _) in enumerate(group):
            yield [self._result(entry, task, found[task][str(number)], conf) for task in tasks]

    def _result(self, entry: "Input", task: str, prediction: Prediction, conf: float) -> Result:
        """Convert one prediction to a result."""
        if isinstance(prediction, Detections):
            boxes, scores, classes = (column[prediction.scores >= conf].numpy() for column in prediction)
        elif isinstance(prediction, Labels):
            best, order = prediction.scores.float().sort(descending=True, stable=True)  # [c], highest score first
            boxes, scores, classes = np.zeros((0, 4), dtype=np.float32), best.numpy(), order.numpy()
        elif isinstance(prediction, Mask):
            return _mask_result(entry, task, prediction.classes.numpy(), self.names[task])
        else:
            raise PolyheadError(f"task {task!r}: predictions of type {type(prediction).__name__} are not supported yet")
        return Result(entry.name, task, boxes, scores, classes, self.names[task], entry.pixels)


def _mask_result(entry: "Input", task: str, mask: UInt8[np.ndarray, "h w"], names: list[str]) -> Result:
    """Return the result of a mask: its classes, scored by the fraction of the image that they cover."""
    counts = np.bincount(mask.ravel(), minlength=256)[: len(names)]  # pixels of each class; 255 (ignored) is cut off
    classes = np.array([label for label in np.argsort(-counts, kind="stable") if counts[label]], dtype=np.int64)
    scores = (counts[classes] / mask.size).astype(np.float32)
    return Result(entry.name, task, np.zeros((0, 4), dtype=np.float32), scores, classes, names, entry.pixels, mask)


class Input(NamedTuple):
    """An image file (``name`` is its path), or pixels (``name`` is their index in the source)."""

    name: str
    pixels: tv.Image | None = None


def load(run: str | Path) -> Predictor:
    """Load the best weights of a run, ready to predict.

    Args:
        run: a run folder, or a weights file such as ``weights/best.pt``.

    Raises:
        PolyheadError: when the run does not exist, has no weights yet, or the file is not a Polyhead weights file.
    """
    path = Path(run)
    if not path.is_file():
        path = Run.open(run).best
    weights = checkpoint.load(path)
    if not (weights.model and weights.tasks and weights.eval):
        raise PolyheadError(f"{path} does not describe its model. Give weights/best.pt of a run of 'polyhead train'.")
    names = {task: list(entry["names"]) for task, entry in weights.tasks.items()}
    model = build_model(weights.model).build(names)
    checkpoint.fill(model, weights.state, path)
    height, width = weights.eval["size"]
    # Weights files of the first versions have one fit for all tasks.
    fits = {task: entry.get("fit") or weights.eval["fit"] for task, entry in weights.tasks.items()}
    transforms = {fit: Eval((height, width), fit) for fit in fits.values()}
    return Predictor(model, names, {task: transforms[fit] for task, fit in fits.items()})


def expand(source: Source | Sequence[Source]) -> list[Input]:
    """List the images of a source, in order; files are not opened.

    Raises:
        PolyheadError: when a path does not exist, a folder or pattern has no image, or pixels have the wrong type.
    """
    inputs: list[Input] = []
    sources: Sequence[Any] = source if isinstance(source, list | tuple) else [source]
    for entry in sources:
        if isinstance(entry, str | Path):
            inputs += [Input(str(path)) for path in _files(entry)]
        else:
            inputs += [Input(str(len(inputs) + number), pixels) for number, pixels in enumerate(_pixels(entry))]
    if not inputs:
        raise PolyheadError("no image to predict: the list of sources is empty")
    return inputs


def _files(source: str | Path) -> list[Path]:
    """List the image files of a path, a folder or a glob pattern, sorted; hidden files are left out of the last two."""
    path = Path(source).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        found, what = list(path.iterdir()), f"folder {str(source)!r}"
        remedy = f"; to include its subfolders, give {str(path / '**' / '*')!r}"
    elif has_magic(str(path)):
        names = glob(str(path), recursive=True)  # noqa: PTH207  # Path.glob refuses absolute patterns
        found, what, remedy = [Path(name) for name in names], f"{str(source)!r}", ""
    else:
        raise PolyheadError(
            f"{str(source)!r} does not exist. Give an image file, a folder or a pattern such as 'photos/*.jpg'."
        )
    images = sorted(each for each in found if is_image(each) and each.is_file() and not each.name.startswith("."))
    if not images:
        raise PolyheadError(f"{what} has no image (expected files that end in {', '.join(sorted(SUFFIXES))}){remedy}")
    return images


def _pixels(entry: Image.Image | np.ndarray | Tensor) -> list[tv.Image]:
    """Convert pixels to upright RGB images, uint8 ``[3, h, w]``: one image, or all images of a batch."""
    if isinstance(entry, Image.Image):
        rgb = to_rgb(ImageOps.exif_transpose(entry), "the given image")
        return [tv.Image(torch.from_numpy(np.array(rgb)).permute(2, 0, 1).contiguous())]
    if not isinstance(entry, np.ndarray | Tensor):
        raise PolyheadError(f"expected a path, a PIL image, an array or a tensor, got {type(entry).__name__}")
    form = f"{entry.dtype} {list(entry.shape)}"
    if isinstance(entry, np.ndarray):
        gray = entry.ndim == 2  # [h, w]
        color = np.repeat(entry[..., None], 3, axis=2) if gray else entry  # [h, w, 3]
        if color.dtype != np.uint8 or color.shape[2:] != (3,) or 0 in color.shape:
            raise PolyheadError(f"expected an array of uint8 (0..255), RGB [h, w, 3] or gray [h, w], got {form}")
        return [tv.Image(torch.from_numpy(np.ascontiguousarray(color)).permute(2, 0, 1).contiguous())]
    batch = entry[None] if entry.ndim == 3 else entry  # [b, 3, h, w]
    if batch.dtype != torch.uint8 or batch.ndim != 4 or batch.shape[1] != 3 or 0 in batch.shape:
        raise PolyheadError(f"expected a tensor of uint8 (0..255), RGB [3, h, w] or [b, 3, h, w], got {form}")
    return [tv.Image(image.cpu()) for image in batch]


def _sample(image: tv.Image, name: str) -> Sample:
    """Wrap an image in a sample without annotations."""
    empty = torch.zeros(0)
    annotation = Annotation(
        id=name,
        path="",
        size=(image.shape[1], image.shape[2]),
        boxes=empty.reshape(0, 4),
        labels=empty.long(),
        ignore=empty.bool(),
        areas=empty,
        annotated=empty.bool(),
    )
    return sample(annotation, image)
