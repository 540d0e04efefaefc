"""Which columns share a panel, and which cells are left out."""

from pathlib import Path
from typing import Any

import pytest
from builders.plot_data import rows
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyhead.analysis.curves import first_epochs, group, mark_gap, panel_of, progress, split_at
from polyhead.kinds import kind_of

KINDS = {"food": kind_of("detection"), "times": kind_of("classification")}

SPLITS = ("train", "val")


def test_panels_put_train_and_val_together_and_leave_gaps_out() -> None:
    panels = group([{key: str(value) for key, value in row.items()} for row in rows()], KINDS)
    assert set(panels) == {"loss", "food/box", "food: average precision on val", "lr"}, (
        "time and selected are no curves"
    )
    assert panels["food/box"] == {
        "train": [(1, 2.0), (2, 1.75), (3, 1.5), (4, 1.25), (5, 1.0)],
        "val": [(1, 2.0), (3, 2.0), (5, 2.0)],
    }
    assert panels["food: average precision on val"] == {"ap50": [(1, 0.0), (3, 0.2), (5, 0.4)]}
    assert panel_of("lr/heads.food", KINDS) == ("lr", "heads.food")


def test_the_selected_epoch_and_its_gap_are_marked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawn: list[tuple[str, float]] = []
    texts: list[str] = []
    monkeypatch.setattr(Axes, "axvline", lambda self, x, **style: drawn.append((self.get_title(), x)))
    monkeypatch.setattr(Axes, "annotate", lambda self, text, *_, **__: texts.append(text))
    table = [
        {"stage": "0", "train/food/box": str(loss), "val/food/box": str(loss + 0.5), "selected": str(int(number == 1))}
        for number, loss in enumerate([3.0, 2.0, 1.0])
    ]
    progress(table, KINDS, "run", tmp_path / "curves.png")
    assert drawn == [("food/box", 2)]
    assert texts == ["val - train +0.5"]


@pytest.mark.parametrize(("selected", "side"), [(0, "left"), (1, "left"), (2, "right"), (3, "right")])
def test_the_text_of_a_gap_is_inside_the_plot(selected: int, side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sides: list[str] = []
    monkeypatch.setattr(Axes, "annotate", lambda *_, ha, **__: sides.append(ha))
    line = [(epoch, 1.0 - epoch / 10) for epoch in range(4)]
    mark_gap(Figure().add_subplot(), line, line, [selected])
    assert sides == [side]


def test_a_statistic_has_a_panel_of_its_own() -> None:
    """It may have the name of a loss, or of a score."""
    columns = [
        f"{prefix}{split}/food/{name}" for prefix in ("", "stats/") for split in SPLITS for name in ("box", "ap")
    ]
    panels = group([dict.fromkeys(columns, "1.0")], KINDS)
    expected = {"food/box", "food/ap", "food: average precision on val", "food/box (statistic)", "food/ap (statistic)"}
    assert set(panels) == expected
    assert list(panels["food/ap (statistic)"]) == list(SPLITS)


def test_scores_have_a_panel_of_their_own_unless_they_share_one() -> None:
    """A loss whose name begins as a score's does, or that is called as a score of another kind, is a loss."""
    expected = {
        "val/food/ap": ("food: average precision on val", "ap"),
        "train/food/ap": ("food/ap", "train"),
        "val/food/apart": ("food/apart", "val"),
        "val/times/ap": ("times/ap", "val"),
        "val/times/accuracy": ("times/accuracy on val", "accuracy"),
        "val/unknown/ap": ("unknown/ap", "val"),
        "train/food/continual/class": ("food/continual/class", "train"),
        "train/loss": ("loss", "train"),
    }
    assert {column: panel_of(column, KINDS) for column in expected} == expected


def test_lines_of_losses_end_with_their_stage_and_those_of_scores_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stages may sum other losses: 2.3 before and 11.8 after a border is no rise."""
    assert first_epochs([{"stage": stage} for stage in "00122"]) == [1, 3, 4]
    assert split_at([(1, 2.3), (2, 2.0), (3, 11.8)], [1, 3]) == [[(1, 2.3), (2, 2.0)], [(3, 11.8)]]
    lines: list[tuple[tuple[int, ...], tuple[float, ...]]] = []
    monkeypatch.setattr(Axes, "legend", lambda *_, **__: None)
    plot = Axes.plot

    def record(axes: Axes, x: tuple[int, ...], y: tuple[float, ...], **style: Any) -> object:
        lines.append((x, y))
        return plot(axes, x, y, **style)

    monkeypatch.setattr(Axes, "plot", record)
    progress([{key: str(value) for key, value in row.items()} for row in rows()], KINDS, "run", tmp_path / "a.png")
    assert ((1, 2, 3), (3.0, 2.5, 2.0)) in lines
    assert ((4, 5), (1.5, 1.0)) in lines
    assert ((1, 3, 5), (0.0, 0.2, 0.4)) in lines
