"""What was said of whole pictures and of pixels, as sums that can be drawn again; what boxes need more than."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

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


def of_pixels(task: str, found: Mapping[str, Pixels], names: list[str]) -> Pictures:
    """A segmentation's counts."""
    return Pictures(task, "pixels", names, [*found], tally([*found.values()]))


def of_labels(task: str, said: Said, names: list[str]) -> Pictures:
    """A classifier's best classes."""
    one = np.eye(len(names))
    true, best = one[said.true], one[said.probabilities.argmax(axis=1)]
    return Pictures(task, "labels", names, said.ids, Tally(true * best, true, best))
