import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.boxes.priors import cluster_sizes, mean_iou, shape_iou


def draw(seed: int, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 5 + 200 * torch.rand(count, 2, generator=generator) ** 2


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 60), clusters=st.integers(1, 9))
def test_clusters_are_sorted_repeatable_and_better_than_random_sizes(seed: int, count: int, clusters: int) -> None:
    sizes = draw(seed, count)
    found = cluster_sizes(sizes, clusters)
    assert found.shape == (clusters, 2)
    assert (found.prod(dim=1).diff() >= 0).all()
    assert torch.equal(found, cluster_sizes(sizes, clusters))
    random = [mean_iou(sizes, draw(seed + 1 + place, clusters)) for place in range(20)]  # one of them can be lucky
    assert mean_iou(sizes, found) >= torch.stack(random).mean() - 1e-6


def test_well_separated_sizes_are_found() -> None:
    centers = torch.tensor([[10.0, 12.0], [40.0, 20.0], [90.0, 150.0]])
    sizes = torch.cat([center * (1 + 0.01 * torch.randn(50, 2)) for center in centers])
    torch.testing.assert_close(cluster_sizes(sizes, 3), centers, rtol=0.02, atol=0)
    assert mean_iou(sizes, cluster_sizes(sizes, 3)) > 0.95


def test_fewer_sizes_than_clusters_are_repeated() -> None:
    found = cluster_sizes(torch.tensor([[10.0, 20.0]] * 4), 3)
    assert found[0].tolist() == [10, 20]
    assert (found.diff(dim=0) > 0).all()


def test_the_iou_of_shapes() -> None:
    values = shape_iou(torch.tensor([[10.0, 10.0]]), torch.tensor([[10.0, 10.0], [10.0, 20.0], [20.0, 5.0]]))
    torch.testing.assert_close(values, torch.tensor([[1.0, 0.5, 1 / 3]]))
