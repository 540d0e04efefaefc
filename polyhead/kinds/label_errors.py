"""Label errors of the kinds: what contradicts a label, with the names of the classes."""

from collections.abc import Iterator, Mapping, Sequence

from polyhead.contracts.label_errors import LabelError
from polyhead.metrics.box_label_errors import TYPES, contradictions
from polyhead.metrics.class_label_errors import contradicted
from polyhead.metrics.labels import gather_labels
from polyhead.types import Boxes, ClassLabel, Detections, Labels

WRONG_CLASS = "wrong class"


def box_label_errors(
    targets: Mapping[str, Boxes], predictions: Mapping[str, Detections], names: Sequence[str]
) -> list[LabelError]:
    """Return the boxes that are overlooked, badly located or of another class, the strongest contradiction first."""
    errors = (each for sample, target in targets.items() for each in _in_image(sample, target, predictions, names))
    return sorted(errors, key=lambda each: -each.score)


def _in_image(
    sample: str, target: Boxes, predictions: Mapping[str, Detections], names: Sequence[str]
) -> Iterator[LabelError]:
    """Yield the label errors of one image."""
    found = predictions[sample]
    for kind, score, number, index in zip(*(each.tolist() for each in contradictions(target, found)), strict=True):
        yield LabelError(
            sample,
            TYPES[kind],
            score,
            "" if index < 0 else names[int(target.labels[index])],
            names[int(found.labels[number])],
            float(found.scores[number]),
            None if index < 0 else target.boxes[index].clone(),  # a view would keep all boxes in memory
            found.boxes[number].clone(),
        )


def class_label_errors(
    targets: Mapping[str, ClassLabel], predictions: Mapping[str, Labels], names: Sequence[str]
) -> list[LabelError]:
    """Return the samples of another class, the least probable label first; the score is 1 - its probability."""
    if not targets:
        return []
    labels, probabilities = gather_labels(targets, predictions)
    samples = [*targets]
    return [
        LabelError(
            samples[index],
            WRONG_CLASS,
            1 - float(probabilities[index, labels[index]]),
            names[labels[index]],
            names[suggested],
            float(probabilities[index, suggested]),
        )
        for index, suggested in zip(*contradicted(labels, probabilities), strict=True)
    ]
