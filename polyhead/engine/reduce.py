"""From sums and counts to means that are the same for any number of processes.

A step's samples may be divided among several processes, whose gradients are averaged
(:class:`torch.nn.parallel.DistributedDataParallel`). A loss that each of them divides by its own count would weigh the
objects of an image by how many others the process has. Therefore the counts are added up first, and each process
divides its sum by ``total / processes``: the average of the gradients is then that of all samples together. A total
below 1 counts as 1 (a count of each process is not bounded, or a process without objects would add one).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, distributed

from polyhead.types import LossTerm, SumCount

Totals = dict[str, list[float]]
"""The sum and the count of each statistic so far: plain types, which the resume state holds."""


def loss_values(terms: Mapping[str, Mapping[str, LossTerm]]) -> dict[str, dict[str, Tensor]]:
    """Compute the values of losses, ``weight * (sum / count)``; with several processes, of all their samples together.

    Processes exchange their counts in one call, so all of them must call this with the same tasks and names. The mean
    of their values is then the loss of all samples. In a single process the values are exactly
    :attr:`polyhead.types.LossTerm.value`.

    Args:
        terms: ``{task: {name: term}}``.

    Returns:
        Float32 scalars, ``{task: {name: value}}``.
    """
    flat = [term for named in terms.values() for term in named.values()]
    processes = distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1
    if processes == 1 or not flat:
        return {task: {name: term.value for name, term in named.items()} for task, named in terms.items()}
    device = flat[0].sum.device
    counts = torch.stack([torch.as_tensor(term.count, dtype=torch.float64, device=device) for term in flat])
    distributed.all_reduce(counts)  # their sum over the processes
    divisors = iter((counts.clamp(min=1) / processes).float())
    return {
        task: {name: term.weight * (term.sum / next(divisors)) for name, term in named.items()}
        for task, named in terms.items()
    }


def add_stats(totals: Totals, task: str, stats: Mapping[str, SumCount]) -> None:
    """Add the statistics of a task's batch to the totals, under the names ``TASK/NAME``."""
    for name, (total, count) in stats.items():
        entry = totals.setdefault(f"{task}/{name}", [0.0, 0.0])
        entry[0] += float(total)
        entry[1] += float(count)


def mean_stats(totals: Totals) -> dict[str, float]:
    """Return the mean of each statistic; those without any value are left out."""
    return {name: total / count for name, (total, count) in totals.items() if count}
