"""The sections of a run's data card."""

from pathlib import Path

from polyhead.analysis.report.card import card_questions, stated
from polyhead.run import Run

CARD = """# Data card: a

10 samples.

## Source and license

> **Question:** Where does it come from?

**Under which license?** MIT

![plot](plots/labels.a.png)

## Maintenance

> **Question:** Who corrects it?

# Data card: b\\_c

20 samples.

<!-- written by polyhead data card: 0123 -->
"""


def test_each_task_has_its_own_part_without_questions_and_plots(tmp_path: Path) -> None:
    (tmp_path / "data_card.md").write_text(CARD, encoding="utf-8")
    run = Run(tmp_path)
    assert stated(run, "a") == {"": "10 samples.", "Source and license": "**Under which license?** MIT"}
    assert stated(run, "b_c") == {"": "20 samples."}
    assert card_questions(run, "a") == ["Where does it come from?", "Who corrects it?"]
    assert card_questions(run, "b_c") == []


def test_without_a_card_nothing_is_stated(tmp_path: Path) -> None:
    assert stated(Run(tmp_path), "a") == {}
    assert card_questions(Run(tmp_path), "a") == []
