"""Non-maximum suppression: from the boxes and scores of all anchors to detections.

In shapes, ``b`` is the number of images, ``n`` that of anchors, ``c`` that of classes and ``k`` that of candidates (box
and class pairs) that take part in the suppression.
"""

import inspect
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchvision.ops import batched_nms

from polyhead.boxes.overlap import pairwise_iou
from polyhead.errors import SettingError
from polyhead.types import Detections, Size

NMS = Callable[[Tensor, Tensor], list[Detections]]

MAX_DETECTIONS = 200
"""Detections of an image that are kept by default."""


def up_to(count: int, nms: NMS) -> NMS:
    """Return a suppression with another maximum number of detections per image, and with more candidates for more.

    Args:
        count: the number.
        nms: a suppression with the argument ``max_detections``.

    Raises:
        SettingError: if the number is not positive.
    """
    if count < 1:
        raise SettingError(f"max_detections must be 1 or more, got {count}")
    limited: Callable[..., list[Detections]] = nms
    return partial(limited, max_detections=count)


def overlap_of(nms: NMS) -> float | None:
    """Return the IoU above which a box is dropped, the ``iou_threshold`` of a suppression; None if it has none."""
    setting = inspect.signature(nms).parameters.get("iou_threshold")
    return None if setting is None else float(setting.default)


def with_overlap(overlap: float, nms: NMS) -> NMS:
    """Return a suppression with another ``iou_threshold``; one that has none is returned as it is.

    Raises:
        SettingError: if the threshold is not in 0..1.
    """
    if not 0 <= overlap <= 1:
        raise SettingError(f"the IoU of suppression must be between 0 and 1, got {overlap:g}")
    adjusted: Callable[..., list[Detections]] = nms
    return nms if overlap_of(nms) is None else partial(adjusted, iou_threshold=overlap)


def clip(boxes: Float[Tensor, "*b 4"], canvas: Size) -> Float[Tensor, "*b 4"]:
    """Clip boxes to the canvas."""
    height, width = canvas
    x, y = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)  # x1, x2 and y1, y2: each [*b, 2]
    return torch.stack([x, y], dim=-1).flatten(-2)  # [*b, 2, 2] -> [*b, 4], in the order x1, y1, x2, y2


def topk_candidates(
    boxes: Float[Tensor, "b n 4"], scores: Float[Tensor, "b n c"], count: int
) -> tuple[Float[Tensor, "b k 4"], Float[Tensor, "b k"], Int[Tensor, "b k"], Int[Tensor, "b k"]]:
    """Select the ``count`` best pairs of box and class of each image.

    Returns:
        Boxes, scores, classes and anchors (indices of the boxes) of the pairs, sorted by decreasing score. Boxes
        without area have a score of 0.
    """
    empty = (boxes[..., 2:] <= boxes[..., :2]).any(dim=-1, keepdim=True)  # [b, n, 1]
    flat = scores.masked_fill(empty, 0.0).flatten(1)  # [b, n * c]
    values, indices = flat.topk(min(count, flat.shape[1]), dim=1)  # [b, k]
    classes = scores.shape[2]
    anchors = indices // classes  # an index into the flat axis is anchor * classes + class
    chosen = boxes.gather(1, anchors[..., None].expand(-1, -1, 4))  # [b, k, 4]
    return chosen, values, indices % classes, anchors


def class_nms(
    boxes: Float[Tensor, "b n 4"],
    scores: Float[Tensor, "b n c"],
    *,
    score_threshold: float = 0.01,
    iou_threshold: float = 0.45,
    pre_nms_topk: int | None = None,
    max_detections: int = MAX_DETECTIONS,
) -> list[Detections]:
    """Apply greedy NMS within each class (SSD, section 2.3); boxes without area are dropped.

    Args:
        boxes: xyxy in pixels.
        scores: class scores, without background.
        score_threshold: candidates must score above it.
        iou_threshold: a box is dropped if its IoU with a better box of its class exceeds this.
        pre_nms_topk: number of candidates (box and class pairs) per image before the suppression; by default five for
            each detection.
        max_detections: maximum number of detections per image.

    Returns:
        Detections of each image, best first.
    """
    count = 5 * max_detections if pre_nms_topk is None else pre_nms_topk
    found = []
    for candidates in map(Detections, *topk_candidates(boxes, scores, count)):  # those of each image
        box, score, label, _ = candidates  # [k, 4], [k], [k]
        count = int((score > score_threshold).sum())  # scores are sorted: the first `count` are above the threshold
        selected = batched_nms(box[:count], score[:count], label[:count], iou_threshold)[:max_detections]
        found.append(candidates.take(selected))
    return found


def soft_nms(
    boxes: Float[Tensor, "b n 4"],
    scores: Float[Tensor, "b n c"],
    *,
    score_threshold: float = 0.01,
    sigma: float = 0.5,
    pre_nms_topk: int | None = None,
    max_detections: int = MAX_DETECTIONS,
) -> list[Detections]:
    """Apply Gaussian soft-NMS (Bodla et al. 2017, eq. 3): overlapping boxes of one class lose score.

    Args:
        boxes: xyxy in pixels.
        scores: class scores, without background.
        score_threshold: detections must score above it after their scores were decayed.
        sigma: a box that has an IoU of ``u`` with a better box has its score multiplied by ``exp(-u ** 2 / sigma)``.
        pre_nms_topk: number of candidates (box and class pairs) per image before the suppression; by default two for
            each detection.
        max_detections: maximum number of detections per image.

    Returns:
        Detections of each image, best first.
    """
    candidates = 2 * max_detections if pre_nms_topk is None else pre_nms_topk
    box, left, label, anchor = topk_candidates(boxes, scores, candidates)  # [b, k, 4], [b, k], [b, k], [b, k]
    decay = torch.exp(-(pairwise_iou(box, box) ** 2) / sigma)  # [b, k, k]
    decay = torch.where(label[:, :, None] == label[:, None, :], decay, 1.0)  # boxes of other classes do not decay
    rounds = []
    # Each round takes the best remaining candidate of every image at once; a score of 0 marks it as taken.
    for _ in range(min(max_detections, left.shape[1])):
        value, best = left.max(dim=1, keepdim=True)  # [b, 1]
        rounds.append((value, best))
        row = decay.gather(1, best[..., None].expand(-1, -1, decay.shape[2]))[:, 0]  # decay by the best box, [b, k]
        left = (left * row).scatter(1, best, 0.0)
    values, order = (torch.cat(column, dim=1) for column in zip(*rounds, strict=True))  # [b, rounds]
    counts = (values > score_threshold).sum(dim=1).tolist()
    found = []
    for i, count in enumerate(counts):
        taken = order[i, :count]  # candidates, best first
        found.append(Detections(box[i, taken], values[i, :count], label[i, taken], anchor[i, taken]))
    return found
