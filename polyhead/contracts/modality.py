"""The contract of a modality: everything that depends on what the input of a task is.

Readers return raw inputs (a path, an array, a text). A modality decodes them, transforms them, makes batches of them,
stores them and draws them. It knows no prediction.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from torch import Tensor

from polyhead.contracts.card import CardFacts
from polyhead.errors import Finding
from polyhead.types import Inputs, InputSpec, Sample, Size

Facts = Mapping[str, Any]
"""What :meth:`Modality.inspect` observes of one raw input, in plain types that JSON holds."""

Partner = Callable[[], Sample]
"""Returns a random other decoded sample of the same training set, a new one at each call."""
Change = Callable[[Any, int], Any]
"""Returns a changed copy of a decoded input of the same size; the number is the seed of random choices."""


class TrainTransform(ABC):
    """A random transform of decoded training samples; random numbers come from torch's seeded global generator."""

    mixes: bool = False
    """Whether content of other samples is mixed in, which makes a single label of a sample wrong."""

    @abstractmethod
    def __call__(self, sample: Sample, partner: Partner | None = None) -> Sample:
        """Return the sample as the network gets it; ``partner`` returns other samples that may be mixed in."""

    # pylint: disable-next=unused-argument  # images use it
    def at(self, side: int) -> "TrainTransform":
        """Return the same transform onto a square canvas of another side, for steps of another size.

        It draws the same random numbers. By default it is this transform: inputs that are not on a canvas, whose
        :attr:`polyhead.types.InputSpec.size` is None, have no side.
        """
        return self


class EvalTransform(ABC):
    """The transform of val, test, predict, export and app: never random."""

    @abstractmethod
    def __call__(self, sample: Sample) -> Sample:
        """Return the decoded sample as the network gets it."""


class Source(NamedTuple):
    """An input that a prediction is made for.

    Attributes:
        name: path of its file, or its index where it is not a file.
        raw: the raw input, which :meth:`Modality.decode` takes.
    """

    name: str
    raw: Any


class Modality(ABC):
    """What a task reads: its inputs from the file to the batch.

    An instance belongs to one task. Its state is fitted on the training data only, and is stored in weights files.

    Attributes:
        train: the random transform of training samples.
        eval: the transform of all other samples.
        croissant_types: what Croissant calls the content of an input file, such as ``sc:ImageObject``.
    """

    train: TrainTransform
    eval: EvalTransform
    croissant_types: ClassVar[Sequence[str]] = ()

    @property
    def name(self) -> str:
        """The short name of a modality of ours, else its class path; runs and weights files store it."""
        return f"{type(self).__module__}.{type(self).__qualname__}"

    @property
    def key(self) -> str:
        """Tasks whose modalities have the same key share a backbone; the name by default."""
        return self.name

    @abstractmethod
    def fit(
        self, inputs: Iterable[Any], size: Size | None, transforms: Any, earlier: Mapping[str, Any] | None = None
    ) -> None:
        """Prepare for training; deterministic.

        Args:
            inputs: raw training inputs of all tasks with the same :attr:`key`.
            size: the size that the model is made for.
            transforms: the source's setting ``transforms``.
            earlier: the state of an earlier training with the same :attr:`key`, whose weights are trained further; what
                the weights depend on, such as a vocabulary, must stay as it was.
        """

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Return the fitted state in plain types."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> None:
        """Prepare for prediction with the state of a weights file."""

    @abstractmethod
    def spec(self) -> InputSpec:
        """Return what a backbone must know."""

    def describe(self) -> str:
        """Return what an input is, for people, such as ``image, 320 × 320``."""
        size = self.spec().size
        return self.name if size is None else f"{self.name}, {size[0]} × {size[1]}"

    def as_raw(self, value: Any) -> Any:
        """Return the raw input for what a plain data set gives; by default the same.

        Raises:
            SampleError: when this modality does not read it.
        """
        return value

    # pylint: disable-next=unused-argument  # images use it
    def size_of(self, raw: Any) -> Size | None:
        """Return the height and width in which boxes and masks of a raw input are given; by default it has none."""
        return None

    # pylint: disable-next=unused-argument  # inputs that are stacked as they are use it
    def form(self, raw: Any) -> str | None:
        """Return what raw inputs must have in common to be batched, such as shape and type; by default nothing."""
        return None

    @abstractmethod
    def decode(self, raw: Any) -> Any:
        """Return the decoded input of a raw one.

        Raises:
            InvalidFileError: when a file cannot be read.
        """

    @abstractmethod
    def meta(self, sample_id: str, decoded: Any) -> Any:
        """Return the :class:`polyhead.types.Meta` of a sample that was not transformed yet."""

    @abstractmethod
    def collate(self, inputs: Sequence[Any]) -> Inputs:
        """Return the batch of transformed inputs."""

    # pylint: disable-next=unused-argument  # inputs of different length use it
    def lengths(self, inputs: Iterable[Any]) -> Sequence[int] | None:
        """Return the length of each raw input, so that similar ones share a batch; None, the default, if all are equal.

        What need not be read is not read: ``inputs`` is a generator.
        """
        return None

    # pylint: disable-next=unused-argument  # large inputs use it
    def cached_bytes(self, decoded: Any) -> int | None:
        """Return how much memory a decoded input takes; None, the default, if decoding is too cheap to cache."""
        return None

    # pylint: disable-next=unused-argument  # images use it
    def unread(self, source: Any) -> Sequence[str]:
        """Return what :meth:`sources` leaves out of a source, one sentence each; by default nothing."""
        return ()

    # pylint: disable-next=unused-argument  # images use it
    def remarks(self, raws: Iterable[Any]) -> Sequence[str]:
        """Return what the user of a data set should know of its raw inputs, one sentence each; by default nothing."""
        return ()

    # pylint: disable-next=unused-argument  # images use it
    def card_facts(self, raws: Iterable[Any], plot: Path) -> CardFacts:
        """Return what a data card says of raw inputs; by default nothing. A plot of them may be written to ``plot``."""
        return CardFacts()

    # pylint: disable-next=unused-argument  # inputs in files use it
    def inspect(self, raw: Any) -> Facts:
        """Read a raw input whole, before the modality is fitted, and return facts for the checks; by default none.

        Raises:
            InvalidFileError: when its file cannot be read.
        """
        return {}

    # pylint: disable-next=unused-argument  # as above
    def check(self, facts: Mapping[str, Facts]) -> list[Finding]:
        """Return what is odd about the inputs of a data set, by their files; by default nothing."""
        return []

    # pylint: disable-next=unused-argument  # as above
    def near_copies(self, facts: Sequence[Facts]) -> list[list[int]]:
        """Return the groups of inputs that are the same or almost, as ascending indices; by default none."""
        return []

    @abstractmethod
    def sources(self, source: Any) -> Iterator[Source]:
        """Yield the inputs of what a user gives to predict.

        Raises:
            PolyheadError: when it is nothing that this modality reads.
        """

    @abstractmethod
    def save(self, raw: Any, folder: Path, name: str) -> dict[str, Any]:
        """Write a raw input to a folder; return an entry in plain types.

        The entry's ``files`` are the names of the files, which begin with ``name``. Only these are checked to be in the
        folder, so :meth:`load` opens no other.
        """

    @abstractmethod
    def load(self, entry: Mapping[str, Any], folder: Path) -> Any:
        """Return the raw input that :meth:`save` wrote."""

    # pylint: disable-next=unused-argument  # images use it
    def facts(self, decoded: Any) -> Mapping[str, float]:
        """Return numbers about a decoded input that errors may depend on, such as its brightness; by default none."""
        return {}

    def changes(self) -> Mapping[str, Change]:
        """Return changes of an input that must not change its target, to measure robustness; by default none."""
        return {}

    def draw(self, decoded: Any) -> Any:
        """Return a decoded input as a PIL image; None, the default, if it cannot be drawn."""
        del decoded

    # pylint: disable-next=unused-argument  # inputs that can be drawn use it
    def draw_attribution(self, decoded: Any, attribution: Tensor, meta: Any) -> Any:
        """Return a decoded input as a PIL image with an attribution drawn over it; None, the default, if it cannot be.

        Args:
            decoded: the decoded input.
            attribution: how much each place of the network's input matters, 0..1: ``[h, w]`` of an image, ``[t]`` of a
                sequence, with any number of places.
            meta: the meta of the input as the network got it.
        """
        return None

    # pylint: disable-next=unused-argument  # as above
    def without(self, inputs: Inputs, order: Tensor, fractions: Sequence[float]) -> "Perturbed | None":
        """Return an input with its most important places hidden, and with only these shown; None, the default, if not.

        Args:
            inputs: a batch of one input.
            order: the attribution, by which the places are ordered: ``[h, w]`` or ``[t]``.
            fractions: for each result, the fraction of places.
        """
        return None


class Perturbed(NamedTuple):
    """An input that was changed more and more, by :meth:`Modality.without`.

    Attributes:
        deleted: batch of the inputs whose most important places are hidden.
        inserted: batch of the inputs of which only the most important places are shown.
    """

    deleted: Inputs
    inserted: Inputs
