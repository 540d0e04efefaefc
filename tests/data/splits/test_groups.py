"""Rules that say which samples belong together."""

from pathlib import Path

import pytest

from polyhead.data.splits.groups import groups_of
from polyhead.errors import PolyheadError
from polyhead.types import Entry

ENTRIES = [Entry(f"p{number % 3}_{number}", (f"/data/site{number % 2}/{number}.png",)) for number in range(6)]


def test_the_first_group_of_an_expression_is_the_group() -> None:
    assert groups_of(ENTRIES, r"^(p\d)_(\d)") == {entry.id: entry.id[:2] for entry in ENTRIES}
    assert groups_of(ENTRIES, r"^p\d") == groups_of(ENTRIES, r"^(p\d)_")


def test_folders_are_groups_wherever_the_data_is() -> None:
    moved = [Entry(entry.id, (entry.path.replace("/data/", "/mnt/other/"),)) for entry in ENTRIES]
    assert groups_of(ENTRIES, "folder") == groups_of(moved, "folder")
    assert set(groups_of(ENTRIES, "folder").values()) == {"site0", "site1"}


def test_samples_without_files_have_the_folder_of_their_id() -> None:
    assert groups_of([Entry("a/1"), Entry("a/2"), Entry("b/1")], "folder") == {"a/1": "a", "a/2": "a", "b/1": "b"}


def test_a_csv_file_lists_groups(tmp_path: Path) -> None:
    path = tmp_path / "patients.csv"
    path.write_text("id,group\n" + "".join(f"{entry.id},{number // 3}\n" for number, entry in enumerate(ENTRIES)))
    assert groups_of(ENTRIES, str(path)) == {entry.id: str(number // 3) for number, entry in enumerate(ENTRIES)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,group\na,b\n", "expected the columns id and group, got name, group"),
        ("id,group\np0_0,\n", "line 2: expected an id and a group, got an empty one"),
        ("id,group\np0_0,a\np0_0,b\n", "line 3: the id 'p0_0' is in the group 'a' already"),
        ("id,group\np0_0,a\n", r"5 samples of 6 without a group: p1_1, p2_2, p0_3 and 2 more"),
    ],
)
def test_a_wrong_csv_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "groups.csv"
    path.write_text(content)
    with pytest.raises(PolyheadError, match=message):
        groups_of(ENTRIES, str(path))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("(p", "expected 'folder', a CSV file, or a regular expression, but it is not a valid one"),
        (r"^(p[01])_", "2 samples of 6 without a group: p2_2, p2_5"),
        ("^(p)", "all 6 samples are in one group, so there is nothing to split"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused(rule: str, message: str) -> None:
    with pytest.raises(PolyheadError, match=message):
        groups_of(ENTRIES, rule)
