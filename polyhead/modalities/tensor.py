"""Plain tensors: the inputs of any ``torch.utils.data.Dataset``, stacked as they are."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from polyhead.contracts.modality import EvalTransform, Modality, Partner, Source, TrainTransform
from polyhead.errors import PolyheadError, SampleError
from polyhead.types import InputSpec, Meta, Sample, Size


class Unchanged(TrainTransform):
    """The training transform of plain tensors: none."""

    def __call__(self, sample: Sample, partner: Partner | None = None) -> Sample:
        """Return the sample."""
        return sample


class UnchangedEval(EvalTransform):
    """The evaluation transform of plain tensors: none."""

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample."""
        return sample


class Tensors(Modality):
    """Tensors of one shape; whatever transform they need is in the data set that they come from.

    Its state is the shape and the type of an input.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def name(self) -> str:
        """The short name."""
        return "tensor"

    def fit(
        self, inputs: Iterable[Any], size: Size | None, transforms: Any, earlier: Mapping[str, Any] | None = None
    ) -> None:
        """Take shape and type of the first training input; numbers of any precision become float32."""
        del size, transforms, earlier
        first = torch.as_tensor(next(iter(inputs)))
        dtype = torch.float32 if first.is_floating_point() else first.dtype
        self.restore({"shape": list(first.shape), "dtype": str(dtype)})

    def state(self) -> dict[str, Any]:
        """Return the shape and the type of an input."""
        return {"shape": list(self.shape), "dtype": str(self.dtype)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Set the shape and the type of an input."""
        self.shape = tuple(state["shape"])
        self.dtype = getattr(torch, str(state["dtype"]).removeprefix("torch."))
        self.train, self.eval = Unchanged(), UnchangedEval()

    def spec(self) -> InputSpec:
        """Return the shape and the type of an input."""
        return InputSpec("tensor", info=self.state())

    def as_raw(self, value: Any) -> Tensor:
        """Return the input as a tensor.

        Raises:
            SampleError: when it is none.
        """
        try:
            return torch.as_tensor(value)
        except (TypeError, ValueError, RuntimeError) as error:
            what = f"expected an input that is a tensor, an array or numbers, got {type(value).__name__} {value!r:.60}"
            raise SampleError(what, "convert it to a tensor, or set the task's modality") from error

    def size_of(self, raw: Tensor) -> Size | None:
        """Return the last two sides of an input ``[..., h, w]``."""
        return (int(raw.shape[-2]), int(raw.shape[-1])) if raw.ndim > 1 else None

    def form(self, raw: Tensor) -> str:
        """Return the type and the shape."""
        return f"{raw.dtype} {list(raw.shape)}"

    def decode(self, raw: Any) -> Tensor:
        """Return the input as a tensor.

        Raises:
            PolyheadError: when it has another shape than the training inputs, or a type that loses something in theirs.
        """
        given = torch.as_tensor(raw)
        if tuple(given.shape) != self.shape:
            raise PolyheadError(f"expected an input of shape {list(self.shape)}, got {list(given.shape)}")
        decoded = given.to(self.dtype)
        counts = not self.dtype.is_floating_point
        if not torch.can_cast(given.dtype, self.dtype) or (counts and bool((decoded != given).any())):
            raise PolyheadError(
                f"expected an input of type {self.dtype}, as in training, got {given.dtype} with values that it cannot "
                "hold. Convert the input to this type, or train with another one."
            )
        return decoded

    def meta(self, sample_id: str, decoded: Any) -> Meta:
        """Return the id alone."""
        return Meta(sample_id)

    def collate(self, inputs: Sequence[Tensor]) -> Tensor:
        """Stack the inputs, ``[b, ...]``."""
        return torch.stack(list(inputs))

    def sources(self, source: Any) -> Iterator[Source]:
        """Yield one input, or each of a list of inputs or of a batch ``[b, ...]``."""
        listed = isinstance(source, list | tuple)
        if listed and source and all(isinstance(entry, Real) for entry in source):
            listed, source = False, torch.tensor(source)  # the numbers of one input
        try:
            several = listed or torch.as_tensor(source).ndim > len(self.shape)
        except (TypeError, ValueError, RuntimeError) as error:
            raise PolyheadError(f"expected a tensor, an array or a list of them, got {source!r:.80}") from error
        for number, entry in enumerate(source if several else [source]):
            yield Source(str(number), entry)

    def save(self, raw: Any, folder: Path, name: str) -> dict[str, Any]:
        """Write the input as JSON."""
        file = folder / f"{name}.json"
        file.write_text(json.dumps(torch.as_tensor(raw).tolist()), encoding="utf-8")
        return {"files": [file.name]}

    def load(self, entry: Mapping[str, Any], folder: Path) -> Tensor:
        """Return the stored input."""
        return torch.tensor(json.loads((folder / str(entry["files"][0])).read_text(encoding="utf-8")), dtype=self.dtype)
