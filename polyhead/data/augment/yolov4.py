"""YOLOv4's augmentation (Bochkovskiy et al. 2020, sections 3.3 and 3.4), each part of it to be had alone."""

from dataclasses import dataclass, fields

import torch

from polyhead.data.augment.base import Look, Partner
from polyhead.data.augment.color import colour_matrix, recolour
from polyhead.data.augment.erasing import erase, grid_mask
from polyhead.data.augment.mixing import alone, cutmix, draw_hole, mixup, mosaic
from polyhead.data.geometry.affine import Matrix, camera, image, pixels
from polyhead.errors import PolyheadError
from polyhead.types import Sample, Size

MOST = {"degrees": 180.0, "shear": 44.0, "scale": 0.95, "translate": 1.0, "hue": 0.5, "saturation": 1.0, "value": 1.0}


@dataclass(frozen=True)
class Yolov4(Look):
    """Mosaic, MixUp and CutMix; moved, scaled, turned, sheared and mirrored; recoloured; partly hidden.

    The paper gives the parts, but few numbers. Chances and spans are those that training code of this family commonly
    uses, to be set one by one; 0 leaves a part out. Where pictures are not to be mixed (the last steps of a stage,
    :attr:`polyhead.engine.stage.Stage.mixing`), mosaic, MixUp and CutMix are left out.

    Attributes:
        mosaic: chance that four pictures share the canvas.
        mixup: chance that another such canvas is laid over it, about half and half.
        cutmix: chance that a part of it is cut out, and another such canvas is seen there.
        degrees: turned by so many at most, either way.
        shear: upright and level lines lean by so many degrees at most, either way.
        scale: 0.5 shows pictures at 0.5 to 1.5 of the size that fits on the canvas.
        translate: moved by such a share of the canvas at most, either way.
        flip: chance to be mirrored left and right.
        upside_down: chance to be mirrored top and bottom.
        hue: turned by such a share of the full circle at most, either way.
        saturation, value: multiplied by 1 - x to 1 + x.
        erase: chance that noise hides a rectangle.
        grid: chance that grey squares hide a quarter of the picture.
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
            most = MOST.get(field.name, 1.0)
            if not 0 <= getattr(self, field.name) <= most:
                given = getattr(self, field.name)
                raise PolyheadError(f"transforms: {field.name} must lie between 0 and {most:g}, got {given}")

    @property
    def mixes(self) -> bool:
        """With a mosaic, MixUp or CutMix."""
        return bool(self.mosaic or self.mixup or self.cutmix)

    def __call__(self, sample: Sample, size: Size, partner: Partner | None) -> Sample:
        """The sample, and what is mixed into it, on a canvas of ``size``."""
        seen = self._canvas(sample, size, partner)
        if partner is not None and _happens(self.mixup):
            weight = float(torch.distributions.Beta(8.0, 8.0).sample())
            seen = mixup(seen, self._canvas(partner(), size, partner), weight)
        if partner is not None and _happens(self.cutmix):
            seen = cutmix(seen, self._canvas(partner(), size, partner), draw_hole(size))
        seen = self._recoloured(seen)
        if _happens(self.erase):
            seen = erase(seen)
        return grid_mask(seen) if _happens(self.grid) else seen

    def _canvas(self, sample: Sample, size: Size, partner: Partner | None) -> Sample:
        """Four pictures or one, in a random place."""
        if partner is None or not _happens(self.mosaic):
            return alone(sample, size, self._camera(size))
        x, y = (torch.rand(2) - 0.5).tolist()
        samples = [sample, partner(), partner(), partner()]
        return mosaic(samples, size, (x * size[1], y * size[0]), self._camera(size))

    def _camera(self, size: Size) -> Matrix:
        turn, lean, tilt, scale, x, y = (2 * torch.rand(6) - 1).tolist()
        return camera(
            size,
            self.degrees * turn,
            (self.shear * lean, self.shear * tilt),
            1 + self.scale * scale,
            (self.translate * x, self.translate * y),
            (_happens(self.flip), _happens(self.upside_down)),
        )

    def _recoloured(self, sample: Sample) -> Sample:
        hue, saturation, value = (2 * torch.rand(3) - 1).tolist()
        matrix = colour_matrix(360 * self.hue * hue, 1 + self.saturation * saturation, 1 + self.value * value)
        return sample._replace(input=image(recolour(pixels(sample.input), matrix)))


def _happens(chance: float) -> bool:
    return float(torch.rand(())) < chance
