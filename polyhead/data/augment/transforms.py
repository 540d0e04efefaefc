"""Training and evaluation transforms, from sample to sample, and the presets that recipes name.

:class:`Train` is random, :class:`Eval` never is. They are different types, so that validation, test, predict, export
and app cannot be given the wrong one. Random numbers come from torch's global generator, which the loader seeds per
sample. What :class:`Train` does is a :class:`polyhead.data.augment.base.Augmentation`; the presets are named ones.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from polyhead.boxes.overlap import pairwise_iou
from polyhead.data.augment.base import Augmentation, Partner, happens
from polyhead.data.augment.color import PhotometricDistortion
from polyhead.data.augment.yolov4 import Yolov4, Yolox
from polyhead.data.geometry.crop import Window, crop_resize, flip, full_window
from polyhead.data.geometry.plane import ImageSample
from polyhead.errors import PolyheadError, suggest
from polyhead.types import Size

TRIALS = 40
"""Random crops that are tried at once; the first valid one is used."""

MIN_IOUS = (None, 0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
"""Minimum IoUs of SSD's crop; None means no crop."""

FITS = ("stretch", "letterbox", "corner")


def zoom_out(window: Window, max_ratio: float = 4.0) -> Window:
    """Enlarge a window by up to ``max_ratio`` with probability 0.5 (SSD, section 3.6).

    The old window lies at a random position inside the new one.
    """
    if happens(0.5):
        return window
    left, top, right, bottom = window
    draws = torch.rand(3)
    ratio = 1 + (max_ratio - 1) * float(draws[0])
    width, height = (right - left) * ratio, (bottom - top) * ratio
    x = left - round((width - (right - left)) * float(draws[1]))
    y = top - round((height - (bottom - top)) * float(draws[2]))
    return x, y, x + width, y + height


def iou_crop(sample: ImageSample, window: Window) -> Window:
    """Return a random crop of ``window`` that overlaps an object by a randomly chosen minimum IoU (SSD, section 2.2).

    The crop contains the object's center. Its sides are 0.3 to 1 of the window's, and their ratio is 0.5 to 2. If no
    trial reaches the minimum IoU, another minimum is chosen; one of the choices is to return ``window`` unchanged.
    Ignored boxes do not count as objects; without objects ``window`` is returned unchanged.
    """
    objects = sample.boxes.as_subclass(Tensor)[~sample.ignore]  # [n, 4]
    if not objects.shape[0]:
        return window
    centers = (objects[:, :2] + objects[:, 2:]) / 2  # [n, 2]
    corner, sides = torch.tensor(window[:2]), torch.tensor(window[2:]) - torch.tensor(window[:2])  # [2] each
    for choice in torch.randperm(len(MIN_IOUS)).tolist():
        min_iou = MIN_IOUS[choice]
        if min_iou is None:
            break
        crop_sides = (sides * (0.3 + 0.7 * torch.rand(TRIALS, 2))).floor().clamp(min=1)  # [t, 2]
        first = corner + ((sides - crop_sides) * torch.rand(TRIALS, 2)).floor()  # [t, 2]
        crops = torch.cat([first, first + crop_sides], 1)  # [t, 4]
        inside = ((centers > crops[:, None, :2]) & (centers < crops[:, None, 2:])).all(2)  # [t, n]
        ratio = crop_sides[:, 0] / crop_sides[:, 1]  # [t]
        valid = (inside & (pairwise_iou(crops, objects) >= min_iou)).any(1) & (ratio >= 0.5) & (ratio <= 2)  # [t]
        if valid.any():
            left, top, right, bottom = crops[int(valid.int().argmax())].tolist()  # argmax: the first valid trial
            return left, top, right, bottom
    return window


def ssd_window(sample: ImageSample) -> Window:
    """Draw a window by zooming out and then cropping, as in SSD."""
    return iou_crop(sample, zoom_out(full_window(sample)))


def scale_jitter(sample: ImageSample) -> Window:
    """Draw a window of 3/4 to 4/3 of the image's sides, with each side scaled and shifted by up to a tenth more."""
    _, _, width, height = full_window(sample)
    draws = 2 * torch.rand(5) - 1
    scale = (4 / 3) ** float(draws[0])
    new_width, new_height = width * scale * 1.1 ** float(draws[1]), height * scale * 1.1 ** float(draws[2])
    x, y = width * (0.5 + 0.1 * float(draws[3])), height * (0.5 + 0.1 * float(draws[4]))  # center of the window
    return x - new_width / 2, y - new_height / 2, x + new_width / 2, y + new_height / 2


def area_crop(sample: ImageSample) -> Window:
    """Draw a crop of 0.08 to 1 of the image's area with aspect ratio 3/4 to 4/3 (Szegedy et al. 2015, section 6)."""
    height, width = sample.input.shape[-2:]
    area = height * width * (0.08 + 0.92 * torch.rand(TRIALS))  # [t]
    ratio = torch.exp(torch.log(torch.tensor(4 / 3)) * (2 * torch.rand(TRIALS) - 1))  # [t], uniform in log space
    sides = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], 1).round().clamp(min=1)  # [t, 2]
    margin = torch.tensor([width, height]) - sides  # [t, 2]; negative if the crop is larger than the image
    valid = (margin >= 0).all(1)  # [t]
    if not valid.any():
        return full_window(sample)
    trial = int(valid.int().argmax())  # the first valid one
    left, top = (margin[trial] * torch.rand(2)).round().tolist()
    return left, top, left + float(sides[trial, 0]), top + float(sides[trial, 1])


@dataclass(frozen=True)
class Windowed(Augmentation):
    """An augmentation of a single image: a window, a horizontal flip with probability 0.5, and a color transform.

    Attributes:
        window: returns the visible window of a sample; may be random.
        color: changes pixel values only, such as a torchvision v2 color transform.
    """

    window: Callable[[ImageSample], Window] = full_window
    color: Callable[[ImageSample], ImageSample] | None = None

    def __call__(self, sample: ImageSample, size: Size, partner: Partner | None) -> ImageSample:
        """Return the sample on a canvas of ``size``; no other image is mixed in."""
        del partner
        result = crop_resize(sample, self.window(sample), size)
        if happens(0.5):
            result = flip(result)
        return self.color(result) if self.color else result


PRESETS: dict[str, Augmentation] = {
    "plain": Windowed(),
    "light": Windowed(scale_jitter, PhotometricDistortion(24.0, 0.2, 0.2, 6.0)),
    "ssd": Windowed(ssd_window, PhotometricDistortion()),
    "yolov4": Yolov4(),
    "yolox": Yolox(),
    "classify": Windowed(area_crop),
}


@dataclass(frozen=True)
class Train:
    """The training transform: a random augmentation onto a canvas.

    Attributes:
        size: height and width of the canvas.
        augmentation: how the sample is changed.
    """

    size: Size
    augmentation: Augmentation

    def __call__(self, sample: ImageSample, partner: Partner | None = None) -> ImageSample:
        """Return the augmented sample; ``partner`` returns other samples that may be mixed in."""
        return self.augmentation(sample, self.size, partner)


@dataclass(frozen=True)
class Eval:
    """The evaluation transform: the whole image on a canvas, without any randomness.

    Attributes:
        size: height and width of the canvas.
        fit: ``"stretch"`` fills the canvas; ``"letterbox"`` preserves the aspect ratio and pads with gray on both
            sides; ``"corner"`` pads on the right or below only.
    """

    size: Size
    fit: str = "stretch"

    def __post_init__(self) -> None:
        if self.fit not in FITS:
            raise PolyheadError(f"unknown fit {self.fit!r}{suggest(self.fit, FITS)}")

    def __call__(self, sample: ImageSample) -> ImageSample:
        """Return the sample on the canvas."""
        window = full_window(sample)
        if self.fit != "stretch":
            _, _, width, height = window
            scale = min(self.size[0] / height, self.size[1] / width)
            x, y = self.size[1] / scale - width, self.size[0] / scale - height  # padding, in image pixels
            before = 0.5 if self.fit == "letterbox" else 0.0  # fraction of the padding on the left and above
            window = -before * x, -before * y, width + (1 - before) * x, height + (1 - before) * y
        return crop_resize(sample, window, self.size)


def train_transform(transforms: str | Augmentation, size: Size) -> Train:
    """Return the training transform of a preset (:data:`PRESETS`) or of an augmentation that a recipe specifies.

    Raises:
        PolyheadError: if the name is not a preset.
    """
    return Train(size, _augmentation(transforms))


def fit_of(transforms: str | Augmentation) -> str:
    """Return how evaluation fits images to the canvas of a network that was trained with ``transforms``."""
    return _augmentation(transforms).fit


def _augmentation(transforms: str | Augmentation) -> Augmentation:
    if isinstance(transforms, Augmentation):
        return transforms
    if transforms not in PRESETS:
        raise PolyheadError(f"unknown transforms {transforms!r}{suggest(transforms, PRESETS)}")
    return PRESETS[transforms]
