"""Sizes of prior boxes for a data set, by clustering the sizes of its boxes."""

import torch
from jaxtyping import Float
from torch import Tensor

STARTS = 5
ROUNDS = 100


def shape_iou(sizes: Float[Tensor, "n 2"], others: Float[Tensor, "k 2"]) -> Float[Tensor, "n k"]:
    """Return the IoU of boxes of these widths and heights, as if they had the same center."""
    shared = torch.minimum(sizes[:, None], others[None]).prod(dim=2)  # [n, k]
    union = sizes.prod(dim=1)[:, None] + others.prod(dim=1)[None] - shared
    return shared / union.clamp(min=1e-12)


def cluster_sizes(sizes: Float[Tensor, "n 2"], count: int, seed: int = 0) -> Float[Tensor, "k 2"]:
    """Return sizes that represent those of a data set, from the smallest to the largest area.

    They are the clusters of k-means with the distance ``1 - IoU`` (Redmon & Farhadi 2017, "YOLO9000", section 2) and
    medians in place of means, the best of several starts.

    Args:
        sizes: width and height of each box, in any unit.
        count: number of clusters. Where there are fewer different sizes, some are repeated, slightly larger.
        seed: seed of the starts.
    """
    sizes = sizes.double()
    distinct: Tensor = torch.unique(sizes, dim=0)
    if len(distinct) <= count:  # each is its own cluster
        growth = 1.25 ** torch.arange(count).div(len(distinct), rounding_mode="floor").double()
        chosen = distinct[torch.arange(count) % len(distinct)] * growth[:, None]
        return _by_area(chosen).float()
    generator = torch.Generator().manual_seed(seed)
    found = [_cluster(sizes, distinct, count, generator) for _ in range(STARTS)]
    return _by_area(max(found, key=lambda clusters: float(mean_iou(sizes, clusters)))).float()


def mean_iou(sizes: Float[Tensor, "n 2"], priors: Float[Tensor, "k 2"]) -> Float[Tensor, ""]:
    """Return the mean over all boxes of the IoU with their best prior."""
    return shape_iou(sizes, priors.to(sizes.dtype)).amax(dim=1).mean()


def _cluster(sizes: Tensor, distinct: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Run k-means once, from random boxes of different sizes."""
    clusters = distinct[torch.randperm(len(distinct), generator=generator)[:count]]
    nearest = None
    for _ in range(ROUNDS):
        assigned = shape_iou(sizes, clusters).argmax(dim=1)  # [n]
        if nearest is not None and torch.equal(assigned, nearest):
            break
        nearest = assigned
        members = [sizes[assigned == index] for index in range(count)]
        clusters = torch.stack(
            [each.median(dim=0).values if len(each) else clusters[index] for index, each in enumerate(members)]
        )
    return clusters


def _by_area(sizes: Tensor) -> Tensor:
    return sizes[sizes.prod(dim=1).argsort(stable=True)]
