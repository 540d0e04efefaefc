"""Several tasks as one: so that heads per data set, one merged head, and a model per data set can be compared."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from polyhead.errors import PolyheadError
from polyhead.types import Annotation, Detections


class Answers(NamedTuple):
    """What a detector said of the pictures of one task, and the truth that it was tested on."""

    task: str
    truths: Sequence[Annotation]
    predictions: dict[str, Detections]
    names: list[str]


def pool(parts: Sequence[Answers]) -> Answers:
    """One test of all pictures and classes of ``parts``; classes are the same where their names are.

    Where the parts are of several tasks, ids become ``task/id``, as a merged reader writes them. In each picture only
    the classes of its own task were looked for, so the score of a class comes from the pictures of the tasks that have
    it. A part of one task alone keeps its ids; several (the folds of a cross-validation) lie side by side.

    Raises:
        PolyheadError: when a picture is in two parts of the same task.
    """
    tasks = list(dict.fromkeys(part.task for part in parts))
    names = sorted({name for part in parts for name in part.names})
    truths: list[Annotation] = []
    predictions: dict[str, Detections] = {}
    seen: set[str] = set()
    for part in parts:
        columns = torch.tensor([names.index(name) for name in part.names])
        for truth in part.truths:
            ident = truth.id if len(tasks) == 1 else f"{part.task}/{truth.id}"
            if ident in seen:
                raise PolyheadError(
                    f"picture {ident!r} of task {part.task!r} was tested twice; give runs that were tested on "
                    "different tasks, or on different folds of one"
                )
            seen.add(ident)
            annotated = torch.zeros(len(names), dtype=torch.bool)
            annotated[columns] = truth.annotated
            truths.append(truth._replace(id=ident, labels=columns[truth.labels], annotated=annotated))
            if truth.id in part.predictions:
                found = part.predictions[truth.id]
                predictions[ident] = found._replace(labels=columns[found.labels])
    return Answers("+".join(tasks), truths, predictions, names)
