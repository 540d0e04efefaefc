"""Which columns share a panel, and which cells are left out."""

from builders.plot_data import rows

from polyhead.analysis.curves import group, panel_of
from polyhead.kinds import kind_of

KINDS = {"food": kind_of("detection"), "times": kind_of("classification")}

SPLITS = ("train", "val")


def test_panels_put_train_and_val_together_and_leave_gaps_out() -> None:
    panels = group([{key: str(value) for key, value in row.items()} for row in rows()], KINDS)
    assert set(panels) == {"time / seconds", "loss", "food/box", "food: average precision", "lr"}
    assert panels["food/box"] == {
        "train": ([1, 2, 3, 4, 5], [2.0, 1.75, 1.5, 1.25, 1.0]),
        "val": ([1, 3, 5], [2.0] * 3),
    }
    assert panels["food: average precision"] == {"ap50": ([1, 3, 5], [0.0, 0.2, 0.4])}
    assert panel_of("lr/heads.food", KINDS) == ("lr", "heads.food")


def test_a_statistic_has_a_panel_of_its_own() -> None:
    """It may have the name of a loss, or of a score."""
    columns = [
        f"{prefix}{split}/food/{name}" for prefix in ("", "stats/") for split in SPLITS for name in ("box", "ap")
    ]
    panels = group([dict.fromkeys(columns, "1.0")], KINDS)
    expected = {"food/box", "food/ap", "food: average precision", "food/box (statistic)", "food/ap (statistic)"}
    assert set(panels) == expected
    assert list(panels["food/ap (statistic)"]) == list(SPLITS)


def test_scores_have_a_panel_of_their_own_unless_they_share_one() -> None:
    """A loss whose name begins as a score's does, or that is called as a score of another kind, is a loss."""
    expected = {
        "val/food/ap": ("food: average precision", "ap"),
        "train/food/ap": ("food/ap", "train"),
        "val/food/apart": ("food/apart", "val"),
        "val/times/ap": ("times/ap", "val"),
        "val/times/accuracy": ("times/accuracy", "val"),
        "val/unknown/ap": ("unknown/ap", "val"),
        "train/food/continual/class": ("food/continual/class", "train"),
        "train/loss": ("loss", "train"),
        "time": ("time / seconds", "time"),
    }
    assert {column: panel_of(column, KINDS) for column in expected} == expected
