"""A gallery of the worst mistakes of a run: each with its annotation, its prediction and an explanation."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from polyhead.analysis.mistakes import Placed, Ranking, rank
from polyhead.contracts.explained import Mistake
from polyhead.contracts.operating import Conf
from polyhead.data.loading.source import TaskData
from polyhead.data.splits.make import SPLITS
from polyhead.errors import PolyheadError, Problem, few
from polyhead.plotting.draw import save_jpeg
from polyhead.plotting.panels import panel, side_by_side, text_panel, view_of
from polyhead.run import Run, plain, read_json, write_json
from polyhead.types import Sample
from polyhead.workflows.explain import LEVELS, METHOD, Explainer, Explanation, Forward
from polyhead.workflows.new_folder import replaced
from polyhead.workflows.operating import lowest_score
from polyhead.workflows.split import open_run, samples

MISTAKES, TABLE = "mistakes", "mistakes.json"
"""The folder of a run that has its gallery, and the file in it that lists the mistakes."""
LOW = 0.01
"""Score from which detections can show what the network saw of a missed object."""
EVERY = 100
"""Images between two lines about the progress."""


class Gallery(NamedTuple):
    """A gallery of mistakes.

    Attributes:
        folder: where it is.
        tasks: for each head, the number of ``images`` that were compared, the problems of those that could not be read
            (``unread``), how many mistakes of each type there are (``types``), the most frequent first, and the lowest
            score of a box (``conf``: a number, or one for each class).
        mistakes: the worst of each head and type, the worst first: ``file`` (in the folder; None where inputs cannot be
            drawn), ``image`` (its id), ``path``, ``task``, ``split``, ``type``, ``caption``, ``severity``, ``verdict``,
            and the ``explanation`` (:meth:`polyhead.workflows.explain.Explanation.to_json`; None where there is none).
    """

    folder: Path
    tasks: dict[str, dict[str, Any]]
    mistakes: list[dict[str, Any]]


def find_mistakes(
    run: Run | str | Path,
    task: str | None = None,
    split: str = "test",
    most: int = 3,
    conf: float | None = None,
    trust: bool = True,
    *,
    method: str = METHOD,
    levels: str = LEVELS,
    out: str | Path | None = None,
    show: Callable[[str], None] = print,
) -> Gallery:
    """Find the mistakes of a run on a split, and draw the worst of each type into a folder.

    The same call writes the same files. An earlier gallery in the folder is replaced at the end.

    Args:
        run: a run of a recipe, or its folder.
        task: the head; None for all.
        split: ``test``, ``val`` or ``train``.
        most: largest number of drawn mistakes of a type.
        conf: lowest score of a box that counts as predicted; None for the operating point of each head, or 0.25.
        trust: whether to compute whether the maps can be trusted, which takes most of the time.
        method: see :class:`polyhead.workflows.explain.Explainer`.
        levels: likewise.
        out: the folder; None for ``mistakes`` in the run.
        show: receives lines about the progress, and about what is left out.

    Raises:
        PolyheadError: if the run, its data, a head, a method or a layer does not exist, no head has mistakes to show,
            or the folder has other files.
    """
    if split not in SPLITS:
        raise PolyheadError(f"split must be 'test', 'val' or 'train', got {split!r}")
    if most < 1:
        raise PolyheadError(f"most must be 1 or more, got {most}")
    if conf is not None and not 0 <= conf <= 1:
        raise PolyheadError(f"conf must be between 0 and 1, got {conf}")
    run = run if isinstance(run, Run) else Run.open(run)
    folder = run.folder / MISTAKES if out is None else Path(out)
    with replaced(folder, _files(folder)) as new:
        predictor, tasks = open_run(run, show)
        names = list(tasks) if task is None else [task]
        explainers = {name: Explainer(predictor, name, method, levels, trust=trust) for name in names}
        found: dict[str, dict[str, Any]] = {}
        mistakes: list[dict[str, Any]] = []
        for name, explainer in explainers.items():
            if not explainer.kind.finds_mistakes:
                show(f"{name}: {explainer.kind.title} has no mistakes to show: its kind does not compare predictions")
                continue
            search = Search(explainer, tasks[name], split, lowest_score(predictor.points.get(name), conf), show)
            ranking = search.ranking(most)
            unread = [str(problem) for problem in search.unread]
            images = len(tasks[name].readers[split]) - len(unread)
            found[name] = {"images": images, "unread": unread, "types": ranking.counts, "conf": search.conf}
            mistakes += search.draw(ranking, new)
        if not found:
            raise PolyheadError(f"no head has mistakes to show ({few(names)}). Choose another run.")
        gallery = Gallery(folder, found, mistakes)
        write_json(new / TABLE, plain({"split": split, "conf": conf, "tasks": found, "mistakes": mistakes}))
    return gallery


def _files(folder: Path) -> list[str]:
    """Return the names of the files of an earlier gallery in a folder; none without its table."""
    return [TABLE, *(str(each.get("file")) for each in read_json(folder / TABLE).get("mistakes", ()))]


class Search:
    """The search for the mistakes of one head on a split.

    Args:
        explainer: explains the head.
        task: its data.
        split: the split.
        conf: lowest score of a box that counts as predicted, or that of each class.
        show: receives lines about the progress.

    Attributes:
        unread: the problems of the samples that could not be read.
    """

    def __init__(
        self, explainer: Explainer, task: TaskData, split: str, conf: Conf, show: Callable[[str], None]
    ) -> None:
        self.explainer, self.task, self.split, self.conf, self.show = explainer, task, split, conf, show
        self.unread: list[Problem] = []

    def predict(self, sample: Sample) -> tuple[Forward, Any]:
        """Return the prediction for a sample, such that it can be explained, and restored to the original input."""
        lowest = min(self.conf) if isinstance(self.conf, list) else self.conf
        forward = self.explainer.run(sample.input, min(LOW, lowest))
        return forward, self.explainer.kind.restore(forward.prediction, forward.meta)

    def ranking(self, most: int) -> Ranking:
        """Return the worst mistakes of each type in all samples."""
        return rank(self._all(), most)

    def _all(self) -> Iterator[Placed]:
        """Yield the mistakes in all samples."""
        total = len(self.task.readers[self.split])
        for number, (index, sample) in enumerate(samples(self.task, self.split, self.unread), 1):
            _, prediction = self.predict(sample)
            for mistake in self.explainer.kind.mistakes(sample.target, prediction, self.task.names, self.conf):
                yield Placed(index, mistake)
            if number % EVERY == 0:
                self.show(f"{self.task.name}: {number} of {total} {self.split} images compared")
        for problem in self.unread:
            self.show(f"skipped {problem}")

    def draw(self, ranking: Ranking, folder: Path) -> Iterator[dict[str, Any]]:
        """Explain and draw the worst mistakes into a folder, and yield the entry of each in the table."""
        for kind, worst in ranking.worst.items():
            self.show(f"{self.task.name}: explaining {len(worst)} of {ranking.counts[kind]} ({kind})")
            name = re.sub(r"\W+", "_", kind)
            for number, placed in enumerate(worst, 1):
                yield self._drawn(placed, folder / f"{self.task.name}.{name}.{number}.jpg")

    def _drawn(self, placed: Placed, file: Path) -> dict[str, Any]:
        """Explain and draw one mistake; return its entry in the table."""
        mistake, sample = placed.mistake, self.task.sample(self.split, placed.sample)
        forward, prediction = self.predict(sample)
        explanation, verdict = self._explained(forward, mistake, sample.meta.id)
        drawn = self._panels(sample, prediction, mistake, explanation, verdict)
        if drawn is not None:
            save_jpeg(drawn, file)
        return {
            "file": None if drawn is None else file.name,
            "image": sample.meta.id,
            "path": self.task.readers[self.split].entry(placed.sample).path,
            "task": self.task.name,
            "split": self.split,
            "type": mistake.type,
            "caption": mistake.caption,
            "severity": mistake.severity,
            "verdict": verdict,
            "explanation": None if explanation is None else explanation.to_json(),
        }

    def _explained(self, forward: Forward, mistake: Mistake, image: str) -> tuple[Explanation | None, str]:
        """Return the explanation of a mistake and its verdict; without one, why there is none."""
        places = [place for place, item in enumerate(forward.items) if item.number == mistake.number]
        if not places:
            return None, "no map: nothing of this class is predicted there, not even with a low score"
        try:
            explanation = self.explainer.explain(forward, places[0], image)
        except PolyheadError as error:  # the backbone computes vectors without positions, or has no such level
            return None, f"no map: {error}"
        return explanation, explanation.verdict

    def _panels(
        self, sample: Sample, prediction: Any, mistake: Mistake, explanation: Explanation | None, verdict: str
    ) -> Image.Image | None:
        """Draw annotation, prediction and explanation side by side; None where the input cannot be drawn."""
        image = self.task.modality.draw(sample.input)
        if image is None:
            return None
        kind, names, box = self.explainer.kind, self.task.names, mistake.box
        shown = [
            panel(image, kind.target_marks(sample.target, names), box),
            panel(image, kind.marks(kind.confident(prediction, self.conf), names), box),
        ]
        whole = view_of(image.size, box) == (0, 0, *image.size)
        lines = [f"image {sample.meta.id}{'' if whole else ' (a part of it)'}"]
        if explanation is None or explanation.heat is None:
            shown.append(text_panel(verdict))
        else:
            shown.append(panel(explanation.heat, explanation.marks, box))
            lines.insert(0, f"{explanation.item.caption}, {explanation.method}: {verdict}")
        titles = ["annotation", "prediction", "what the prediction depends on"]
        return side_by_side(shown, titles, f"{self.task.name}: {mistake.caption}", lines)
