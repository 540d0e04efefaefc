"""The augmentation of YOLOv4 (Bochkovskiy et al. 2020, sections 3.3 and 3.4); every step can be used on its own."""

from dataclasses import dataclass, fields

import torch

from polyhead.data.augment.base import Augmentation, Partner, happens
from polyhead.data.augment.color import color_matrix, recolor
from polyhead.data.augment.erasing import erase, grid_mask
from polyhead.data.augment.mixing import cutmix, draw_hole, mixup, mosaic, single
from polyhead.data.geometry.affine import Matrix, affine_matrix, to_array, to_image
from polyhead.data.geometry.plane import ImageSample
from polyhead.errors import PolyheadError
from polyhead.types import Size

LIMITS = {"degrees": 180.0, "shear": 44.0, "scale": 0.95, "translate": 1.0, "hue": 0.5, "saturation": 1.0, "value": 1.0}
"""The largest value of each setting; 1 for all others, which are probabilities."""


@dataclass(frozen=True)
class Yolov4(Augmentation):
    """Mosaic, MixUp and CutMix, then geometric and color changes, and hidden regions.

    The paper lists the steps but few numbers. The default probabilities and ranges are those that training code of
    this model family commonly uses; each can be set, and 0 disables a step. Where images must not be mixed (the last
    steps of a stage, :attr:`polyhead.engine.stage.Stage.mix_fraction`), mosaic, MixUp and CutMix are skipped.

    Attributes:
        mosaic: probability that four images share the canvas.
        mixup: probability of blending with another such canvas, at a weight of about one half.
        cutmix: probability of replacing a rectangle by that of another such canvas.
        degrees: maximum rotation in degrees, in both directions.
        shear: maximum tilt of vertical and horizontal lines in degrees, in both directions.
        scale: 0.5 scales images by 0.5 to 1.5, relative to the size that fits the canvas.
        translate: maximum shift in both directions, as a fraction of the canvas.
        flip: probability of a left-right flip.
        upside_down: probability of a top-bottom flip.
        hue: maximum hue rotation in both directions, as a fraction of the full circle.
        saturation, value: x multiplies by 1 - x to 1 + x.
        erase: probability of filling a rectangle with noise.
        grid: probability of hiding a quarter of the image with gray squares.
    """

    mosaic: float = 0.75
    mixup: float = 0.1
    cutmix: float = 0.05
    degrees: float = 0.0
    shear: float = 0.0
    scale: float = 0.5
    translate: float = 0.1
    flip: float = 0.5
    upside_down: float = 0.0
    hue: float = 0.015
    saturation: float = 0.7
    value: float = 0.4
    erase: float = 0.1
    grid: float = 0.0

    fit = "letterbox"

    def __post_init__(self) -> None:
        for field in fields(self):
            limit, value = LIMITS.get(field.name, 1.0), getattr(self, field.name)
            if not 0 <= value <= limit:
                raise PolyheadError(f"transforms: {field.name} must be between 0 and {limit:g}, got {value}")

    @property
    def mixes(self) -> bool:
        """Whether mosaic, MixUp or CutMix is enabled."""
        return bool(self.mosaic or self.mixup or self.cutmix)

    def __call__(self, sample: ImageSample, size: Size, partner: Partner | None) -> ImageSample:
        """Return the sample, with others mixed in if ``partner`` is given, on a canvas of ``size``."""
        result = self._canvas(sample, size, partner)
        if partner is not None and happens(self.mixup):
            weight = float(torch.distributions.Beta(8.0, 8.0).sample())
            result = mixup(result, self._canvas(partner(), size, partner), weight)
        if partner is not None and happens(self.cutmix):
            result = cutmix(result, self._canvas(partner(), size, partner), draw_hole(size))
        result = self._recolored(result)
        if happens(self.erase):
            result = erase(result)
        return grid_mask(result) if happens(self.grid) else result

    def _canvas(self, sample: ImageSample, size: Size, partner: Partner | None) -> ImageSample:
        """Return one image, or a mosaic of four, after a random affine transform."""
        if partner is None or not happens(self.mosaic):
            return single(sample, size, self._matrix(size))
        x, y = (torch.rand(2) - 0.5).tolist()  # where the four meet, as a fraction of the canvas from its center
        samples = [sample, partner(), partner(), partner()]
        return mosaic(samples, size, (x * size[1], y * size[0]), self._matrix(size))

    def _matrix(self, size: Size) -> Matrix:
        """Draw the affine transform."""
        turn, shear_x, shear_y, scale, x, y = (2 * torch.rand(6) - 1).tolist()  # each in -1..1
        return affine_matrix(
            size,
            self.degrees * turn,
            (self.shear * shear_x, self.shear * shear_y),
            1 + self.scale * scale,
            (self.translate * x, self.translate * y),
            (happens(self.flip), happens(self.upside_down)),
        )

    def _recolored(self, sample: ImageSample) -> ImageSample:
        """Return the sample with a random change of hue, saturation and value."""
        hue, saturation, value = (2 * torch.rand(3) - 1).tolist()
        matrix = color_matrix(360 * self.hue * hue, 1 + self.saturation * saturation, 1 + self.value * value)
        return sample._replace(input=to_image(recolor(to_array(sample.input), matrix)))


@dataclass(frozen=True)
class Yolox(Yolov4):
    """Mosaic, geometric and color changes, for networks whose evaluation pads images on the right and below.

    The defaults are those of the smallest networks of the family (Ge et al. 2021, section 3): nothing is blended,
    replaced or hidden.

    Attributes:
        mixup, cutmix, erase: as in :class:`Yolov4`, and so are all others.
    """

    mixup: float = 0.0
    cutmix: float = 0.0
    erase: float = 0.0

    fit = "corner"
