"""Image sizes of multi-resolution training: the images of all tasks have one size at each step (no torch)."""

from collections.abc import Callable, Sequence

from polyhead.rng import derive_seed

LARGEST = 8192
"""The longest side of a canvas in pixels; one image of this size takes 800 MB as float32."""
SideAt = Callable[[int], int]
"""Returns the side of the square images at a step, counted from the beginning of the stage."""


def side_at(sizes: Sequence[int] | None, seed: int, stage: int) -> SideAt | None:
    """Return the function that draws the side of the images at each step, from the sides of a stage.

    The task is not part of the key: all tasks of a step have the same size, so the trunk runs once for all of them.

    Args:
        sizes: the sides to draw from, each with the same probability; None if all steps have the model's size.
        seed: seed of the run.
        stage: index of the stage.

    Returns:
        The function; None without sizes.

    Examples:
        >>> side = side_at([320, 416, 512], seed=0, stage=0)
        >>> [side(step) for step in range(6)]
        [320, 512, 512, 320, 320, 320]
    """
    return None if sizes is None else lambda step: sizes[derive_seed(seed, "size", stage, step) % len(sizes)]
