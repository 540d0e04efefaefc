import torch
from torch import Tensor
from torchvision.ops import box_iou

from polyhead.boxes.nms import clip
from polyhead.boxes.raw import DensePredictions
from polyhead.models.ssd import SsdHead
from polyhead.nets.heads.dense import Dense
from polyhead.types import Batch, BoxBatch, Meta, Pyramid, PyramidSpec, TaskInfo

NAMES = ["cat", "dog", "owl"]
CANVAS = (300, 300)
SHAPES = [38, 19, 10, 5]


def head() -> Dense:
    torch.manual_seed(0)
    return SsdHead(PyramidSpec([8] * 4, [8, 16, 32, 64]), TaskInfo(NAMES))


def pyramid(count: int = 2) -> Pyramid:
    generator = torch.Generator().manual_seed(0)
    return Pyramid([torch.randn(count, 8, side, side, generator=generator) for side in SHAPES], CANVAS)


def batch(boxes: Tensor, labels: Tensor) -> Batch:
    count = boxes.shape[0]
    annotated = torch.ones(count, len(NAMES), dtype=torch.bool)
    found = BoxBatch(boxes, labels, torch.zeros_like(labels, dtype=torch.bool), annotated)
    return Batch(torch.zeros(count, 3, 1, 1, dtype=torch.uint8), found, [Meta("")] * count)


def target() -> Batch:
    boxes = torch.tensor([[[20.0, 30, 120, 200], [100, 100, 130, 140]], [[0, 0, 300, 300], [0, 0, 0, 0]]])
    return batch(boxes, torch.tensor([[0, 2], [1, -1]]))


def test_bfloat16_changes_neither_anchors_nor_losses() -> None:
    dense = head()
    plain: DensePredictions = dense(pyramid())
    with torch.autocast("cpu", torch.bfloat16):
        raw: DensePredictions = dense(pyramid())
        losses = dense.losses(raw, target())
        found = dense.decode(raw)
    assert torch.equal(raw.anchors, plain.anchors)
    assert (
        plain.anchors.bfloat16().float() - plain.anchors
    ).abs().max() > 0.4  # the shift in pixels that float32 avoids
    assert {raw.deltas.dtype, raw.logits.dtype, raw.anchors.dtype, raw.strides.dtype} == {torch.float32}
    outside = dense.losses(raw, target())
    assert all(torch.equal(losses[name].value, outside[name].value) for name in ("box", "class"))
    assert torch.equal(found[0].boxes, dense.decode(raw)[0].boxes)


def test_a_loss_can_depend_on_the_progress_of_the_training() -> None:
    dense = head()
    dense.weighted_losses["late"] = (2.0, lambda matched: (matched.raw.deltas.new_tensor(matched.progress > 0.9), 1))
    raw: DensePredictions = dense(pyramid())
    values = [float(dense.losses(raw, target(), progress)["late"].value) for progress in (0.5, 0.95)]
    assert values == [0.0, 2.0]


def test_perfect_predictions_have_no_loss_and_decode_to_the_targets() -> None:
    dense = head()
    given = target()
    raw: DensePredictions = dense(pyramid())
    index = dense.matcher(raw, dense.coder, given.target)
    assigned = index.clamp(min=0)
    boxes = given.target.boxes.gather(1, assigned[..., None].expand(-1, -1, 4))
    labels = torch.where(index >= 0, given.target.labels.gather(1, assigned), len(NAMES))
    perfect = raw._replace(
        deltas=dense.coder.encode(boxes, raw.anchors, raw.strides).masked_fill((index < 0)[..., None], 0.0),
        logits=50 * torch.nn.functional.one_hot(labels, len(NAMES) + 1).float(),
    )
    assert all(float(loss.value) < 1e-5 for loss in dense.losses(perfect, given).values())
    for i, found in enumerate(dense.decode(perfect)):
        real = given.target.labels[i] >= 0
        assert sorted(found.labels.tolist()) == sorted(given.target.labels[i][real].tolist())
        assert (box_iou(given.target.boxes[i][real], found.boxes).amax(dim=1) > 0.999).all()


def test_initially_nearly_every_anchor_predicts_background() -> None:
    dense = head()
    scores = dense.scores(dense(pyramid())).detach()
    assert abs(float(scores.sum(dim=2).mean()) - 0.1) < 0.02


def test_detections_are_inside_the_canvas_and_sorted_by_score() -> None:
    dense = head()
    raw: DensePredictions = dense(pyramid())
    for found in dense.decode(raw._replace(deltas=30 * torch.randn(raw.deltas.shape))):
        assert found.boxes.min() >= 0
        assert found.boxes.max() <= 300
        assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
        assert found.scores.diff().max() <= 0


def test_each_detection_has_the_anchor_that_predicted_it() -> None:
    dense = head()
    raw: DensePredictions = dense(pyramid())
    raw = raw._replace(deltas=3 * torch.randn(raw.deltas.shape))
    boxes = clip(dense.coder.decode(raw.deltas, raw.anchors, raw.strides), raw.canvas)
    for i, found in enumerate(dense.decode(raw)):
        assert found.anchors is not None
        assert len(found.anchors) > 50
        assert torch.equal(boxes[i, found.anchors], found.boxes)
        assert torch.equal(dense.scores(raw)[i, found.anchors, found.labels], found.scores)


def test_deltas_and_anchors_have_the_same_order() -> None:
    """A change of one cell changes only predictions at anchors within the reach of the 3x3 convolution."""
    dense = head()
    features = pyramid(1)
    before: DensePredictions = dense(features)
    features.levels[2][0, :, 4, 7] += 10
    after: DensePredictions = dense(features)
    moved = (before.deltas != after.deltas).any(dim=2)[0]
    middle = torch.tensor([7.5 * 30, 4.5 * 30])
    assert 0 < moved.sum() <= 9 * 6
    assert ((before.anchors[moved, :2] - middle).abs() <= 30).all()
    assert (before.strides[moved] == 32).all()


def test_a_box_is_explained_by_the_logits_of_its_own_anchor() -> None:
    dense = head()
    raw: DensePredictions = dense(pyramid(1))
    (found,) = dense.decode(raw)
    assert found.anchors is not None
    for index in range(3):
        anchor, label = found.anchors[index], found.labels[index]
        assert dense.logit(raw, found, index) == raw.logits[0, anchor, label]
        objectness = torch.linspace(-1, 1, raw.logits.shape[1])[None]
        with_objects = raw._replace(objectness=objectness)
        assert dense.logit(with_objects, found, index) == raw.logits[0, anchor, label] + objectness[0, anchor]
