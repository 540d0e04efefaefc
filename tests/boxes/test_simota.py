import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import box_iou

from polyhead.boxes.anchors import Cells
from polyhead.boxes.coders import DeltaCoder
from polyhead.boxes.raw import BACKGROUND, IGNORE, DensePredictions
from polyhead.boxes.simota import simota
from polyhead.types import BoxBatch

CODER = DeltaCoder()
CANVAS = (64, 64)
CLASSES = 3
CELLS, STRIDES = Cells(2)([(8, 8), (4, 4)], [8, 16], CANVAS, torch.device("cpu"))


def draw(seed: int, images: int, most: int, ignored: float = 0.0) -> tuple[DensePredictions, BoxBatch]:
    """Return random predictions, and targets of which some rows are padding."""
    generator = torch.Generator().manual_seed(seed)
    count = CELLS.shape[0]
    raw = DensePredictions(
        torch.randn(images, count, 4, generator=generator),
        2 * torch.randn(images, count, CLASSES, generator=generator),
        2 * torch.randn(images, count, generator=generator),
        CELLS,
        STRIDES,
        CANVAS,
    )
    low = 50 * torch.rand(images, most, 2, generator=generator)
    boxes = torch.cat([low, low + 4 + 30 * torch.rand(images, most, 2, generator=generator)], 2).clamp(max=64)
    labels = torch.randint(-1, CLASSES, (images, most), generator=generator)
    ignore = (torch.rand(images, most, generator=generator) < ignored) & (labels >= 0)
    return raw, BoxBatch(boxes, labels, ignore, torch.ones(images, CLASSES, dtype=torch.bool))


def match_slowly(raw: DensePredictions, batch: BoxBatch, image: int) -> list[int]:
    """Match the cells of one image target by target, as the paper describes it."""
    assert raw.objectness is not None
    predicted = CODER.decode(raw.deltas, raw.anchors, raw.strides)[image]
    middles = raw.anchors[:, :2] + raw.strides[:, None] / 2
    scores = (raw.logits[image].sigmoid() * raw.objectness[image].sigmoid()[:, None]).sqrt()
    bids: dict[int, list[tuple[float, int]]] = {}
    for target, (box, label) in enumerate(zip(batch.boxes[image], batch.labels[image].tolist(), strict=True)):
        if label < 0 or batch.ignore[image, target]:
            continue
        center = (box[:2] + box[2:]) / 2
        costs, overlaps = [], []
        for cell, (x, y) in enumerate(middles.tolist()):
            inside = bool(box[0] < x < box[2] and box[1] < y < box[3])
            near = bool((middles[cell] - center).abs().max() < 2.5 * raw.strides[cell])
            if not (inside or near):
                continue
            overlap = float(box_iou(box[None], predicted[cell][None]))
            expected = F.one_hot(torch.tensor(label), CLASSES).float()
            classes = float(F.binary_cross_entropy(scores[cell], expected, reduction="sum"))
            far = 0.0 if inside and near else 1e5
            costs.append((classes - 3 * float(torch.log(torch.tensor(overlap + 1e-8))) + far, cell))
            overlaps.append(overlap)
        count = max(1, int(sum(sorted(overlaps, reverse=True)[:10])))
        for cost, cell in sorted(costs)[:count]:
            bids.setdefault(cell, []).append((cost, target))
    index = [min(bids[cell])[1] if cell in bids else BACKGROUND for cell in range(raw.anchors.shape[0])]
    ignore(index, predicted, batch.boxes[image][batch.ignore[image]])
    return index


def ignore(index: list[int], predicted: torch.Tensor, spared: torch.Tensor) -> None:
    """Mark the cells without an object whose box is mostly within an ignored one."""
    for cell, box in enumerate(predicted):
        area = float((box[2:] - box[:2]).prod())
        shared = [
            float((torch.minimum(box[2:], a[2:]) - torch.maximum(box[:2], a[:2])).clamp(min=0).prod()) for a in spared
        ]
        if index[cell] == BACKGROUND and any(each > 0.5 * area for each in shared):
            index[cell] = IGNORE


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32), images=st.integers(1, 3), most=st.integers(1, 5), ignored=st.sampled_from([0.0, 0.4])
)
def test_it_equals_matching_target_by_target(seed: int, images: int, most: int, ignored: float) -> None:
    raw, batch = draw(seed, images, most, ignored)
    index = simota(raw, CODER, batch)
    assert index.tolist() == [match_slowly(raw, batch, image) for image in range(images)]


def test_every_target_on_the_canvas_gets_a_cell_unless_others_need_it() -> None:
    raw, batch = draw(1, 2, 1)
    index = simota(raw, CODER, batch._replace(labels=torch.zeros(2, 1, dtype=torch.int64)))
    assert (index == 0).any(dim=1).all()


def test_an_image_without_objects_is_background() -> None:
    raw, batch = draw(2, 2, 3)
    index = simota(raw, CODER, batch._replace(labels=torch.full((2, 3), -1)))
    assert (index == BACKGROUND).all()


def test_extreme_predictions_give_finite_costs() -> None:
    raw, batch = draw(3, 1, 2)
    huge = torch.full_like(raw.logits, 200.0)
    assert raw.objectness is not None
    labels = torch.zeros(1, 2, dtype=torch.int64)
    for logits in (huge, -huge):
        certain = raw._replace(logits=logits, objectness=torch.full_like(raw.objectness, float(logits[0, 0, 0])))
        assert (simota(certain, CODER, batch._replace(labels=labels)) >= 0).any()


def test_cells_have_their_corner_as_center() -> None:
    assert CELLS[:3].tolist() == [[0, 0, 8, 8], [8, 0, 8, 8], [16, 0, 8, 8]]
    assert CELLS[64:66].tolist() == [[0, 0, 16, 16], [16, 0, 16, 16]]
    assert Tensor(STRIDES).tolist() == [8.0] * 64 + [16.0] * 16
