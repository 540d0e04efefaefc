"""The modality of images."""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import torch
from PIL import Image as Pillow
from torch import Tensor
from torchvision import tv_tensors as tv

from polyhead.contracts.card import CardFacts
from polyhead.contracts.modality import Change, Facts, Modality, Perturbed, Source
from polyhead.contracts.sizes import LARGEST
from polyhead.data.augment.transforms import Eval, fit_of, train_transform
from polyhead.data.geometry.plane import ImageMeta
from polyhead.data.io.images import ImageFile, read_sized, used_bits
from polyhead.errors import Finding, InvalidFileError, PolyheadError, SettingError
from polyhead.modalities.image.attribution import hidden_and_shown, on_image
from polyhead.modalities.image.card import card_facts
from polyhead.modalities.image.changes import CHANGES
from polyhead.modalities.image.checks import check_images, facts_of, groups_of_copies
from polyhead.modalities.image.facts import image_facts
from polyhead.modalities.image.sources import image_of, image_sources, unread
from polyhead.modalities.image.transforms import EvalImage, TrainImage
from polyhead.plotting.heat import heat
from polyhead.types import Inputs, InputSpec, Size


class Image(Modality):
    """Images on a canvas; the raw input is an image file or pixels, uint8 ``[3, h, w]``.

    Its state is the size of the canvas, how evaluation fits an image to it, and ``bits``.

    Args:
        bits: how many bits the values of 16-bit images use, 8 to 16, such as 12 for many cameras and X-ray images.
    """

    croissant_types: ClassVar[Sequence[str]] = ("sc:ImageObject",)
    size: Size
    fit_to_canvas: str

    def __init__(self, bits: int = 16) -> None:
        if not 8 <= bits <= 16:
            raise SettingError(f"bits must be from 8 to 16, got {bits}")
        self.bits = bits

    @property
    def name(self) -> str:
        """The short name."""
        return "image"

    def fit(
        self, inputs: Iterable[Any], size: Size | None, transforms: Any, earlier: Mapping[str, Any] | None = None
    ) -> None:
        """Take the canvas from the model and the fit from the transforms; no input is read."""
        del inputs, earlier
        if size is None:
            raise PolyheadError("the model has no image size, which a task of images needs. Use a model for images.")
        self.train = TrainImage(train_transform(transforms, size))
        self.restore({"size": size, "fit": fit_of(transforms), "bits": self.bits})

    def state(self) -> dict[str, Any]:
        """Return the size of the canvas, the fit, and the bits unless they are all 16."""
        bits = {} if self.bits == 16 else {"bits": self.bits}
        return {"size": list(self.size), "fit": self.fit_to_canvas, **bits}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Set the size of the canvas, the fit and the bits.

        Raises:
            ValueError: when they are none.
        """
        self.bits = int(state.get("bits", 16))
        height, width = state["size"]
        if not all(isinstance(side, int) and 0 < side <= LARGEST for side in (height, width)):
            raise ValueError(f"size: expected two whole numbers from 1 to {LARGEST}")
        self.size, self.fit_to_canvas = (height, width), str(state["fit"])
        self.eval = EvalImage(Eval(self.size, self.fit_to_canvas))

    def spec(self) -> InputSpec:
        """Return the size of the canvas."""
        return InputSpec("image", self.size)

    def as_raw(self, value: Any) -> tv.Image:
        """Return the pixels of a path, a PIL image, an array or a tensor (:mod:`polyhead.modalities.image.sources`)."""
        return image_of(value, self.bits)

    def size_of(self, raw: Tensor) -> Size:
        """Return height and width in pixels."""
        return int(raw.shape[-2]), int(raw.shape[-1])

    def decode(self, raw: ImageFile | Tensor) -> tv.Image:
        """Return the upright image, uint8 ``[3, h, w]``."""
        return tv.Image(raw) if isinstance(raw, Tensor) else read_sized(raw, self.bits)

    def meta(self, sample_id: str, decoded: Tensor) -> ImageMeta:
        """Return the meta of an image that was not transformed yet."""
        return ImageMeta(sample_id, (int(decoded.shape[-2]), int(decoded.shape[-1])))

    def collate(self, inputs: Sequence[Tensor]) -> Tensor:
        """Stack images ``[3, h, w]`` into ``[b, 3, h, w]`` with channels last in memory.

        Decoded images have this memory layout; reordering them takes four times as long.
        """
        images = [image.as_subclass(Tensor).permute(1, 2, 0) for image in inputs]
        return torch.stack(images).permute(0, 3, 1, 2)

    def cached_bytes(self, decoded: Tensor) -> int | None:
        """Return the bytes of the pixels."""
        return int(decoded.nbytes)

    def inspect(self, raw: ImageFile | Tensor) -> Facts:
        """Return the size, the form of the pixels and a thumbnail of an image file; nothing of pixels."""
        return facts_of(raw, self.bits) if isinstance(raw, ImageFile) else {}

    def check(self, facts: Mapping[str, Facts]) -> list[Finding]:
        """Return images with odd sizes, other channels than most, or nothing on them."""
        return check_images(facts)

    def near_copies(self, facts: Sequence[Facts]) -> list[list[int]]:
        """Return the groups of images that are the same, or almost (:mod:`polyhead.data.checks.near_copies`)."""
        return groups_of_copies(facts)

    def sources(self, source: Any) -> Iterator[Source]:
        """Yield the images of a file, a folder, a pattern, or pixels (:mod:`polyhead.modalities.image.sources`)."""
        yield from image_sources(source, self.bits)

    def unread(self, source: Any) -> list[str]:
        """Return a sentence with the images of a folder or pattern that are in formats which are not read."""
        return unread(source)

    def remarks(self, raws: Iterable[Any]) -> list[str]:
        """Return a sentence if 16-bit images use fewer bits, so that only their darkest values would be seen."""
        used: list[int] = []
        for raw in raws:
            with suppress(InvalidFileError):
                if isinstance(raw, ImageFile) and (bits := used_bits(raw.path)):
                    used.append(bits)
        if not used or max(used) == 16:
            return []
        bits = max(used)
        given = f"{{class_path: polyhead.modalities.image.Image, init_args: {{bits: {bits}}}}}"
        what = f"{len(used)} images examined have 16 bits but no value above {2**bits - 1}"
        return [f"{what}, so their high 8 bits are almost black: set modality: {given} for the task"]

    def card_facts(self, raws: Iterable[Any], plot: Path) -> CardFacts:
        """Return sizes, channels, brightness, cameras and personal metadata; plot sizes and brightness."""
        return card_facts(raws, plot)

    def save(self, raw: ImageFile | Tensor, folder: Path, name: str) -> dict[str, Any]:
        """Copy the image file unchanged; write pixels as PNG, without loss."""
        size: Size | None
        if isinstance(raw, Tensor):
            file = folder / f"{name}.png"
            Pillow.fromarray(raw.as_subclass(Tensor).permute(1, 2, 0).numpy()).save(file)  # [3, h, w] -> [h, w, 3]
            size = (int(raw.shape[-2]), int(raw.shape[-1]))
        else:
            file, size = folder / f"{name}{Path(raw.path).suffix.lower() or '.png'}", raw.size
            shutil.copyfile(raw.path, file)
        return {"size": None if size is None else list(size), "files": [file.name]}

    def load(self, entry: Mapping[str, Any], folder: Path) -> ImageFile:
        """Return the stored image file."""
        size = entry["size"]
        return ImageFile(str(folder / str(entry["files"][0])), None if size is None else (int(size[0]), int(size[1])))

    def facts(self, decoded: Tensor) -> dict[str, float]:
        """Return brightness, contrast, side and aspect (:mod:`polyhead.modalities.image.facts`)."""
        return image_facts(decoded)

    def changes(self) -> dict[str, Change]:
        """Return blur, noise, JPEG and changes of light (:mod:`polyhead.modalities.image.changes`)."""
        return CHANGES

    def draw(self, decoded: Tensor) -> Pillow.Image:
        """Return the image for drawing."""
        pixels = decoded.as_subclass(Tensor).to(torch.uint8).cpu()
        return Pillow.fromarray(pixels.permute(1, 2, 0).numpy())  # [3, h, w] -> [h, w, 3]

    def draw_attribution(self, decoded: Tensor, attribution: Tensor, meta: Any) -> Pillow.Image:
        """Return the image with a heat map over it."""
        return heat(self.draw(decoded), on_image(attribution, meta, self.size))

    def without(self, inputs: Inputs, order: Tensor, fractions: Sequence[float]) -> Perturbed:
        """Hide pixels behind gray, and show them in a blurred image."""
        assert isinstance(inputs, Tensor)
        return Perturbed(*hidden_and_shown(inputs, order, fractions))
