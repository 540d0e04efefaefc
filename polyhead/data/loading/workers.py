"""Loader processes: how many there is room for, how they are stopped, and how their errors reach training."""

import multiprocessing
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from polyhead.errors import PolyheadError
from polyhead.types import Batch, Sample

SHARED_MEMORY = Path("/dev/shm")
"""Where Linux keeps the shared memory in which batches come from loader processes."""
SHARED_MEMORY_FRACTION = 0.8
"""Fraction of the free shared memory that batches may take."""
PAGE = 4096
"""Bytes that a tensor takes at least in shared memory."""
FILES_PER_WORKER = 5
"""Open files that training needs for each loader process."""
FILES_RESERVED = 64
"""Open files that training needs for everything else."""
AHEAD = 2
"""Batches that each loader process prepares ahead; and batches that training holds besides."""
MORE_MEMORY = "In a container, allow more with 'docker run --shm-size=2g', or set workers=0."
STOPS = {getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)}
"""Signals that stop a training; Windows does not have all of them."""


class Room(NamedTuple):
    """What loader processes can use.

    Attributes:
        memory: free bytes of shared memory; None without a limit.
        files: files that may still be opened; None without a limit.
        problem: why there cannot be any; empty if there can.
    """

    memory: int | None
    files: int | None
    problem: str = ""


def room() -> Room:
    """Return what is free in this process now."""
    try:
        multiprocessing.Lock()  # in shared memory too
    except (OSError, ImportError) as error:
        return Room(0, 0, f"this system does not let processes share memory ({error})")
    memory = None
    with suppress(OSError, AttributeError):  # Windows has no statvfs, macOS no such folder
        status = os.statvfs(SHARED_MEMORY)
        memory = status.f_bavail * status.f_frsize
    return Room(memory, _files())


def _files() -> int | None:
    """Return how many files this process may still open; None without a limit, and on Windows."""
    try:
        import resource
    except ImportError:
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = Path("/proc/self/fd")
    used = len(list(opened.iterdir())) if opened.is_dir() else 0
    return None if limit == resource.RLIM_INFINITY else limit - used


class Workers(NamedTuple):
    """Loader processes of a task.

    Attributes:
        train: their number in training.
        val: their number in validation.
        note: why they are fewer than asked for; empty if they are not.
    """

    train: int
    val: int
    note: str = ""


def affordable(asked: int, tasks: int, free: Room, batch: int, val_batch: int) -> Workers:
    """Return how many loader processes a task can have.

    Training must never wait for a process that could not open a file or find room for a batch: torch loses such a
    batch, and would wait forever.

    Args:
        asked: the number of processes that it should have.
        tasks: number of tasks that are trained together.
        free: what all their processes can use.
        batch: bytes of a training batch in shared memory.
        val_batch: bytes of a validation batch.
    """
    count, why = asked, free.problem
    if free.files is not None:
        each = 2 * FILES_PER_WORKER * tasks  # each task has processes for training and for validation
        count = min(asked, max(0, free.files - FILES_RESERVED) // each)
        why = why or f"only {free.files} more files may be opened ('ulimit -n' shows the limit)"
    train = val = count
    if count and free.memory is not None:
        usable = SHARED_MEMORY_FRACTION * free.memory
        # All tasks load training batches at once, but validation takes one task after another.
        train, val = (min(count, max(0, int(usable / size) - AHEAD) // AHEAD) for size in (tasks * batch, val_batch))
        if min(train, val) < count:
            why = f"{SHARED_MEMORY} has {free.memory / 2**20:.0f} MiB free. {MORE_MEMORY}"
    if min(train, val) == asked:
        return Workers(train, val)
    counts = f"{train} for training and {val} for validation"
    return Workers(train, val, f"loader processes: {counts} instead of {asked}, because {why}")


def default_workers(tasks: int) -> int:
    """Return the number of loader processes of each of several tasks that share the processor's cores."""
    return min(8, max(1, (os.cpu_count() or 1) // tasks))


def shared_bytes(value: Any) -> int:
    """Return how many bytes of shared memory the tensors in nested tuples, lists and dictionaries take."""
    return sum(PAGE * -(-tensor.nbytes // PAGE) for tensor in _tensors(value))


def _tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _tensors(each)


class Samples(Dataset[Sample], ABC):
    """A data set that returns the error of a sample in place of the samples of a batch; :class:`Loader` raises it.

    Torch would raise an error of another class, whose message is a traceback.
    """

    @abstractmethod
    def __getitem__(self, index: Any) -> Sample: ...

    def __getitems__(self, indices: list[Any]) -> list[Sample] | PolyheadError:
        try:
            return [self[index] for index in indices]
        except PolyheadError as error:
            return error


class Sent:
    """Makes batches, and in a loader process moves them into shared memory; returns an error instead of raising it.

    Torch would move them later, in a thread whose errors nobody sees.
    """

    def __init__(self, collate: Callable[[list[Sample]], Batch]) -> None:
        self.collate = collate

    def __call__(self, samples: list[Sample] | PolyheadError) -> Batch | PolyheadError:
        """Return the batch of some samples, or the error of one of them."""
        if isinstance(samples, PolyheadError):
            return samples
        try:
            batch = self.collate(samples)
        except PolyheadError as error:
            return error
        if get_worker_info() is not None:
            try:
                for tensor in _tensors(batch):
                    if tensor.untyped_storage().nbytes():
                        tensor.share_memory_()  # type: ignore[no-untyped-call]  # torch has no types here
            except RuntimeError as error:
                return PolyheadError(f"a batch could not be put into shared memory: {error}. {MORE_MEMORY}")
        return batch


class Loader(DataLoader[Sample]):
    """A loader that raises the errors of its samples, and whose processes end in silence when they are stopped.

    Args:
        data: the data set.
        collate_fn: makes a batch of samples.
        settings: see :class:`torch.utils.data.DataLoader`.
    """

    def __init__(self, data: Samples, collate_fn: Callable[[list[Sample]], Batch], **settings: Any) -> None:
        # Without its own generator, a loader draws a number from the global one each time it is iterated.
        generator = torch.Generator()
        super().__init__(
            data, collate_fn=Sent(collate_fn), worker_init_fn=begin_worker, generator=generator, **settings
        )

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]  # DataLoader promises its private iterator class
        with held_signals():
            batches = super().__iter__()
        for batch in batches:
            if isinstance(batch, PolyheadError):
                raise batch
            yield batch


@contextmanager
def held_signals() -> Iterator[None]:
    """Hold the signals that stop a training while processes are started, until they know what to do with them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_worker(_: int) -> None:
    """Prepare a loader process: one OpenCV thread, stop like on Ctrl-C, and exit if training is already gone.

    PyTorch's workers exit when their parent process is no longer the one that they started with. If training is killed
    between the fork and that first look, the worker takes the init process for its parent and would wait forever.
    """
    import cv2

    cv2.setNumThreads(0)  # else every worker starts one thread per core
    for number in STOPS:  # on Ctrl-C, torch's workers end without an error, which would hide why training stopped
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    training = multiprocessing.parent_process()
    served = multiprocessing.get_start_method() == "forkserver"  # the parent is then the server, which watches training
    if training is not None and not served and os.getppid() != training.pid:
        os._exit(1)
