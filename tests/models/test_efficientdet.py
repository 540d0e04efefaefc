import pytest
import torch
from builders.image_batches import images, target
from torchvision.ops import box_iou

from polyhead.boxes.raw import DensePredictions
from polyhead.config import recipe
from polyhead.errors import PolyheadError
from polyhead.models import efficientdet
from polyhead.models.efficientdet import SCALES
from polyhead.nets.heads.dense import Dense
from polyhead.types import Detections, TaskInfo

BACKBONE = "test_resnet"


def test_efficientdet_d0_has_as_many_parameters_as_that_of_the_paper() -> None:
    """3.9 million parameters (table 2), exactly as many as effdet's D0 with its 90 classes."""
    model = efficientdet().build({"coco": TaskInfo([str(i) for i in range(90)])})
    counts = [sum(p.numel() for p in part.parameters()) for part in (model.backbone, model.neck, model.heads)]
    assert counts == [3595388, 194361, 69162 + 18852]
    assert (model.size, model.pyramid_spec()) == ((512, 512), ([64] * 5, [8, 16, 32, 64, 128]))


def test_scales_set_defaults_that_arguments_override() -> None:
    assert [size for _, size, *_ in SCALES.values()] == [512, 640, 768, 896, 1024, 1280, 1280, 1536]
    model = efficientdet(BACKBONE, scale="d7", width=16, repeats=1, depth=0).build({"pets": TaskInfo(["cat"])})
    assert model.size == (1536, 1536)
    assert model.pyramid_spec().channels == [16] * 5
    assert len(model.neck[0].layers) == 1  # type: ignore[arg-type]
    assert efficientdet(BACKBONE, size=64, scale="d1").build({}).pyramid_spec().channels == [88] * 5
    assert efficientdet(BACKBONE, size="d1").build({}).pyramid_spec().channels == [88] * 5
    with pytest.raises(PolyheadError, match=r"there is no scale 'd9'; choose from d0, d1,"):
        efficientdet(BACKBONE, size="d9")


@pytest.mark.parametrize(
    ("backbone", "size"), [("cspdarknet53", 128), ("efficientnet_b0", 320), ("mobilenetv2_100", 511), (BACKBONE, 100)]
)
def test_efficientdet_works_with_any_backbone_and_any_size(backbone: str, size: int) -> None:
    torch.manual_seed(0)
    model = (
        efficientdet(backbone, size=size, width=16, repeats=1, depth=1).build({"pets": TaskInfo(["cat", "dog"])}).eval()
    )
    with torch.inference_mode():
        raw: DensePredictions = model(images(1, size))["pets"]
        (found,) = model.head("pets").decode(raw)
    assert isinstance(found, Detections)
    assert raw.deltas.shape == (1, 9 * sum((-(-size // stride)) ** 2 for stride in model.pyramid_spec().strides), 4)
    assert raw.logits.shape[2] == 2
    assert abs(float(raw.logits.sigmoid().median()) - 0.01) < 0.01
    assert found.boxes.min() >= 0
    assert found.boxes.max() <= size


def test_perfect_predictions_have_no_loss_and_decode_to_the_targets() -> None:
    given = target(256)
    model = efficientdet(BACKBONE, size=256, width=16, repeats=1, depth=0, loss="ciou").build(
        {"pets": TaskInfo(["cat", "dog"])}
    )
    head = model.head("pets")
    assert isinstance(head, Dense)
    raw: DensePredictions = model(given.inputs)["pets"]
    index = head.matcher(raw, head.coder, given.target)
    assigned = index.clamp(min=0)
    boxes = given.target.boxes.gather(1, assigned[..., None].expand(-1, -1, 4))
    labels = torch.where(index >= 0, given.target.labels.gather(1, assigned), 2)
    perfect = raw._replace(
        deltas=head.coder.encode(boxes, raw.anchors, raw.strides).masked_fill((index < 0)[..., None], 0.0),
        logits=50 * torch.nn.functional.one_hot(labels, 3)[..., :2].float() - 25,
    )
    assert all(float(loss.value) < 1e-4 for loss in head.losses(perfect, given).values())
    for i, found in enumerate(head.decode(perfect)):
        real = given.target.labels[i] >= 0
        assert sorted(found.labels.tolist()) == sorted(given.target.labels[i][real].tolist())
        assert (box_iou(given.target.boxes[i][real], found.boxes).amax(dim=1) > 0.999).all()


@pytest.mark.parametrize("loss", ["huber", "ciou"])
def test_efficientdet_trains_in_bfloat16_with_anchors_in_float32(loss: str) -> None:
    torch.manual_seed(0)
    given = target(256)
    model = efficientdet(BACKBONE, size=256, width=16, repeats=1, depth=1, loss=loss)  # type: ignore[arg-type]
    head = model.build({"pets": TaskInfo(["cat", "dog"])}).head("pets")
    plain: DensePredictions = model(given.inputs)["pets"]
    with torch.autocast("cpu", torch.bfloat16):
        raw: DensePredictions = model(given.inputs)["pets"]
        losses = head.losses(raw, given)
    assert torch.equal(raw.anchors, plain.anchors)
    assert {raw.deltas.dtype, raw.logits.dtype, raw.anchors.dtype} == {torch.float32}
    torch.autograd.backward(torch.stack([loss.value for loss in losses.values()]).sum())
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_efficientdet_has_a_short_name_in_recipes() -> None:
    spec = {"class_path": "efficientdet", "init_args": {"backbone": BACKBONE, "scale": "d1", "size": 96}}
    model = recipe.build_model(spec).build({})
    assert model.size == (96, 96)
    assert model.pyramid_spec().channels == [88] * 5
