import torch
from torch import nn

from polyhead.nets.heads.towers import EfficientDetTower, SharedLayer, rows

SIDES = [6, 3, 2]


def tower(depth: int = 2) -> EfficientDetTower:
    torch.manual_seed(0)
    return EfficientDetTower([8] * 3, [9] * 3, 5, depth=depth)


def features(count: int = 2) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(count, 8, side, side, generator=generator) for side in SIDES]


def test_rows_have_one_box_each_and_are_ordered_cell_by_cell() -> None:
    cells = torch.arange(2 * 3.0).view(1, 1, 2, 3)
    numbers = torch.arange(4 * 5.0).view(1, 20, 1, 1)
    out = rows(100 * cells + numbers, 5)
    assert out.shape == (1, 24, 5)
    assert out[0, :, 0].tolist() == [100 * cell + 5 * box for cell in range(6) for box in range(4)]
    assert out[0, 0].tolist() == [0, 1, 2, 3, 4]


def test_rows_of_channels_last_maps_are_not_copied() -> None:
    feature = torch.randn(2, 20, 3, 4).contiguous(memory_format=torch.channels_last)
    assert rows(feature, 5).data_ptr() == feature.data_ptr()


def test_deltas_and_logits_of_all_levels() -> None:
    deltas, logits, objectness = tower()(features())
    count = 9 * sum(side**2 for side in SIDES)
    assert deltas.shape == (2, count, 4)
    assert logits.shape == (2, count, 5)
    assert objectness is None


def test_initially_every_class_is_improbable() -> None:
    for depth in (0, 3):
        _, logits, _ = tower(depth)(features())
        assert 0.002 < float(logits.detach().mean().sigmoid()) < 0.03


def test_levels_share_all_layers_except_batch_norm() -> None:
    layer = SharedLayer(8, 2)
    near, far = torch.randn(4, 8, 5, 5), 3 + torch.randn(4, 8, 5, 5)
    layer([near, far])
    assert len([part for part in layer.modules() if isinstance(part, nn.Conv2d)]) == 2
    first, second = layer.norms
    assert isinstance(first, nn.BatchNorm2d)
    assert isinstance(second, nn.BatchNorm2d)
    assert first.running_mean is not None
    assert second.running_mean is not None
    assert not torch.allclose(first.running_mean, second.running_mean, atol=1e-3)
    first.load_state_dict(second.state_dict())
    one, other = layer.eval()([near, near])
    torch.testing.assert_close(one, other)


def test_predictions_do_not_depend_on_other_images_of_the_batch() -> None:
    net = tower().eval()
    deltas, logits, _ = net(features())
    alone, own, _ = net([level[:1] for level in features()])
    torch.testing.assert_close((alone, own), (deltas[:1], logits[:1]))
