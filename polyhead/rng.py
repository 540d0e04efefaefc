"""Chance without history: every random choice is a function of a key.

A key is made from what names the choice: ``key(seed, task, cycle, index)`` for a sample, ``key(seed, step)`` for a
training step. No generator is carried from one choice to the next, so the same run comes out with 0 or 8 workers, and
after a kill and a resume in the middle of an epoch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

Part = int | str


def key(*parts: Part) -> int:
    """A non-negative 63-bit number that is a function of ``parts`` alone, on every machine and in every process."""
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=8).digest(), "little") >> 1


@contextmanager
def seeded(*parts: Part) -> Iterator[None]:
    """Let torch's CPU generator start from ``key(*parts)`` inside the block, and go on afterwards as if nothing was.

    ``torchvision.transforms.v2`` draws from this generator alone. Restoring it matters with 0 workers, where the
    step's dropout shares the generator with the loader.
    """
    import torch  # pylint: disable=import-outside-toplevel  # torch costs seconds; keys are needed without it

    generator = torch.default_generator
    state = generator.get_state()
    generator.manual_seed(key(*parts))
    try:
        yield
    finally:
        generator.set_state(state)
