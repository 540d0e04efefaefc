"""What images can be predicted: a file, a folder, a glob pattern, or pixels.

Pixels are a PIL image; a uint8 array, RGB ``[h, w, 3]`` or gray ``[h, w]`` (OpenCV images are BGR: reverse the channels
first); or a tensor of uint8 or of floats in 0..1, RGB ``[3, h, w]``, gray ``[1, h, w]``, or a batch of these.
"""

from collections.abc import Iterator, Sequence
from glob import escape, glob, has_magic
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision import tv_tensors as tv

from polyhead.contracts.modality import Source
from polyhead.data.io.images import SUFFIXES, ImageFile, is_image, not_read, read_image, to_rgb
from polyhead.errors import PolyheadError, SampleError
from polyhead.paths import expanded, separator_hint


def image_sources(source: Any, bits: int = 16) -> Iterator[Source]:
    """Yield the images of a source, or of a list of sources, in order; files are not opened.

    Args:
        source: the source or sources.
        bits: how many bits the values of 16-bit images use.

    Raises:
        PolyheadError: when a path does not exist, a folder or pattern has no image, or pixels have the wrong type.
    """
    count = 0
    for entry in _listed(source):
        if isinstance(entry, str | Path):
            found = [Source(str(path), ImageFile(str(path))) for path in _files(entry)]
        else:
            found = [Source(str(count + number), pixels) for number, pixels in enumerate(_pixels(entry, bits))]
        yield from found
        count += len(found)
    if not count:
        raise PolyheadError("no image to predict: the list of sources is empty")


def image_of(value: Any, bits: int = 16) -> tv.Image:
    """Return one image of a data set, a path or pixels, as upright RGB, uint8 ``[3, h, w]``.

    Args:
        value: the image.
        bits: how many bits the values of 16-bit images use.

    Raises:
        InvalidFileError: when a file cannot be read.
        SampleError: when it is no image, or several.
    """
    if isinstance(value, str | Path):
        return read_image(value, bits)
    images = _pixels(value, bits)
    if len(images) != 1:
        raise SampleError(f"expected one image, got a batch of {len(images)}", "let the data set return one image")
    return images[0]


def _files(source: str | Path) -> list[Path]:
    """List the image files of a path, a folder or a glob pattern, sorted; hidden files are left out of the last two."""
    path = expanded(source)
    if path.is_file():
        return [path]
    if path.is_dir():
        found, what = list(path.iterdir()), f"folder {str(source)!r}"
        remedy = f"; to include its subfolders, give {str(path / '**' / '*')!r}"
    elif has_magic(str(path)):
        found, what, remedy = _matching(path), f"{str(source)!r}{separator_hint(source)}", ""
        if "[" in str(source):
            remedy = "; in a pattern, [12] stands for 1 or 2: write [[] for a bracket"
    else:
        raise PolyheadError(
            f"{str(source)!r}{separator_hint(source)} does not exist. Give an image file, a folder or a pattern such "
            "as 'photos/*.jpg'."
        )
    images = sorted(each for each in found if is_image(each) and each.is_file() and not each.name.startswith("."))
    if not images:
        others = "".join(f"; {note}" for note in not_read(found))
        expected = f"expected files that end in {', '.join(sorted(SUFFIXES))}"
        raise PolyheadError(f"{what} has no image ({expected}){others}{remedy}")
    return images


def unread(source: Any) -> list[str]:
    """Return a sentence with the images of folders and patterns that are in formats which are not read."""
    paths = [Path(each).expanduser() for each in _listed(source) if isinstance(each, str | Path)]
    return not_read(
        found
        for path in paths
        if not path.is_file()
        for found in (path.iterdir() if path.is_dir() else _matching(path))
    )


def _matching(path: Path) -> list[Path]:
    """Return the paths of a pattern, in which the brackets of a folder that exists stand for themselves."""
    existing = next((folder for folder in path.parents if folder.is_dir()), Path())
    pattern = Path(escape(str(existing))) / path.relative_to(existing)
    return [Path(name) for name in glob(str(pattern), recursive=True)]  # noqa: PTH207  # Path.glob wants relative ones


def _listed(source: Any) -> Sequence[Any]:
    return source if isinstance(source, list | tuple) else [source]


def _pixels(entry: Any, bits: int) -> list[tv.Image]:
    """Convert pixels to upright RGB images, uint8 ``[3, h, w]``: one image, or all images of a batch."""
    if isinstance(entry, Image.Image):
        rgb = to_rgb(ImageOps.exif_transpose(entry), "the given image", bits)
        return [tv.Image(torch.from_numpy(np.array(rgb)).permute(2, 0, 1).contiguous())]
    if not isinstance(entry, np.ndarray | Tensor):
        what = f"expected a path, a PIL image, an array or a tensor, got {type(entry).__name__}"
        raise SampleError(what, "convert it to one of these")
    form = f"{entry.dtype} {list(entry.shape)}"
    if isinstance(entry, np.ndarray):
        gray = entry.ndim == 2  # [h, w]
        color = np.repeat(entry[..., None], 3, axis=2) if gray else entry  # [h, w, 3]
        if color.dtype != np.uint8 or color.shape[2:] != (3,) or 0 in color.shape:
            what = f"expected an array of uint8 (0..255), RGB [h, w, 3] or gray [h, w], got {form}"
            raise SampleError(what, "convert it to this form")
        return [tv.Image(torch.from_numpy(np.ascontiguousarray(color)).permute(2, 0, 1).contiguous())]
    batch = entry[None] if entry.ndim == 3 else entry  # [b, c, h, w]
    if batch.is_floating_point() and bool(((batch >= 0) & (batch <= 1)).all()):
        batch = (255 * batch).round().to(torch.uint8)
    if batch.dtype != torch.uint8 or batch.ndim != 4 or batch.shape[1] not in (1, 3) or 0 in batch.shape:
        what = f"expected a tensor of uint8 (0..255) or floats (0..1), RGB [3, h, w] or gray [1, h, w], got {form}"
        raise SampleError(what, "convert it to this form; normalization belongs to the backbone")
    return [tv.Image(image.cpu()) for image in batch.expand(-1, 3, -1, -1)]
