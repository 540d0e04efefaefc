"""Names that tasks can have; parts that are built late; several backbones in one model."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from builders.image_batches import images
from builders.toy_inputs import SPECS, LateTiny, Rows, Tiny, Words, texts, texts_and_rows
from builders.toy_parts import toy_model

from polyhead.engine.fit import build_heads
from polyhead.errors import PolyheadError
from polyhead.models import ssd300
from polyhead.nets.backbones.timm import Timm
from polyhead.nets.heads.classify import Classify
from polyhead.nets.model import Model
from polyhead.nets.necks.fpn import Fpn
from polyhead.rng import fork_rng
from polyhead.types import Inputs, InputSpec, Pyramid, PyramidSpec, TaskInfo

INFO = TaskInfo(["a", "b"])


@pytest.mark.parametrize(
    "task", ["", "a.b", "a/b", "a,b", "a=b", "train", "keys", "training", "continual", "loss", "a\x1b", "a\nb"]
)
def test_task_names_that_cannot_be_used_are_refused(task: str) -> None:
    with pytest.raises(PolyheadError) as caught:
        toy_model().build({task: TaskInfo(["cat"])})
    assert str(caught.value) == (
        f"{task!r} is not a valid task name: expected a non-empty, printable name without any of . / \\ , = that is "
        "neither a method of torch's modules nor loss or continual. Rename the task in data:."
    )


def test_a_late_backbone_is_built_once_from_its_inputs() -> None:
    model = Model(LateTiny, [Fpn], Classify, (64, 48))
    assert not list(model.parameters())
    with pytest.raises(PolyheadError, match=r"^the model has no backbone yet\. Call its method build first\.$"):
        model(images(1, 64))
    model.build({"a": INFO}).build({"b": INFO})
    assert isinstance(model.backbone, LateTiny)
    assert model.backbone.spec == InputSpec("image", (64, 48))
    assert model.pyramid_spec() == PyramidSpec([256] * 3, [8, 16, 32])
    built = model.backbone
    assert model.build({"c": INFO}).backbone is built
    given = Model(LateTiny, [], Classify, (64, 48)).build({"a": INFO}, {"a": SPECS["houses"]}).backbone
    assert isinstance(given, LateTiny)
    assert given.spec == SPECS["houses"]


def test_parts_have_the_same_order_whether_they_are_built_at_once_or_late() -> None:
    late, early = (Model(part, [Fpn], Classify, (64, 64)).build({"a": INFO}) for part in (LateTiny, Tiny()))
    names = [name for name, _ in late.named_parameters()]
    assert names == [name for name, _ in early.named_parameters()]
    assert list(dict.fromkeys(name.split(".")[0] for name in names)) == ["backbone", "neck", "heads"]
    assert list(late.state_dict()) == list(early.state_dict())


def test_initial_weights_of_the_trunk_and_of_the_heads_are_functions_of_the_seed() -> None:
    from builders.training_process import toy_tasks

    tasks = {"tints": toy_tasks(0)["tints"]}
    model = ssd300("test_resnet", size=64, width=8)
    torch.rand(5)  # what was drawn before does not matter
    build_heads(model, tasks, 3)
    with fork_rng(3, "weights"):
        backbone = Timm("test_resnet")
        necks = [factory(PyramidSpec(backbone.channels, backbone.strides)) for factory in model.neck_factories]
    with fork_rng(3, "weights"):
        head = model.head_factories["*"](model.pyramid_spec(), tasks["tints"].info)
    for part, expected in ((model.backbone, backbone), (model.neck[0], necks[0]), (model.head("tints"), head)):
        state = part.state_dict()
        assert all(torch.equal(state[name], value) for name, value in expected.state_dict().items())


def test_tasks_with_other_inputs_have_their_own_backbone() -> None:
    model = texts_and_rows().build(dict.fromkeys(SPECS, INFO), SPECS)
    names = {".".join(name.split(".")[:2]) for name in model.state_dict()}
    assert names == {"backbone.text", "backbone.rows", "heads.news", "heads.reviews", "heads.houses"}
    assert [model.pyramid_spec(task).channels for task in SPECS] == [[8], [8], [4]]
    inputs: dict[str, Inputs] = {"news": texts(3, 6), "houses": torch.randn(2, 3), "reviews": texts(2, 6, seed=1)}
    passes = []
    for part in ("text", "rows"):
        model.get_submodule(f"backbone.{part}").register_forward_hook(lambda module, *_: passes.append(type(module)))
    features = model.features(inputs)
    assert passes == [Words, Rows]
    assert list(features) == list(inputs)
    for task, value in inputs.items():
        alone = model.trunk(value, task)
        torch.testing.assert_close(features[task].levels, alone.levels, atol=1e-6, rtol=0)
        assert (features[task].mask is None) is (task == "houses")
        if alone.mask is not None:
            assert torch.equal(features[task].mask, alone.mask)  # type: ignore[arg-type]  # it is not None
    twin = deepcopy(model)
    assert all(torch.equal(value, twin.state_dict()[name]) for name, value in model.state_dict().items())


def test_texts_of_other_lengths_go_through_the_trunk_alone() -> None:
    model = texts_and_rows().build(dict.fromkeys(SPECS, INFO), SPECS)
    passes = []
    model.get_submodule("backbone.text").register_forward_hook(lambda *_: passes.append(1))
    features = model.features({"news": texts(3, 6), "reviews": texts(2, 5)})
    assert len(passes) == 2
    assert [pyramid.levels[0].shape for pyramid in features.values()] == [(3, 8, 6), (2, 8, 5)]


def test_a_model_with_two_backbones_learns() -> None:
    torch.manual_seed(0)
    model = texts_and_rows().build(dict.fromkeys(SPECS, INFO), SPECS)
    inputs: dict[str, Inputs] = {"news": texts(4, 6), "reviews": texts(4, 6, seed=1), "houses": torch.randn(4, 3)}
    target = torch.tensor([0, 1, 0, 1])
    optimizer = torch.optim.Adam(model.parameters(), 0.03)
    losses = []
    for _ in range(60):
        raws = {task: model.head(task)(pyramid) for task, pyramid in model.features(inputs).items()}
        loss = torch.stack([torch.nn.functional.cross_entropy(raw.logits, target) for raw in raws.values()]).sum()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.2 * losses[0]


def test_backbones_with_the_same_pyramid_share_the_necks() -> None:
    parts = {"photo": partial(LateTiny, width=4), "scan": partial(LateTiny, width=4)}
    model = Model(parts, [partial(Fpn, width=6)], Classify, (64, 64))
    model.build({"a": INFO, "b": INFO}, {"a": InputSpec("photo"), "b": InputSpec("scan")})
    assert len(model.neck) == 1
    features: dict[str, Pyramid] = model.features({"a": images(2, 64), "b": images(1, 64)})
    assert [level.shape[1] for level in features["b"].levels] == [6, 6, 6]
    other = Model({**parts, "scan": LateTiny}, [Fpn], Classify, (64, 64))
    with pytest.raises(PolyheadError, match=r"the backbones do not fit the same necks: that of 'scan' has Pyr"):
        other.build({"a": INFO, "b": INFO}, {"a": InputSpec("photo"), "b": InputSpec("scan")})


def test_only_backbones_that_tasks_need_are_built() -> None:
    model = texts_and_rows().build({"houses": INFO}, SPECS)
    assert list(model.pyramids) == ["rows"]
    model.build({"news": INFO}, SPECS)
    assert list(model.pyramids) == ["rows", "text"]


def test_inputs_without_a_backbone_are_refused() -> None:
    with pytest.raises(PolyheadError) as caught:
        texts_and_rows().build({"a": INFO})
    assert str(caught.value) == (
        "the model has no backbone for the inputs of task 'a' (image), only for text, rows. Add it to the model's "
        "backbones: model.backbone.image."
    )
    with pytest.raises(PolyheadError, match=r"^tasks 'news' and 'houses' read different inputs \(text and rows\)"):
        Model(Words, [], Classify, (1, 1)).build({"news": INFO, "houses": INFO}, SPECS)
    model = texts_and_rows().build({"news": INFO}, SPECS)
    with pytest.raises(PolyheadError, match=r"^the model has no task 'newz'; did you mean 'news'\?$"):
        model.trunk(texts(1, 2), "newz")
