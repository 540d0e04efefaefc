"""Random choices that depend on a key only, never on the history of a generator.

A key consists of what identifies the choice: ``derive_seed(seed, task, cycle, index)`` for a sample,
``derive_seed(seed, step)`` for a training step. No generator is carried from one choice to the next. A run therefore
gives the same results with 0 or 8 workers, and after a kill and a resume in the middle of an epoch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

KeyPart = int | str


def derive_seed(*parts: KeyPart) -> int:
    """Return a non-negative 63-bit seed; it depends on ``parts`` only, on every machine and in every process."""
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=8).digest(), "little") >> 1


@contextmanager
def fork_rng(*parts: KeyPart) -> Iterator[None]:
    """Seed torch's CPU generator with ``derive_seed(*parts)`` inside the block and restore its state afterwards.

    ``torchvision.transforms.v2`` uses this generator only. Restoring the state matters with 0 workers, where the
    dropout of the training step shares the generator with the loader.
    """
    import torch  # pylint: disable=import-outside-toplevel  # importing torch takes seconds; seeds are needed without it

    generator = torch.default_generator
    state = generator.get_state()
    generator.manual_seed(derive_seed(*parts))
    try:
        yield
    finally:
        generator.set_state(state)
