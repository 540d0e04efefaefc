"""Crop, zoom out, letterbox, resize and flip samples.

All axis-aligned geometry is one operation: a rectangle of the image's plane (a window) is resampled onto a canvas.
Chained steps are windows of windows, so an image is resampled only once, and only its visible part.
"""

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision import tv_tensors as tv

from polyhead.data.geometry.plane import ImageSample
from polyhead.types import IGNORED, Size

Window = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the image; may extend beyond the image."""

GRAY = 114
"""Gray level of the canvas where no image is."""

Span = tuple[int, int]
"""First pixel and the one after the last, along one axis."""

Spans = tuple[Span, Span]
"""Along one axis, the visible pixels of the image and the pixels of the canvas that show them."""


def full_window(sample: ImageSample) -> Window:
    """Return the window that shows exactly the image."""
    height, width = sample.input.shape[-2:]
    return 0.0, 0.0, float(width), float(height)


def crop_resize(sample: ImageSample, window: Window, size: Size) -> ImageSample:
    """Return the part of a sample inside ``window``, resized to a canvas of ``size``.

    The canvas is gray (mask: 255) where the window extends beyond the image. The window is rounded to whole pixels of
    image and canvas; boxes, frame and mask use the rounded window, so they stay exact. Objects whose center is
    outside the window are removed (SSD, section 2.2), the others are clipped to the visible part. Ignored boxes stay
    as long as any part is visible. Objects that end up narrower or lower than one pixel become ignored.

    Args:
        sample: the sample.
        window: must contain at least part of one pixel of the image.
        size: height and width of the canvas.
    """
    height, width = sample.input.shape[-2:]
    image_x, canvas_x = _spans(window[0], window[2], width, size[1])
    image_y, canvas_y = _spans(window[1], window[3], height, size[0])
    # A point p of the image is at scale * p + shift on the canvas. Double precision keeps boxes exact. [2] each
    scale = torch.tensor(
        [_length(canvas_x) / _length(image_x), _length(canvas_y) / _length(image_y)], dtype=torch.float64
    )
    shift = torch.tensor([canvas_x[0], canvas_y[0]]) - torch.tensor([image_x[0], image_y[0]]) * scale
    boxes = _moved(sample.boxes.as_subclass(Tensor).reshape(-1, 2, 2), scale, shift)  # [n, 2, 2]: two corners
    low, high = torch.tensor([canvas_x, canvas_y], dtype=boxes.dtype).unbind(1)  # [2] each: corners of what is shown
    center = boxes.mean(1)  # [n, 2]
    clipped = boxes.clamp(low, high)
    sides = clipped[:, 1] - clipped[:, 0]  # [n, 2]
    visible = (((center > low) & (center < high)).all(1) | sample.ignore) & (sides > 0).all(1)  # [n]
    rows, columns = (image_y, canvas_y), (image_x, canvas_x)
    image = _resample(sample.input, rows, columns, size)
    mask = sample.mask
    if mask is not None:
        mask = tv.Mask(_resample(mask[None], rows, columns, size, smooth=False)[0])
    return sample._replace(
        input=tv.Image(image),
        boxes=_boxes(clipped[visible].flatten(1), size),
        labels=sample.labels[visible],
        ignore=(sample.ignore | (sides < 1).any(1))[visible],
        frame=tv.KeyPoints(_moved(sample.frame.as_subclass(Tensor), scale, shift), canvas_size=size),
        mask=mask,
    )


def flip(sample: ImageSample) -> ImageSample:
    """Mirror a sample left and right.

    Coordinates are borders of pixels: x becomes ``width - x`` (torchvision maps points to ``width - 1 - x``).
    """
    height, width = sample.input.shape[-2:]
    boxes, frame = sample.boxes.as_subclass(Tensor).clone(), sample.frame.as_subclass(Tensor).clone()
    boxes[:, [0, 2]] = width - boxes[:, [2, 0]]  # left and right border swap
    frame[:, 0] = width - frame[:, 0]
    return sample._replace(
        input=tv.wrap(sample.input.flip(-1), like=sample.input),
        boxes=_boxes(boxes, (height, width)),
        frame=tv.KeyPoints(frame, canvas_size=(height, width)),
        mask=None if sample.mask is None else tv.wrap(sample.mask.flip(-1), like=sample.mask),
    )


def _moved(points: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Scale and shift points; the result has their type."""
    return (points.double() * scale + shift).to(points.dtype)


def _boxes(boxes: Tensor, size: Size) -> tv.BoundingBoxes:
    return tv.BoundingBoxes(boxes, format="XYXY", canvas_size=size)


def _length(span: Span) -> int:
    return span[1] - span[0]


def _spans(start: float, stop: float, length: int, canvas: int) -> Spans:
    """Return, along one axis, the visible pixels of the image and the pixels of the canvas that show them.

    Args:
        start: where the window begins, in pixels of the image.
        stop: where it ends.
        length: pixels of the image along this axis.
        canvas: pixels of the canvas.
    """
    first = min(max(round(start), 0), length - 1)
    last = max(min(round(stop), length), first + 1)  # at least one pixel
    scale = canvas / (stop - start)
    left = min(max(round((first - start) * scale), 0), canvas - 1)
    right = max(min(round((last - start) * scale), canvas), left + 1)
    return (first, last), (left, right)


def _resample(planes: Tensor, rows: Spans, columns: Spans, size: Size, *, smooth: bool = True) -> Tensor:
    """Crop uint8 ``[c, h, w]`` and resample the crop onto its region of a canvas ``[c, *size]``.

    Channels stay last in memory, as images are decoded: resampling plane by plane takes three times as long.

    Args:
        planes: the image, or the mask as one plane.
        rows: visible rows of the image and their rows of the canvas.
        columns: likewise.
        size: height and width of the canvas.
        smooth: whether to interpolate (image) or to take the nearest pixel (mask).
    """
    (image_y, canvas_y), (image_x, canvas_x) = rows, columns
    crop = planes.as_subclass(Tensor)[:, slice(*image_y), slice(*image_x)]
    sides = _length(canvas_y), _length(canvas_x)
    if crop.shape[1:] != sides:
        batch = crop.permute(1, 2, 0).contiguous()[None].permute(0, 3, 1, 2)  # [1, c, h, w], channels last in memory
        crop = interpolate(batch, sides, mode="bilinear" if smooth else "nearest-exact", antialias=smooth)[0]
    if sides == size:
        return crop
    # Created as [h, w, c], so that channels are last in memory here too.
    canvas = torch.full((*size, planes.shape[0]), GRAY if smooth else IGNORED, dtype=torch.uint8).permute(2, 0, 1)
    canvas[:, slice(*canvas_y), slice(*canvas_x)] = crop
    return canvas
