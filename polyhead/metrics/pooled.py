"""Several detection tasks scored as one, to compare a head per data set, a merged head, and a model per data set."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from polyhead.errors import PolyheadError
from polyhead.types import Annotation, Detections


class BoxPredictions(NamedTuple):
    """The detections of one run for one task, and the targets that it was tested on."""

    task: str
    targets: Sequence[Annotation]
    predictions: dict[str, Detections]
    names: list[str]


def pool(parts: Sequence[BoxPredictions]) -> BoxPredictions:
    """Merge predictions into one test of all images and classes; classes with the same name are the same class.

    Where the parts are of several tasks, image ids become ``task/id``, as in a merged reader. In each image only the
    classes of its own task are annotated, so the score of a class comes from the images of the tasks that have it.
    Parts of one task keep their ids; several of them (the folds of a cross-validation) are concatenated.

    Raises:
        PolyheadError: when an image is in two parts of the same task.
    """
    tasks = list(dict.fromkeys(part.task for part in parts))
    names = sorted({name for part in parts for name in part.names})
    targets: list[Annotation] = []
    predictions: dict[str, Detections] = {}
    seen: set[str] = set()
    for part in parts:
        class_map = torch.tensor([names.index(name) for name in part.names])  # class index in the part -> pooled index
        for target in part.targets:
            image_id = target.id if len(tasks) == 1 else f"{part.task}/{target.id}"
            if image_id in seen:
                raise PolyheadError(
                    f"image {image_id!r} of task {part.task!r} was tested twice. Give runs that were tested on "
                    "different tasks, or on different folds of one task."
                )
            seen.add(image_id)
            annotated = torch.zeros(len(names), dtype=torch.bool)
            annotated[class_map] = target.annotated
            targets.append(target._replace(id=image_id, labels=class_map[target.labels], annotated=annotated))
            if target.id in part.predictions:
                found = part.predictions[target.id]
                predictions[image_id] = found._replace(labels=class_map[found.labels])
    return BoxPredictions("+".join(tasks), targets, predictions, names)
