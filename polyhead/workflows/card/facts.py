"""What a data card says of the classes and splits of any data set."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from polyhead.contracts.card import CardFacts
from polyhead.errors import counted, few
from polyhead.workflows.card.subject import Subject

RARE = 10
"""Classes with fewer objects, or images, are named as rare."""
LISTED = 15
"""Classes that a sentence names."""
SHIFT = 0.05
"""From this difference on, a sentence says that a class is more frequent in one split than in another."""
PEOPLE = {
    "person", "people", "pedestrian", "face", "man", "woman", "men", "women", "child", "children", "boy", "girl",
    "human", "rider", "cyclist", "player", "worker", "patient", "head", "hand", "license plate", "number plate",
}  # fmt: skip
"""Classes that show people, or what identifies them."""


class ClassCounts(NamedTuple):
    """How often each class occurs.

    Attributes:
        samples: of each split, the samples that show each class, in the order of the class names.
        amounts: of each split, what the kind counts (objects, pixels) of each class; empty for a kind without classes.
        empty: of each split, the samples that show nothing.
    """

    samples: Mapping[str, Sequence[int]]
    amounts: Mapping[str, Sequence[int]]
    empty: Mapping[str, int]

    def total(self, of: Mapping[str, Sequence[int]]) -> list[int]:
        """Return the sum over all splits."""
        return [sum(column) for column in zip(*of.values(), strict=True)]


def class_counts(subject: Subject) -> ClassCounts:
    """Count the classes of each split; none for a kind without classes."""
    samples, amounts, empty = {}, {}, {}
    for split, targets in subject.targets.items():
        shown = Counter(label for classes in subject.kind.shown(targets) for label in {label for _, label in classes})
        counts = subject.kind.info(targets, []).counts
        if counts:
            samples[split] = [shown[label] for label in range(len(targets.names))]
            amounts[split] = [counts[name] for name in targets.names]
        empty[split] = len(targets) - sum(subject.kind.has_content(targets))
    return ClassCounts(samples, amounts, empty)


def class_facts(subject: Subject, counts: ClassCounts) -> CardFacts:
    """Return sentences on frequent and rare classes, on splits and on people."""
    total, empty = len(subject), sum(counts.empty.values())
    limits = [f"{empty} of {total:,} samples ({empty / total:.1%}) show no object"] if empty else []
    limits += _splits(subject, counts)
    if not counts.amounts:
        return CardFacts(limitations=limits)
    names, amounts, samples = subject.classes, counts.total(counts.amounts), counts.total(counts.samples)
    unit, ranked = subject.kind.counted, samples if subject.kind.background else amounts
    absent = [name for name, count in zip(names, ranked, strict=True) if not count]
    rare = sorted(
        (count, label) for label, count in enumerate(ranked) if 0 < count < RARE and not _is_background(subject, label)
    )
    if absent:
        limits.append(f"{len(absent)} of {counted(len(names), 'class', 'classes')} do not occur: {few(absent, LISTED)}")
    if rare:
        shown = few([f"{names[label]} ({count})" for count, label in rare], LISTED)
        what = "images" if subject.kind.background else unit
        limits.append(f"{counted(len(rare), 'class has', 'classes have')} fewer than {RARE} {what}: {shown}")
    biases = _frequent(names, amounts, unit, int(subject.kind.background)) + _shift(subject, counts)
    people = [name for name in names if name.lower() in PEOPLE or PEOPLE & {*name.lower().replace("_", " ").split()}]
    shown_people = [f"{name} in {samples[names.index(name)]:,} samples" for name in people]
    privacy = (
        f"the data shows people or what identifies them ({few(shown_people, LISTED)}), which is personal data where "
        "they can be recognized"
    )
    return CardFacts([], biases, limits, [privacy] if people else [])


def _is_background(subject: Subject, label: int) -> bool:
    return subject.kind.background and label == 0


def _frequent(names: Sequence[str], amounts: Sequence[int], unit: str, first: int) -> list[str]:
    """Return how much of the data the most frequent class has, without the background."""
    of = {label: count for label, count in enumerate(amounts) if label >= first}
    total, most = sum(of.values()), max(of, key=lambda label: of[label], default=first)
    present = [count for count in of.values() if count]
    if len(of) < 2 or not present:
        return []
    if min(present) == max(present) == total / len(of):
        return [f"all {len(of)} classes have the same number of {unit}, which is seldom so in use"]
    what = f"{names[most]} has {of[most] / total:.0%} of the {unit}" + (" that are not background" if first else "")
    times = of[most] / median(present)
    rarest = of[most] / min(present)
    return [f"{what}, {times:.1f} times as many as the median class and {rarest:,.1f} times as many as the rarest one"]


def _shift(subject: Subject, counts: ClassCounts) -> list[str]:
    """Return the class whose share of the samples differs most between train and another split."""
    sizes = {split: len(targets) for split, targets in subject.targets.items()}
    differences = [
        (abs(shown / sizes[split] - train / sizes["train"]), split, label, train / sizes["train"], shown / sizes[split])
        for split in counts.samples
        for label, (train, shown) in enumerate(zip(counts.samples["train"], counts.samples[split], strict=True))
    ]
    largest, split, label, train, other = max(differences)
    if largest < SHIFT:
        return []
    return [f"{subject.classes[label]} is shown by {train:.0%} of the train samples, but {other:.0%} of {split}"]


def _splits(subject: Subject, counts: ClassCounts) -> list[str]:
    """Return which splits lack classes or are small."""
    lines = []
    for split, targets in subject.targets.items():
        shown = counts.samples.get(split, [])
        lost = [name for name, count, total in zip(subject.classes, shown, counts.total(counts.samples), strict=False)
                if total and not count]  # fmt: skip
        if lost:
            lines.append(f"{split} shows nothing of {counted(len(lost), 'class', 'classes')}: {few(lost, LISTED)}")
        if split != "train" and len(targets) < 100:
            lines.append(f"{split} has only {len(targets)} samples, so scores on it have wide intervals")
    return lines
