"""YAML is read without losing a key, in bounded memory and time, and a fault names its line."""

import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as options
from hypothesis import strategies as st

from polyhead.commands.extend import settings
from polyhead.data.formats.settings import parse_settings
from polyhead.data.io import yaml_files
from polyhead.data.io.yaml_files import load_yaml, require_bounded, yaml_value
from polyhead.errors import InvalidFileError, PolyheadError

LAUGHS = "a0: &a0 [ha, ha]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
MERGES = "m0: &m0 {a: 1, b: 2}\n" + "".join(f"m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}]}}\n" for n in range(1, 40))


def load(text: str, folder: Path) -> object:
    path = folder / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return load_yaml(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3),
    max_leaves=12,
)


@options(deadline=None)
@given(VALUES)
def test_it_reads_what_pyyaml_reads(value: object) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    assert yaml_value(text, "x") == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a: 1\nb: 2\na: 3\n", (3, "line 1")),
        ("x:\n  a: 1\n  b: {c: 1}\n  a: 3\n", (4, "line 2")),
        ("names: {0: cat, 1: dog, 1: cow}\n", (1, "the same line")),
        ("{1: a, 0x1: b}", (1, "the same line")),
        ("yes: a\ntrue: b\n", (2, "line 1")),
        ("- a: &x {k: 1,\n   k: 2}\n- *x\n", (2, "line 1")),
        ("=: 1\n=: 2\n", (2, "line 1")),
    ],
)
def test_a_key_that_is_given_twice_is_refused_with_both_lines(
    text: str, lines: tuple[int, str], tmp_path: Path
) -> None:
    with pytest.raises(InvalidFileError, match="is given twice") as caught:
        load(text, tmp_path)
    assert f"x.yaml: line {lines[0]}: the key" in str(caught.value)
    assert f"first on {lines[1]}; rename or delete one of the two" in str(caught.value)


def test_merge_keys_and_aliases_stay(tmp_path: Path) -> None:
    text = "base: &b {lr: 1, epochs: 2}\none: &o {<<: *b, lr: 3}\ntwo: {<<: [*o, *b], x: *b}\nthree: {<<: *o}\n"
    assert load(text, tmp_path) == yaml.safe_load(text)
    assert load("a: &x 1\nb: {<<: {c: *x}, <<: {d: 2}}\n", tmp_path) == {"a": 1, "b": {"c": 1, "d": 2}}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (LAUGHS, "stands for more than 4,194,304 characters when its aliases are written out; use fewer aliases"),
        (MERGES, "stands for more than"),
        ("[" * 2000, "line 1: is nested more than 50 levels deep"),
        ("".join(f"{'  ' * n}a:\n" for n in range(60)), "is nested more than 50 levels deep; nest it less"),
        ("a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 70)), "is nested more than"),
        ("a: &a [1, *a]\n", "line 1: a list or mapping contains itself; remove the alias"),
        ("a: " + "9" * 10_000, "got a number of 10,000 characters"),
        ("a: 1" + ":1" * 10_000, "got a number of 20,001 characters"),
        ("a: 2024-13-01\n", "is not valid YAML (month must be in 1..12"),
        ("a: !!python/object/apply:os.system [ls]\n", "line 1: is not valid YAML (could not determine a constructor"),
        ("? [a, b]\n: 1\n", "is not valid YAML (found unhashable key)"),
        ("a: 1\n---\na: 2\n", "line 2: is not valid YAML (but found another document)"),
    ],
)
def test_hostile_files_are_refused_at_once(text: str, what: str, tmp_path: Path) -> None:
    begun = time.process_time()
    with pytest.raises(InvalidFileError) as caught:
        load(text, tmp_path)
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)
    assert time.process_time() - begun < 5


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "x.yaml").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InvalidFileError, match="expected at most 4 MiB of YAML, got 1048576 MiB; give a smaller file"):
        load_yaml(tmp_path / "x.yaml")


def test_words_of_the_command_line_are_read_by_the_same_loader() -> None:
    for read in (parse_settings, settings):
        assert read(["classes=[cat, dog]"]) == {"classes": ["cat", "dog"]}
        with pytest.raises(PolyheadError, match="the key 'a' is given twice"):
            read(["classes={a: 1, a: 2}"])
        with pytest.raises(PolyheadError, match=r"the value is not valid YAML\. Put it in quotes"):
            read(["classes=[1"])


def test_texts_that_are_read_as_yaml_later_are_bounded() -> None:
    """Jsonargparse reads texts as YAML, and would write such a list out in its message."""
    bomb = "[&a0 [9, 9, 9], " + ", ".join(f"&a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 30)) + "]"
    with pytest.raises(PolyheadError, match=r"^model: '\[&a0 .* stands for more than"):
        require_bounded({"init_args": {"mean": ["x", bomb]}}, "model")
    require_bounded({"a": ["photos/*.jpg", "R&D/*", "*", "&", 3, None, "[&a 1, *a]"]}, "model")


def test_nothing_else_reads_yaml_of_the_user() -> None:
    package = Path(yaml_files.__file__).parents[2]
    found = {str(path.relative_to(package)) for path in package.rglob("*.py") if "yaml.safe_load(" in path.read_text()}
    assert found == {"config/recipe.py", "workflows/init.py"}  # what jsonargparse has written, and a name
