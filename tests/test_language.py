"""Code, messages and pages use the field's terms in US spelling; ``docs/glossary.md`` lists the terms."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OLD_NAMES = {
    "polyhead/config/renamed.py",
    "tests/config/test_renamed.py",
    "benchmarks/golden_names.yaml",
    "docs/glossary.md",
    "tests/test_language.py",
}
"""The tables of old names, which may show them."""
SOURCES = sorted(
    path for folder in ("polyhead", "tests", "benchmarks", "docs", "examples") for path in (ROOT / folder).rglob("*.py")
)
TEXTS = sorted(
    [
        *SOURCES,
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "polyhead").rglob("*.yaml"),
        *(ROOT / "benchmarks").glob("*.yaml"),
        *(ROOT / "benchmarks").glob("*.md"),
        *(ROOT / name for name in ("Makefile", "mkdocs.yml", "pyproject.toml", ".ci/run")),
    ]
)
PHRASES = re.compile(
    r"rivals?\b|pictures?\b|\bwhence\b|\bis no valid\b|\bgo(es)? on with\b|\bcomes? to (its|their) end\b|"
    r"\bin the mean\b|\btold apart\b|\bless a model\b|distil(?!l)|licence|colour|centre|"
    r"(normal|recogn|initial|optim|organ|summar|general)is(e|ed|es|ing|ation)\b|grey\b|behaviour|neighbour|"
    r"\b(un)?labell(ed|ing)|\blearnt\b|catalogue|favour",
    re.IGNORECASE,
)
NAMES = {"truth", "truths", "told", "said", "kept", "rates", "Keep", "ident"}
NO_VERBS = {
    "the", "a", "an", "what", "whether", "which", "where", "how", "one", "all", "every", "everything", "each", "its",
    "likewise", "so", "those", "that", "this", "there", "it", "they", "to", "from", "of", "as", "in", "with",
}  # fmt: skip
"""Words that a docstring of a function does not start with."""
RANDOM_KEY = "part of the random key"
"""Marks a line whose word decides random choices: another word would change results."""
RELEASED = {"docs/LOG.md": "\n## 2026-11-2[0-7]", "CHANGELOG.md": "\n## \\[[0-9]"}
"""Where the older entries of a page begin; they stay as they were written."""


def text_of(path: Path) -> str:
    """The part of a file that is checked."""
    name, text = path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
    older = re.search(RELEASED[name], text) if name in RELEASED else None
    return text[: older.start()] if older else text


def phrases(text: str) -> list[str]:
    """Lines with a banned phrase, with their number."""
    return [
        f"{number}: {line.strip()}"
        for number, line in enumerate(text.splitlines(), 1)
        if PHRASES.search(line) and RANDOM_KEY not in line
    ]


def words(name: str) -> set[str]:
    """The words of an identifier: ``saveTruth`` and ``save_truth`` have ``truth``."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    return {name, *(part.lower() for part in parts)}


def names(code: str) -> list[str]:
    """Identifiers with a banned word, with their line."""
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return [
        f"{token.start[0]}: {token.string}"
        for token in tokens
        if token.type == tokenize.NAME and words(token.string) & NAMES
    ]


def docstrings(code: str) -> Iterator[tuple[int, str]]:
    """The line and the first word of each function's docstring; properties, which are named like things, left out."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef) and (text := ast.get_docstring(node)):
            decorators = {getattr(each, "id", "") for each in node.decorator_list}
            if not decorators & {"property", "cached_property"}:
                yield node.lineno, text.split()[0].strip("`.,:;").lower()


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_banned_phrase_is_used(path: Path) -> None:
    if path.relative_to(ROOT).as_posix() not in OLD_NAMES:
        assert phrases(text_of(path)) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_banned_name_is_used(path: Path) -> None:
    if path.relative_to(ROOT).as_posix() not in OLD_NAMES:
        assert names(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if "tests" not in path.relative_to(ROOT).parts],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_docstrings_of_functions_start_with_a_verb(path: Path) -> None:
    first = docstrings(path.read_text("utf-8"))
    assert [f"{line}: {word}" for line, word in first if word in NO_VERBS or word.startswith("``")] == []


@pytest.mark.parametrize(
    "line", ["# the picture's size", 'raise Error("x is no valid YAML")', "beside a trivial rival", "the mean colour"]
)
def test_a_banned_phrase_is_found(line: str) -> None:
    assert phrases(line)


def test_a_banned_name_is_found() -> None:
    code = "def save_truths(told: int) -> None:\n    kept = told\n"
    assert names(code) == ["1: save_truths", "1: told", "2: kept", "2: told"]
    assert names("keeper, scale, target = 1, 2, 3\n") == []


def test_a_docstring_without_a_verb_is_found() -> None:
    code = (
        'def a():\n    """The size."""\n@property\ndef b():\n    """A size."""\ndef c():\n    """Return the size."""\n'
    )
    assert [word for _, word in docstrings(code)] == ["the", "return"]
