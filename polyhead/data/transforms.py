"""Sample to sample: what happens to a picture before the network sees it.

:class:`Train` draws at random, :class:`Eval` never does; they are different types, so that validation, test, predict,
export and app cannot be handed the wrong one. Chance is torch's global generator, which the loader seeds per sample.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_iou

from polyhead.data.photometric import PhotometricDistortion
from polyhead.data.view import Window, flip, view, whole
from polyhead.errors import PolyheadError, suggest
from polyhead.types import Sample, Size

TRIALS = 40
OVERLAPS = (None, 0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
FITS = ("stretch", "letterbox")


def zoom_out(window: Window, most: float = 4.0) -> Window:
    """In half of the calls, a window up to ``most`` times as wide and high, the old one somewhere inside (SSD, 3.6)."""
    if _coin():
        return window
    left, top, right, bottom = window
    draws = torch.rand(3)
    ratio = 1 + (most - 1) * float(draws[0])
    width, height = (right - left) * ratio, (bottom - top) * ratio
    x = left - round((width - (right - left)) * float(draws[1]))
    y = top - round((height - (bottom - top)) * float(draws[2]))
    return x, y, x + width, y + height


def iou_crop(sample: Sample, window: Window) -> Window:
    """A part of ``window`` that holds an object's centre and overlaps the object by a drawn IoU, or all (SSD, 2.2).

    Sides are 0.3 to 1 of the window's, their ratio 0.5 to 2. An overlap that no trial meets is drawn again. Ignored
    boxes are no objects here; without objects the window comes back unchanged.
    """
    objects = sample.boxes.as_subclass(Tensor)[~sample.ignore]
    if not objects.shape[0]:
        return window
    centres = (objects[:, :2] + objects[:, 2:]) / 2
    corner, sides = torch.tensor(window[:2]), torch.tensor(window[2:]) - torch.tensor(window[:2])
    for choice in torch.randperm(len(OVERLAPS)).tolist():
        overlap = OVERLAPS[choice]
        if overlap is None:
            break
        part = (sides * (0.3 + 0.7 * torch.rand(TRIALS, 2))).floor().clamp(min=1)
        first = corner + ((sides - part) * torch.rand(TRIALS, 2)).floor()
        crops = torch.cat([first, first + part], 1)
        inside = ((centres > crops[:, None, :2]) & (centres < crops[:, None, 2:])).all(2)
        ratio = part[:, 0] / part[:, 1]
        good = (inside & (box_iou(crops, objects) >= overlap)).any(1) & (ratio >= 0.5) & (ratio <= 2)
        if good.any():
            left, top, right, bottom = crops[int(good.int().argmax())].tolist()
            return left, top, right, bottom
    return window


def ssd_window(sample: Sample) -> Window:
    """Zoom out, then crop, as SSD does."""
    return iou_crop(sample, zoom_out(whole(sample)))


def area_crop(sample: Sample) -> Window:
    """A part of 0.08 to 1 of the picture's area and of ratio 3/4 to 4/3 (Szegedy et al. 2015, section 6)."""
    height, width = sample.input.shape[-2:]
    area = height * width * (0.08 + 0.92 * torch.rand(TRIALS))
    ratio = torch.exp(torch.log(torch.tensor(4 / 3)) * (2 * torch.rand(TRIALS) - 1))
    sides = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], 1).round().clamp(min=1)
    room = torch.tensor([width, height]) - sides
    good = (room >= 0).all(1)
    if not good.any():
        return whole(sample)
    trial = int(good.int().argmax())
    left, top = (room[trial] * torch.rand(2)).round().tolist()
    return left, top, left + float(sides[trial, 0]), top + float(sides[trial, 1])


class Preset(NamedTuple):
    """How training looks at pictures, and how evaluation fits them to the canvas."""

    window: Callable[[Sample], Window]
    colour: Callable[[Sample], Sample] | None
    fit: str


PRESETS = {
    "plain": Preset(whole, None, "stretch"),
    "ssd": Preset(ssd_window, PhotometricDistortion(), "stretch"),
    "classify": Preset(area_crop, None, "stretch"),
}


@dataclass(frozen=True)
class Train:
    """A random look at a sample, different at each call: a window, a flip in half of the calls, and colours.

    Attributes:
        size: height and width of the canvas.
        window: what is seen; may draw at random.
        colour: changes pixels and nothing else; any torchvision v2 transform that does so will do.
    """

    size: Size
    window: Callable[[Sample], Window] = whole
    colour: Callable[[Sample], Sample] | None = None

    def __call__(self, sample: Sample) -> Sample:
        """The sample as the network is to see it this time."""
        seen = view(sample, self.window(sample), self.size)
        if _coin():
            seen = flip(seen)
        return self.colour(seen) if self.colour else seen


@dataclass(frozen=True)
class Eval:
    """The whole picture on the canvas, always in the same way.

    Attributes:
        size: height and width of the canvas.
        fit: ``"stretch"`` fills the canvas; ``"letterbox"`` keeps the ratio of the sides, with a grey border.
    """

    size: Size
    fit: str = "stretch"

    def __post_init__(self) -> None:
        if self.fit not in FITS:
            raise PolyheadError(f"unknown fit {self.fit!r}{suggest(self.fit, FITS)}")

    def __call__(self, sample: Sample) -> Sample:
        """The sample as the network is to see it."""
        window = whole(sample)
        if self.fit == "letterbox":
            _, _, width, height = window
            scale = min(self.size[0] / height, self.size[1] / width)
            x, y = (self.size[1] / scale - width) / 2, (self.size[0] / scale - height) / 2
            window = -x, -y, width + x, height + y
        return view(sample, window, self.size)


def train_transform(preset: str, size: Size) -> Train:
    """The training transform of a preset: ``plain``, ``ssd`` or ``classify``.

    Raises:
        PolyheadError: for a name that is no preset.
    """
    chosen = _preset(preset)
    return Train(size, chosen.window, chosen.colour)


def fit_of(preset: str) -> str:
    """How evaluation fits pictures to the canvas of a network that was trained with ``preset``."""
    return _preset(preset).fit


def _preset(name: str) -> Preset:
    if name not in PRESETS:
        raise PolyheadError(f"unknown transforms {name!r}{suggest(name, PRESETS)}")
    return PRESETS[name]


def _coin() -> bool:
    return float(torch.rand(())) < 0.5
