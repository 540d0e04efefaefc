"""From boxes and scores of every anchor to detections: top-k first, then suppression within each class."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchvision.ops import batched_nms

from polyhead.types import Detections, Size

Suppress = Callable[[Tensor, Tensor], list[Detections]]


def clip(boxes: Float[Tensor, "*b 4"], canvas: Size) -> Float[Tensor, "*b 4"]:
    """Boxes cut at the edges of the canvas."""
    height, width = canvas
    x, y = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
    return torch.stack([x, y], dim=-1).flatten(-2)


def top(
    boxes: Float[Tensor, "b n 4"], scores: Float[Tensor, "b n c"], count: int
) -> tuple[Float[Tensor, "b k 4"], Float[Tensor, "b k"], Int[Tensor, "b k"]]:
    """The best pairs of box and class of each picture, best first; pairs of boxes without area score 0."""
    empty = (boxes[..., 2:] <= boxes[..., :2]).any(dim=-1, keepdim=True)
    flat = scores.masked_fill(empty, 0.0).flatten(1)
    values, indices = flat.topk(min(count, flat.shape[1]), dim=1)
    classes = scores.shape[2]
    chosen = boxes.gather(1, (indices // classes)[..., None].expand(-1, -1, 4))
    return chosen, values, indices % classes


def per_class(
    boxes: Float[Tensor, "b n 4"],
    scores: Float[Tensor, "b n c"],
    *,
    threshold: float = 0.01,
    iou: float = 0.45,
    candidates: int = 1000,
    keep: int = 200,
) -> list[Detections]:
    """Greedy suppression within each class (SSD 2.3); boxes without area are left out.

    Args:
        boxes: xyxy.
        scores: of each class, without background.
        threshold: scores must be above it.
        iou: a box that overlaps a better one of its class by more is left out.
        candidates: the best so many pairs of box and class of a picture take part.
        keep: detections a picture at most.
    """
    found = []
    for box, score, label in zip(*top(boxes, scores, candidates), strict=True):
        count = int((score > threshold).sum())
        kept = batched_nms(box[:count], score[:count], label[:count], iou)[:keep]
        found.append(Detections(box[kept], score[kept], label[kept]))
    return found


def soft(
    boxes: Float[Tensor, "b n 4"],
    scores: Float[Tensor, "b n c"],
    *,
    threshold: float = 0.01,
    sigma: float = 0.5,
    candidates: int = 400,
    keep: int = 200,
) -> list[Detections]:
    """Soft-NMS (Bodla et al. 2017, eq. 3): overlapped boxes of one class lose score instead of being left out.

    Args:
        boxes: xyxy.
        scores: of each class, without background.
        threshold: scores must be above it, also after the loss.
        sigma: a box that a better one overlaps by ``u`` keeps ``exp(-u ** 2 / sigma)`` of its score.
        candidates: the best so many pairs of box and class of a picture take part.
        keep: detections a picture at most.
    """
    box, left, label = top(boxes, scores, candidates)
    decay = torch.exp(-(pairwise_iou(box) ** 2) / sigma)
    decay = torch.where(label[:, :, None] == label[:, None, :], decay, 1.0)
    rounds = []
    for _ in range(min(keep, left.shape[1])):
        value, best = left.max(dim=1, keepdim=True)
        rounds.append((value, best))
        row = decay.gather(1, best[..., None].expand(-1, -1, decay.shape[2]))[:, 0]
        left = (left * row).scatter(1, best, 0.0)
    values, order = (torch.cat(column, dim=1) for column in zip(*rounds, strict=True))
    counts = (values > threshold).sum(dim=1).tolist()
    return [
        Detections(box[i, order[i, :count]], values[i, :count], label[i, order[i, :count]])
        for i, count in enumerate(counts)
    ]


def pairwise_iou(boxes: Float[Tensor, "b k 4"]) -> Float[Tensor, "b k k"]:
    """IoU of all boxes of a picture with each other; 0 for boxes without area."""
    low = torch.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    high = torch.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    common = (high - low).clamp(min=0).prod(dim=-1)
    area = (boxes[..., 2:] - boxes[..., :2]).prod(dim=-1)
    return common / (area[:, :, None] + area[:, None, :] - common).clamp(min=1e-9)
