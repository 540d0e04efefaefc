"""Tables in Markdown."""

from polyhead.analysis.markdown import escape, table


def test_numbers_are_aligned_to_the_right_and_texts_to_the_left() -> None:
    lines = table(["name", "n", "score"], [["a", "1,200", "0.5 [0.4, 0.6]"], ["b", "-", "-"]]).splitlines()
    assert lines[1] == "| --- | ---: | ---: |"
    assert lines[2] == "| a | 1,200 | 0.5 [0.4, 0.6] |"


def test_a_column_of_dashes_is_no_column_of_numbers() -> None:
    assert table(["a"], [["-"]]).splitlines()[1] == "| --- |"
    assert table(["a"], []).splitlines()[1] == "| --- |"


def test_markup_and_line_breaks_in_names_are_escaped() -> None:
    assert escape("a|b\n<c> [d](e)") == r"a\|b\n\<c\> \[d\](e)".replace(r"\n", escape("\n"))
    assert "\n" not in escape("a\nb")
