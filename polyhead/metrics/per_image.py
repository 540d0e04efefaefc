"""What was said of whole pictures and of pixels, as sums that can be drawn again; what boxes need more than."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from polyhead.errors import PolyheadError
from polyhead.metrics.masks import Pixels, Tally, tally
from polyhead.metrics.store import Kind, Said


class Pictures(NamedTuple):
    """One run's answers to one task of labels or masks.

    Attributes:
        task: its name.
        kind: ``"labels"`` or ``"pixels"``.
        names: class names.
        ids: of the pictures.
        tally: right, true and said pixels of each picture by class; a label counts as one pixel.
    """

    task: str
    kind: Kind
    names: list[str]
    ids: list[str]
    tally: Tally

    def take(self, ids: Sequence[str]) -> "Pictures":
        """The same pictures in the order of ``ids``."""
        place = {name: index for index, name in enumerate(self.ids)}
        order = [place[name] for name in ids]
        return Pictures(self.task, self.kind, self.names, list(ids), Tally(*(part[order] for part in self.tally)))


def together(parts: Sequence[Pictures]) -> Pictures:
    """Answers of one task to different pictures (the folds of a cross-validation), side by side.

    Raises:
        PolyheadError: when a picture is in two parts, or the parts have different classes.
    """
    first = parts[0]
    ids = [ident for part in parts for ident in part.ids]
    twice = [ident for ident, count in Counter(ids).items() if count > 1]
    if twice:
        raise PolyheadError(
            f"picture {twice[0]!r} of task {first.task!r} was tested twice; give runs that were tested on different "
            "folds of it"
        )
    for part in parts:
        if part.names != first.names:
            raise PolyheadError(f"folds of task {first.task!r} have different classes: {first.names} and {part.names}")
    return first._replace(
        ids=ids, tally=Tally(*(np.concatenate(each) for each in zip(*(p.tally for p in parts), strict=True)))
    )


def of_pixels(task: str, found: Mapping[str, Pixels], names: list[str]) -> Pictures:
    """A segmentation's counts."""
    return Pictures(task, "pixels", names, [*found], tally([*found.values()]))


def of_labels(task: str, said: Said, names: list[str]) -> Pictures:
    """A classifier's best classes."""
    one = np.eye(len(names))
    true, best = one[said.true], one[said.probabilities.argmax(axis=1)]
    return Pictures(task, "labels", names, said.ids, Tally(true * best, true, best))
