"""Networks with shuffled weights: a map that stays the same does not explain the weights (Adebayo et al. 2018)."""

from copy import deepcopy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyhead.nets.model import Model
from polyhead.rng import derive_seed

VISIBLE = 0.05
"""Pixels below this value in both maps are left out: ranks of many near-zeros would look like agreement."""


def shuffled(model: Model, task: str, seed: int, *, head_only: bool = False) -> Model:
    """Return a copy of a model in which the values of each weight tensor are in random order.

    Args:
        model: the model.
        task: the head to shuffle.
        seed: seed of the order.
        head_only: whether to shuffle the weights of the head alone.
    """
    copy = deepcopy(model)
    part: nn.Module = copy.head(task) if head_only else copy
    generator = torch.Generator().manual_seed(derive_seed(seed, "shuffled", task))
    with torch.no_grad():
        for parameter in part.parameters():
            order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
            parameter.copy_(parameter.flatten()[order].reshape(parameter.shape))
    return copy


def rank_correlation(one: Float[Tensor, " *p"], other: Float[Tensor, " *p"]) -> float:
    """Return the rank correlation of two maps (values 0..1) over the places where either of them is visible.

    1 where the maps are equal, such as those that do not depend on the network; else 0 where there are fewer than three
    such places, or all values of a map are equal.
    """
    if torch.equal(one, other):
        return 1.0
    visible = (one > VISIBLE) | (other > VISIBLE)
    if int(visible.sum()) < 3:
        return 0.0
    first, second = _ranks(one[visible]), _ranks(other[visible])
    first, second = first - first.mean(), second - second.mean()
    scale = first.norm() * second.norm()
    return float(first @ second / scale) if scale > 0 else 0.0


def _ranks(values: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Return the rank of each value; equal values have their mean rank."""
    inverse: Tensor
    counts: Tensor
    _, inverse, counts = torch.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum(0).double()  # [distinct]
    ranks: Tensor = (ends - (counts.double() - 1) / 2)[inverse]
    return ranks
