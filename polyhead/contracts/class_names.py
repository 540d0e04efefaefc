"""Find out which classes of two lists of names are the same."""

import re
from collections.abc import Sequence

SPELLINGS = {
    "aeroplane": "airplane",
    "diningtable": "dining table",
    "motorbike": "motorcycle",
    "pottedplant": "potted plant",
    "sofa": "couch",
    "television": "tv",
    "tvmonitor": "tv",
}
"""Names of classes in PASCAL VOC, and what COCO calls the same ones."""


def same_classes(names: Sequence[str], others: Sequence[str]) -> list[int]:
    """Return the index of each class among others, -1 where none has the same name.

    Letter case, spaces, hyphens and underscores do not matter, and VOC's names are those of COCO (:data:`SPELLINGS`).
    Of several others with the same name, the first is meant.

    Examples:
        >>> same_classes(["Traffic_light", "sofa", "fork lift"], ["couch", "traffic light"])
        [1, 0, -1]
    """
    known = {_plain(name): index for index, name in reversed([*enumerate(others)])}
    return [known.get(_plain(name), -1) for name in names]


def _plain(name: str) -> str:
    """Return a name without what does not matter."""
    plain = re.sub(r"[\s_-]+", " ", name).strip().casefold()
    return SPELLINGS.get(plain, plain)
