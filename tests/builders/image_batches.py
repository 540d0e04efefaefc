"""Batches of random images, with and without target boxes."""

import torch

from polyhead.types import Batch, BoxBatch, Meta


def images(count: int, size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)


def target(size: int) -> Batch:
    """Return a batch of two images: one with two objects, one with a single object."""
    boxes = torch.tensor([[[0.1, 0.1, 0.4, 0.6], [0.5, 0.5, 0.9, 0.8]], [[0.2, 0.3, 0.9, 0.9], [0, 0, 0, 0]]])
    labels = torch.tensor([[0, 1], [1, -1]])
    none = torch.zeros(2, 2, dtype=torch.bool)
    return Batch(images(2, size), BoxBatch(size * boxes, labels, none, ~none), [Meta("a"), Meta("b")])
