"""Sample to sample: what happens to a picture before the network sees it.

:class:`Train` draws at random, :class:`Eval` never does; they are different types, so that validation, test, predict,
export and app cannot be handed the wrong one. Chance is torch's global generator, which the loader seeds per sample.
What training does is a :class:`polyhead.data.augment.base.Look`; the presets are named ones.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_iou

from polyhead.data.augment.base import Look, Partner
from polyhead.data.augment.color import PhotometricDistortion
from polyhead.data.augment.yolov4 import Yolov4
from polyhead.data.geometry.crop import Window, flip, view, whole
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


def scale_jitter(sample: Sample) -> Window:
    """A window of 3/4 to 4/3 of the picture's sides, each side stretched by up to a tenth, moved by up to a tenth."""
    _, _, width, height = whole(sample)
    draws = 2 * torch.rand(5) - 1
    scale = (4 / 3) ** float(draws[0])
    wide, high = width * scale * 1.1 ** float(draws[1]), height * scale * 1.1 ** float(draws[2])
    x, y = width * (0.5 + 0.1 * float(draws[3])), height * (0.5 + 0.1 * float(draws[4]))
    return x - wide / 2, y - high / 2, x + wide / 2, y + high / 2


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


@dataclass(frozen=True)
class Windowed(Look):
    """Each picture by itself: a window, a flip in half of the calls, and colours.

    Attributes:
        window: what is seen; may draw at random.
        colour: changes pixels and nothing else; any torchvision v2 transform that does so will do.
    """

    window: Callable[[Sample], Window] = whole
    colour: Callable[[Sample], Sample] | None = None

    def __call__(self, sample: Sample, size: Size, partner: Partner | None) -> Sample:
        """The sample on a canvas of ``size``; nothing is mixed into it."""
        del partner
        seen = view(sample, self.window(sample), size)
        if _coin():
            seen = flip(seen)
        return self.colour(seen) if self.colour else seen


PRESETS: dict[str, Look] = {
    "plain": Windowed(),
    "light": Windowed(scale_jitter, PhotometricDistortion(24.0, 0.2, 0.2, 6.0)),
    "ssd": Windowed(ssd_window, PhotometricDistortion()),
    "yolov4": Yolov4(),
    "classify": Windowed(area_crop),
}


@dataclass(frozen=True)
class Train:
    """A random look at a sample, different at each call.

    Attributes:
        size: height and width of the canvas.
        look: what is seen there.
    """

    size: Size
    look: Look

    def __call__(self, sample: Sample, partner: Partner | None = None) -> Sample:
        """The sample as the network is to see it this time; ``partner`` gives others that may be mixed in."""
        return self.look(sample, self.size, partner)


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


def train_transform(transforms: str | Look, size: Size) -> Train:
    """The training transform of a preset (:data:`PRESETS`), or of what a recipe gives in its place.

    Raises:
        PolyheadError: for a name that is no preset.
    """
    return Train(size, _look(transforms))


def fit_of(transforms: str | Look) -> str:
    """How evaluation fits pictures to the canvas of a network that was trained with ``transforms``."""
    return _look(transforms).fit


def _look(transforms: str | Look) -> Look:
    if isinstance(transforms, Look):
        return transforms
    if transforms not in PRESETS:
        raise PolyheadError(f"unknown transforms {transforms!r}{suggest(transforms, PRESETS)}")
    return PRESETS[transforms]


def _coin() -> bool:
    return float(torch.rand(())) < 0.5
