"""Which columns share a panel, and which cells are left out."""

from builders.plot_data import rows

from polyhead.analysis.curves import group, panel_of


def test_panels_put_train_and_val_together_and_leave_gaps_out() -> None:
    panels = group([{key: str(value) for key, value in row.items()} for row in rows()])
    assert set(panels) == {"time / seconds", "loss", "food/box", "food: average precision", "lr"}
    assert panels["food/box"] == {
        "train": ([1, 2, 3, 4, 5], [2.0, 1.75, 1.5, 1.25, 1.0]),
        "val": ([1, 3, 5], [2.0] * 3),
    }
    assert panels["food: average precision"] == {"ap50": ([1, 3, 5], [0.0, 0.2, 0.4])}
    assert panel_of("lr/heads.food") == ("lr", "heads.food")
