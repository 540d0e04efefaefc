"""The heads that any model can have, by short names."""

from collections.abc import Mapping
from functools import partial
from pkgutil import resolve_name

from polyhead.contracts.network import HeadFactory
from polyhead.errors import PolyheadError, suggest

HEADS = {
    "segment": "polyhead.nets.heads.segment.Segment",
    "classify": "polyhead.nets.heads.classify.Classify",
    "detect": "polyhead.models.unified.GridHead",
    "ssd": "polyhead.models.ssd.SsdHead",
    "efficientdet": "polyhead.models.efficientdet.EfficientDetHead",
    "yolov3": "polyhead.models.yolov3.Yolov3Head",
    "yolox": "polyhead.models.yolox.YoloxHead",
}
"""Import path of each short name."""

Heads = Mapping[str, str | HeadFactory]
"""The head of each task: a short name or a factory; in a recipe a name, or ``{class_path, init_args}``."""


def head_path(name: str, where: str) -> str:
    """Return the import path of a short name.

    Args:
        name: the short name.
        where: the setting, for the error message.

    Raises:
        PolyheadError: if there is no such name; the message suggests the nearest.
    """
    if name not in HEADS:
        raise PolyheadError(f"{where}: there is no head {name!r}{suggest(name, HEADS)}")
    return HEADS[name]


def head_for(kind: str) -> str | None:
    """Return the short name of a head for a kind of task; None if there is none."""
    return next((name for name, path in HEADS.items() if resolve_name(path).kind == kind), None)


def head_factories(heads: Heads | None, side: int, own: Mapping[str, HeadFactory]) -> dict[str, HeadFactory]:
    """Return the factory of the head of each task that is named.

    Args:
        heads: head of each task.
        side: side of the square images in pixels; the smallest anchors of ``detect`` have a tenth of it.
        own: heads with settings of the model's own, by short name.

    Raises:
        PolyheadError: if there is no head of a short name.
    """
    factories: dict[str, HeadFactory] = {}
    for task, head in (heads or {}).items():
        if not isinstance(head, str):
            factories[task] = head
        elif head in own:
            factories[task] = own[head]
        else:
            factory = resolve_name(head_path(head, f"model.heads.{task}"))
            factories[task] = partial(factory, smallest=0.1 * side) if head == "detect" else factory
    return factories
