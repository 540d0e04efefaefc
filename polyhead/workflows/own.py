"""Train with one's own parts from Python: any torch data set, any ``nn.Module`` as the backbone, one's own head."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polyhead.config.recipe import Parts, Settings
from polyhead.contracts.kind import Kind
from polyhead.contracts.modality import Modality
from polyhead.data.loading.source import Source
from polyhead.data.readers.dataset import DatasetReader
from polyhead.engine.progress import Log
from polyhead.engine.stage import Stage
from polyhead.kinds import kind_of
from polyhead.nets.model import Model
from polyhead.run import Run
from polyhead.workflows.tasks import open_tasks
from polyhead.workflows.train import finish, train_parts


@dataclass
class Task:
    """The data of a head: map-style data sets whose items are pairs of an input and a target.

    Attributes:
        train: the training data.
        names: class names, or names of the numbers to predict.
        val: the validation data, on which all choices are made; split off from ``train`` if None.
        test: the test data, which is scored once, at the end; split off from ``train`` if None.
        kind: what is predicted: ``"classification"`` (targets are class indices), ``"segmentation"`` (masks
            ``[h, w]``), ``"detection"`` (``{"boxes": [n, 4] xyxy in pixels, "labels": [n]}``), or a kind of one's own.
        modality: what is read: ``"tensor"`` (used as they are), ``"image"`` (uint8 ``[3, h, w]``, transformed and
            resized to the model's size), or a modality of one's own.
        split: fractions of val and test, if they are split off (:class:`polyhead.data.loading.source.Source`).
        transforms: training transforms of images.
        batch: samples per step.
        workers: loader processes.
        license: license of the data, stored with every copy.
    """

    train: Any
    names: Sequence[str]
    val: Any = None
    test: Any = None
    kind: str | Kind = "classification"
    modality: str | Modality = "tensor"
    split: dict[str, int | float | str] | None = None
    transforms: str = "plain"
    batch: int = 32
    workers: int = 0
    license: str = ""
    cache: float = field(default=0.0, repr=False)

    def source(self) -> Source:
        """Return the same settings as those of a recipe."""
        kind = kind_of(self.kind) if isinstance(self.kind, str) else self.kind
        modality = self.modality if isinstance(self.modality, str) else self.modality.name

        def reader(dataset: Any, split: str) -> DatasetReader | None:
            return None if dataset is None else DatasetReader(dataset, list(self.names), kind, modality, f"{split}-")

        train = reader(self.train, "train")
        assert train is not None
        return Source(
            train,
            reader(self.val, "val"),
            reader(self.test, "test"),
            split=self.split,
            transforms=self.transforms,
            batch=self.batch,
            workers=self.workers,
            cache=self.cache,
            modality=None if isinstance(self.modality, str) else self.modality,
            license=self.license,
        )


def fit(
    model: Model,
    tasks: Mapping[str, Task],
    *,
    epochs: int = 10,
    lr: float = 1e-3,
    stages: Sequence[Stage] | None = None,
    name: str = "fit",
    runs: str | Path = "runs",
    seed: int = 0,
    precision: str = "auto",
    resume: str | Path | None = None,
    show: Callable[[str], None] = print,
) -> Run:
    """Train a model on one's own data; this leaves the same run folder as a recipe does, without ``config.yaml``.

    Args:
        model: the model; its heads are built here.
        tasks: the data of each head, by name.
        epochs: epochs of the only stage, if ``stages`` is None.
        lr: its learning rate.
        stages: the stages of the training, in order.
        name: name of the run folder.
        runs: the folder in which it is made.
        seed: seed of all random choices.
        precision: ``auto``, or a precision name of Lightning.
        resume: folder of an interrupted run that the same call has made; it resumes where it stopped.
        show: receives the lines to print.

    Returns:
        The finished run. Predict with ``polyhead.load(run.folder, model)``, where ``model`` is built by the same code.

    Raises:
        PolyheadError: when the model and the data do not fit each other, or a loss is not finite.

    Example:
        >>> points = torch.randn(100, 2)
        >>> data = torch.utils.data.TensorDataset(points, (points[:, 0] > 0).long())
        >>> model = polyhead.Model(torch.nn.Linear(2, 8), [], polyhead.Classify)
        >>> tasks = {"side": polyhead.Task(data, ["left", "right"])}
        >>> run = polyhead.fit(model, tasks, epochs=1, show=lambda line: None)
        >>> run.results["test"]["tasks"]["side"]["images"]
        15
    """
    parts = Parts(
        model=model,
        sources={task: each.source() for task, each in tasks.items()},
        stages=[Stage(epochs=epochs, lr=lr)] if stages is None else list(stages),
        settings=Settings(seed=seed, precision=precision, name=name, runs=str(runs)),  # type: ignore[arg-type]  # checked by resolve()
    )
    if resume is None:
        return train_parts(parts, show)
    run = Run.open(resume)
    opened = open_tasks(parts.sources, model.size, seed, run.read_manifest().get("splits"))
    with run.locked():
        return finish(parts, opened, run, Log(run, show))
