"""Read any ``torch.utils.data.Dataset`` whose items are pairs of an input and a target."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor

from polyhead.contracts.kind import Kind
from polyhead.contracts.modality import Modality
from polyhead.contracts.reader import Reader
from polyhead.errors import InvalidFileError, Problem, SampleError
from polyhead.types import Entry, Meta, Sample

IN_MEMORY = 2**28
"""Bytes of targets that a reader keeps in memory; others are read again when they are needed."""


class DatasetReader(Reader):
    """A reader of a map-style data set, which it reads once to check every sample.

    Args:
        dataset: has ``len()``, and ``dataset[i]`` is an input (:meth:`Modality.as_raw`) and its target
            (:meth:`Kind.as_target`), the same at every call: random transforms belong to a modality.
        names: class names, or names of the numbers to predict.
        kind: the kind of the targets.
        modality: the modality of the inputs; it need not be fitted.
        prefix: beginning of the ids.

    Attributes:
        form: what the inputs have in common (:meth:`Modality.form`).
    """

    def __init__(self, dataset: Any, names: Sequence[str], kind: Kind, modality: Modality, prefix: str = "") -> None:
        self.dataset, self.own_kind, self.own_modality, self.prefix = dataset, kind, modality, prefix
        self.names, self.categories = list(names), [*names]
        self.kind, self.modality, self.background = kind.name, modality.name, kind.background
        self.problems, self.skipped = [], []
        self.form: str | None = None
        self._bytes = [0] * len(self)
        self._digests = [""] * len(self)
        self._targets: dict[int, Any] = {}
        left = IN_MEMORY
        for index in range(len(self)):
            try:
                sample = self._read(index)
                self._check_form(sample.input)
            except SampleError as error:
                self.problems.append(Problem(self._id(index), error.what, error.remedy))
                continue
            except InvalidFileError as error:
                where, what, remedy = error.problem
                self.problems.append(Problem(f"{self._id(index)}: {where}", what, remedy))
                continue
            columns = [*sample.target]
            self._digests[index] = _digest(columns)
            self._bytes[index] = int(sample.input.nbytes) if isinstance(sample.input, Tensor) else 0
            left -= sum(column.nbytes for column in columns if isinstance(column, Tensor))
            if left >= 0:
                self._targets[index] = sample.target

    def __len__(self) -> int:
        return len(self.dataset)

    def entry(self, index: int) -> Entry:
        """Return the id of one sample, and the size of its input if that is a tensor."""
        index = range(len(self))[index]
        return Entry(self._id(index), bytes=self._bytes[index])

    def raw(self, index: int) -> Any:
        """Return the input of one sample."""
        return self.own_modality.as_raw(self.dataset[range(len(self))[index]][0])

    def target(self, index: int) -> Any:
        """Return the target of one sample."""
        index = range(len(self))[index]
        return self._targets[index] if index in self._targets else self._read(index).target

    def content(self, index: int) -> str:
        """Return a digest of the target."""
        return self._digests[index]

    def __getitem__(self, index: int) -> Sample:
        """Return one sample."""
        index = range(len(self))[index]
        if index in self._targets:
            return Sample(self.raw(index), self._targets[index], Meta(self._id(index)))
        return self._read(index)

    def _read(self, index: int) -> Sample:
        """Read and check one sample.

        Raises:
            SampleError: when it cannot be used.
            InvalidFileError: when its file cannot be read.
        """
        pair = self.dataset[index]
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            size = f" of {len(pair)}" if isinstance(pair, tuple | list) else ""
            what = f"expected a pair of an input and a target, got {type(pair).__name__}{size}"
            raise SampleError(what, "let the data set return (input, target)")
        raw = self.own_modality.as_raw(pair[0])
        target = self.own_kind.as_target(pair[1], self.own_modality.size_of(raw), self.names)
        return Sample(raw, target, Meta(self._id(index)))

    def _check_form(self, raw: Any) -> None:
        form = self.own_modality.form(raw)
        self.form = form if self.form is None else self.form
        if form != self.form:
            what = f"expected an input of {self.form}, as the first one, got {form}"
            raise SampleError(what, "give all inputs the same type and shape")

    def _id(self, index: int) -> str:
        return f"{self.prefix}{index:06d}"


def _digest(columns: Sequence[Any]) -> str:
    """Return a digest of the fields of a target."""
    digest = blake2b(digest_size=16)
    for column in columns:
        if isinstance(column, Tensor):
            digest.update(repr((column.dtype, tuple(column.shape))).encode())
            digest.update(column.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        else:
            digest.update(repr(column).encode())
    return digest.hexdigest()
