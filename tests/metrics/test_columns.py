"""The columns of ``results.csv``."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyhead.kinds import KINDS, kind_of
from polyhead.metrics import columns
from polyhead.metrics.columns import Column

WORD = st.text(st.characters(exclude_characters="/", min_codepoint=32), min_size=1)


@given(st.sampled_from(columns.SPLITS), WORD, st.lists(WORD, min_size=1).map("/".join))
def test_a_column_is_parsed_back(split: str, task: str, name: str) -> None:
    assert columns.parse(str(Column(split, task, name))) == Column(split, task, name)


@pytest.mark.parametrize("column", ["lr", "time", "stage", "train/loss", "lr/heads.food", "lr/heads/food", ""])
def test_columns_of_the_run_are_of_no_task(column: str) -> None:
    assert columns.parse(column) is None


def test_the_columns_of_a_task_are_those_of_its_name_and_split() -> None:
    row = {
        "stage": "0",
        "train/food/box": "1",
        "val/food/box": "2",
        "val/foods/box": "3",
        "val/food/ap50": "",
        "lr": "1",
    }
    assert columns.task_columns(row, "food", "val") == ["val/food/box", "val/food/ap50"]
    assert columns.filled(row, columns.task_columns(row, "food", "val")) == [2.0]
    assert columns.trained_tasks([row, {"train/pets/class": "", "train/loss": "1"}]) == {"food"}


@pytest.mark.parametrize("name", KINDS)
def test_the_main_score_ranks_where_higher_is_better(name: str) -> None:
    kind = kind_of(name)
    assert columns.ranking_name(kind) == columns.score_names(kind)[0] == kind.main.name
    assert columns.SKILL not in columns.score_names(kind)
