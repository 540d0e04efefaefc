"""Tested detections of one run for one task; several tasks can be pooled to one.

Pooling compares a head per data set, a merged head, and a model per data set.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import torch

from polyhead.contracts.kind import Kind, Tested
from polyhead.contracts.score import Bootstrap, Counts
from polyhead.errors import PolyheadError
from polyhead.metrics.coco import FREQUENT
from polyhead.metrics.intervals import bootstrap_scores
from polyhead.metrics.matching import match
from polyhead.types import Boxes, Detections


class TestedBoxes(Tested):
    """The detections of one run for one task, and the targets that it was tested on.

    Args:
        kind: the kind of the task.
        task: task name.
        targets: the objects of each image, by image id.
        predictions: detections by image id.
        names: class names.
    """

    __test__ = False  # not a test case of pytest

    def __init__(
        self,
        kind: Kind,
        task: str,
        targets: Mapping[str, Boxes],
        predictions: Mapping[str, Detections],
        names: Sequence[str],
    ) -> None:
        self.kind, self.task, self.names, self.ids = kind, task, list(names), list(targets)
        self.targets, self.predictions = targets, predictions

    def counts(self) -> Counts:
        """Return the number of images and objects, and of classes with objects and with few objects."""
        objects = match(self.targets, self.predictions, self.names).objects  # [n, c]
        counts = objects.sum(axis=0)  # [c]
        rare = int(((counts > 0) & (counts < FREQUENT)).sum())
        return Counts(len(objects), int(counts.sum()), int((counts > 0).sum()), rare)

    def bootstrap(self, reference: Tested) -> Bootstrap:
        """Match the detections with the reference's targets, which are equal to those of this test."""
        assert isinstance(reference, TestedBoxes)
        return partial(bootstrap_scores, [match(reference.targets, self.predictions, reference.names)])

    def join(self, others: Sequence[Tested]) -> "TestedBoxes":
        """Merge tests into one of all images and classes; classes with the same name are the same class.

        Where they are of several tasks, image ids become ``task/id``, as in a merged reader. In each image only the
        classes of its own task are annotated, so the score of a class comes from the images of the tasks that have it.
        Tests of one task keep their ids; several of them (the folds of a cross-validation) are concatenated.

        Raises:
            PolyheadError: when an image is in two tests of the same task.
        """
        parts = [self, *(other for other in others if isinstance(other, TestedBoxes))]
        tasks = list(dict.fromkeys(part.task for part in parts))
        names = sorted({name for part in parts for name in part.names})
        targets: dict[str, Boxes] = {}
        predictions: dict[str, Detections] = {}
        for part in parts:
            # class index in the part -> pooled index
            class_map = torch.tensor([names.index(name) for name in part.names])
            for part_id, target in part.targets.items():
                image_id = part_id if len(tasks) == 1 else f"{part.task}/{part_id}"
                if image_id in targets:
                    raise PolyheadError(
                        f"image {image_id!r} of task {part.task!r} was tested twice. Give runs that were tested on "
                        "different tasks, or on different folds of one task."
                    )
                annotated = torch.zeros(len(names), dtype=torch.bool)
                annotated[class_map] = target.annotated
                targets[image_id] = target._replace(labels=class_map[target.labels], annotated=annotated)
                if part_id in part.predictions:
                    found = part.predictions[part_id]
                    predictions[image_id] = found._replace(labels=class_map[found.labels])
        return TestedBoxes(self.kind, "+".join(tasks), targets, predictions, names)

    def differences(self, other: Tested) -> list[str]:
        """Return the ids of the images whose objects differ from those in ``other``."""
        assert isinstance(other, TestedBoxes)
        return [each for each in self.ids if not _equal(self.targets[each], other.targets[each])]


def _equal(one: Boxes, other: Boxes) -> bool:
    """Return whether two images have the same size and objects."""
    same = one.size == other.size and one.boxes.shape == other.boxes.shape
    columns = ("boxes", "labels", "ignore", "areas")
    return same and all(bool((getattr(one, name) == getattr(other, name)).all()) for name in columns)
