"""Every ``python``, ``console`` and ``yaml`` block in the docs is run, or states why it is not.

A page runs from top to bottom in one empty folder. Python blocks share their names. In console blocks each ``$ polyhead
...`` line is run, and the lines below it must occur in its output in that order (``...`` stands for any lines). A block
under the comment ``<!-- not run: REASON -->`` is skipped.
"""

import contextlib
import io
import re
import shlex
from inspect import signature
from pathlib import Path
from pkgutil import resolve_name
from typing import NamedTuple

import pytest
import yaml

from polyhead import cli, models
from polyhead.config import recipe
from polyhead.config.expand import READERS
from polyhead.config.renamed import RENAMED
from polyhead.config.settings import Settings
from polyhead.data.augment.transforms import PRESETS
from polyhead.data.augment.yolov4 import Yolov4
from polyhead.data.loading.source import Source
from polyhead.engine.continual import Distill, Replay
from polyhead.engine.stage import Stage
from polyhead.models import unified
from polyhead.nets.model import Model
from polyhead.workflows import study

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]
LINKED = [*PAGES, ROOT / "CHANGELOG.md", ROOT / "benchmarks" / "README.md"]
FENCE = re.compile(
    r"(?:<!-- not run: (?P<reason>[^\n]+?) -->\s*)?^```(?P<kind>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)


class Block(NamedTuple):
    """A fenced block of a page.

    Attributes:
        kind: the language of the block.
        code: its text.
        line: its line in the page.
        reason: why it is not run; None if it is run.
    """

    kind: str
    code: str
    line: int
    reason: str | None


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a page."""
    return [
        Block(match["kind"], match["code"], text.count("\n", 0, match.start("code")) + 1, match["reason"])
        for match in FENCE.finditer(text)
    ]


def run_page(text: str, page: str) -> None:
    """Run the blocks of a page in the current folder."""
    names: dict[str, object] = {"__name__": page}
    for block in blocks(text):
        where = f"{page}:{block.line}"
        if block.reason or block.kind == "text":
            continue
        if block.kind == "python":
            code = compile("\n" * (block.line - 1) + block.code, page, "exec")  # tracebacks show the page's line
            exec(code, names)  # noqa: S102  # pylint: disable=exec-used  # running the page is the test
        elif block.kind == "console":
            run_console(block.code, where)
        elif block.kind == "yaml":
            write_yaml(block.code)
        else:
            pytest.fail(
                f"{where}: expected a block of python, console, yaml or text, got {block.kind!r}. Only these are run."
            )


def write_yaml(code: str) -> None:
    """Write a YAML block to the file that its first line names, and resolve it if it is a whole recipe or study."""
    named = re.match(r"# (\S+\.yaml)", code)
    path = Path(named[1] if named else "block.yaml")
    path.write_text(code, encoding="utf-8")
    content = yaml.safe_load(code)
    if {"model", "data", "stages"} <= content.keys():
        recipe.load(path)
    elif "variations" in content:
        study.plan(study.load(path))


def run_console(code: str, where: str) -> None:
    """Run the commands of a console block, and check that the lines below each occur in its output."""
    for shown in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
        command, *expected = shown.splitlines()
        words = shlex.split(command, comments=True)
        assert words[0] == "polyhead", f"{where}: only polyhead commands are run. Mark the block as not run: {command}"
        exit_code, printed, complaint = run_here(words[1:])
        assert exit_code == 0, f"{where}: $ {command}\n{printed}{complaint}"
        lines = iter([line.strip() for line in printed.splitlines()])
        for line in expected:
            assert line.strip() in ("", "...") or line.strip() in lines, f"{where}: $ {command} does not print {line!r}"


def run_here(words: list[str]) -> tuple[str | int | None, str, str]:
    """Return exit code, output and error output of a command, run in this process, which has loaded torch already."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            exit_code: str | int | None = cli.main(words)
        except SystemExit as stop:
            exit_code = stop.code
    return exit_code, out.getvalue(), err.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page.read_text(encoding="utf-8"), str(page))


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_has_a_target(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        exists = "://" in target or (page.parent / target).exists()
        assert exists, f"{page.name} links to {target}, which does not exist"


def test_images_are_small_and_shown() -> None:
    images = {path.name: path.stat().st_size for path in (ROOT / "docs" / "images").iterdir()}
    assert [name for name, size in images.items() if size > 150_000] == []
    pages = "".join(page.read_text("utf-8") for page in PAGES)
    assert [name for name in images if f"images/{name})" not in pages] == []


def test_the_readme_is_short_and_starts_with_the_installation() -> None:
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) < 150
    assert any("pip install" in line for line in lines[:40])


def test_the_glossary_is_alphabetical_and_lists_every_renamed_key() -> None:
    terms, renamed = (ROOT / "docs" / "glossary.md").read_text("utf-8").split("## Old and new names")
    names = re.findall(r"^\| (?!term |---)([^|]+) \|", terms, re.MULTILINE)
    assert names == sorted(names, key=str.lower)
    for old, new in RENAMED.items():
        assert re.search(rf"^\| [^|]*`{old}`[^|]*\| `{new}` \|", renamed, re.MULTILINE), f"{old} -> {new} is missing"


def test_the_architecture_names_every_module_and_package() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    tree = next(block.code for block in blocks(page) if block.kind == "text")
    entries = {path.name + "/" * path.is_dir() for path in (ROOT / "polyhead").iterdir()} - {"__pycache__/", "py.typed"}
    assert set(re.findall(r"^  (\S+)", tree, re.MULTILINE)) == entries


def test_the_table_of_parts_names_what_exists() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("## Adding a part")[1]
    for row in re.findall(r"^\| .*$", table, re.MULTILINE):
        names = re.findall(r"`([\w/.]+)`", row)
        paths = [_path_of(name) for name in names if "/" in name or "." in name]
        code = "".join(path.read_text("utf-8") for path in paths if path.suffix == ".py")
        assert [name for name in names if name.isupper() and f"\n{name}" not in code] == [], row


def _path_of(name: str) -> Path:
    """Return the existing file or folder of a path that is relative to the package or to the repository."""
    return next(path for path in (ROOT / "polyhead" / name, ROOT / name) if path.exists())


def test_the_page_of_recipes_names_every_setting() -> None:
    page = (ROOT / "docs" / "recipes.md").read_text("utf-8")
    built = [
        each
        for each in (getattr(models, name) for name in models.__all__)
        if getattr(each, "__annotations__", {}).get("return") is Model
    ]
    assert unified in built
    readers = [resolve_name(path) for path in READERS.values()]
    described = [*built, *readers, Source, Stage, Settings, Distill, Replay, Yolov4]
    settings = {name for each in described for name in signature(each).parameters}
    names = {*settings, *READERS, *PRESETS, *(each.__name__ for each in built)} - {"reader"}  # a column of the table
    assert names - set(re.findall(r"`(\w+)[^`]*`", page)) == set()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```python\nassert 1 == 2, 'not equal'\n```", "not equal"),
        ("```python\none = 1\n```\n\n```python\nassert one == 2, 'names are shared'\n```", "names are shared"),
        ("```console\n$ polyhead --version\npolyhead 99\n```", "does not print 'polyhead 99'"),
        ("```console\n$ polyhead tarin\n```", "id you mean 'train'"),
        ("```console\n$ make demo\n```", "Mark the block as not run"),
        ("```bash\npolyhead demo\n```", "Only these are run"),
    ],
)
def test_a_wrong_page_fails(text: str, message: str) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception), match=re.escape(message)):
        run_page(f"# A page\n\n{text}\n", "page.md")


def test_a_block_with_a_reason_is_not_run() -> None:
    text = "<!-- not run: it would end the test -->\n```python\nraise SystemExit\n```\n"
    assert blocks(text)[0].reason == "it would end the test"
    run_page(text, "page.md")
