"""One function for all axis-aligned geometry: look at a sample through a window.

Cropping, zooming out, letterboxing and resizing are the same act, a rectangle of the picture's plane shown on a canvas.
Chained steps are windows of windows, so a picture is resampled once, and only the part of it that is seen.
"""

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision import tv_tensors as tv

from polyhead.types import IGNORED, Sample, Size

Window = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the picture; may reach beyond it."""

GREY = 114
Span = tuple[int, int]
Spans = tuple[Span, Span]


def whole(sample: Sample) -> Window:
    """The window that shows exactly the picture."""
    height, width = sample.input.shape[-2:]
    return 0.0, 0.0, float(width), float(height)


def view(sample: Sample, window: Window, size: Size) -> Sample:
    """What is seen through ``window``, on a canvas of ``size``; grey (mask: 255) where the window leaves the picture.

    The window is rounded to whole pixels of picture and canvas; boxes, frame and mask follow the rounded one, so they
    stay exact. Objects whose centre is not seen are dropped (SSD, section 2.2), the others clipped to what is seen.
    Ignored boxes are kept as long as any part is seen, and objects that came out under one pixel wide or high, where
    there is nothing left to see, become ignored. The window must show at least part of one pixel of the picture.
    """
    height, width = sample.input.shape[-2:]
    seen_x, spot_x = _spans(window[0], window[2], width, size[1])
    seen_y, spot_y = _spans(window[1], window[3], height, size[0])
    scale = torch.tensor([_length(spot_x) / _length(seen_x), _length(spot_y) / _length(seen_y)], dtype=torch.float64)
    shift = torch.tensor([spot_x[0], spot_y[0]]) - torch.tensor([seen_x[0], seen_y[0]]) * scale

    def move(points: Tensor) -> Tensor:
        return (points.double() * scale + shift).to(points.dtype)

    boxes = move(sample.boxes.as_subclass(Tensor).reshape(-1, 2, 2))
    low, high = torch.tensor([spot_x, spot_y], dtype=boxes.dtype).unbind(1)
    centre = boxes.mean(1)
    clipped = boxes.clamp(low, high)
    sides = clipped[:, 1] - clipped[:, 0]
    keep = (((centre > low) & (centre < high)).all(1) | sample.ignore) & (sides > 0).all(1)
    rows, columns = (seen_y, spot_y), (seen_x, spot_x)
    picture = _show(sample.input, rows, columns, size)
    mask = sample.mask
    if mask is not None:
        mask = tv.Mask(_show(mask[None], rows, columns, size, smooth=False)[0])
    return sample._replace(
        input=tv.Image(picture),
        boxes=_boxes(clipped[keep].flatten(1), size),
        labels=sample.labels[keep],
        ignore=(sample.ignore | (sides < 1).any(1))[keep],
        frame=tv.KeyPoints(move(sample.frame.as_subclass(Tensor)), canvas_size=size),
        mask=mask,
    )


def flip(sample: Sample) -> Sample:
    """Mirror left and right; a border at x comes to ``width - x`` (torchvision takes points to ``width - 1 - x``)."""
    height, width = sample.input.shape[-2:]
    boxes, frame = sample.boxes.as_subclass(Tensor).clone(), sample.frame.as_subclass(Tensor).clone()
    boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
    frame[:, 0] = width - frame[:, 0]
    return sample._replace(
        input=tv.wrap(sample.input.flip(-1), like=sample.input),
        boxes=_boxes(boxes, (height, width)),
        frame=tv.KeyPoints(frame, canvas_size=(height, width)),
        mask=None if sample.mask is None else tv.wrap(sample.mask.flip(-1), like=sample.mask),
    )


def _boxes(boxes: Tensor, size: Size) -> tv.BoundingBoxes:
    return tv.BoundingBoxes(boxes, format="XYXY", canvas_size=size)


def _length(span: Span) -> int:
    return span[1] - span[0]


def _spans(start: float, stop: float, length: int, canvas: int) -> Spans:
    """Along one axis, the pixels of the picture that are seen, and the pixels of the canvas that show them."""
    first = min(max(round(start), 0), length - 1)
    last = max(min(round(stop), length), first + 1)
    scale = canvas / (stop - start)
    left = min(max(round((first - start) * scale), 0), canvas - 1)
    right = max(min(round((last - start) * scale), canvas), left + 1)
    return (first, last), (left, right)


def _show(planes: Tensor, rows: Spans, columns: Spans, size: Size, *, smooth: bool = True) -> Tensor:
    """Cut what is seen out of uint8 ``[c, h, w]`` and resample it onto its spot of a canvas.

    Channels are kept last in memory, as pictures are decoded: resampling them plane by plane takes three times as long.
    """
    (seen_y, spot_y), (seen_x, spot_x) = rows, columns
    part = planes.as_subclass(Tensor)[:, slice(*seen_y), slice(*seen_x)]
    sides = _length(spot_y), _length(spot_x)
    if part.shape[1:] != sides:
        batch = part.permute(1, 2, 0).contiguous()[None].permute(0, 3, 1, 2)
        part = interpolate(batch, sides, mode="bilinear" if smooth else "nearest-exact", antialias=smooth)[0]
    if sides == size:
        return part
    canvas = torch.full((*size, planes.shape[0]), GREY if smooth else IGNORED, dtype=torch.uint8).permute(2, 0, 1)
    canvas[:, slice(*spot_y), slice(*spot_x)] = part
    return canvas
