"""Every ``python`` and ``console`` block in the docs is run, or says why it is not.

A page runs from top to bottom in one empty folder: Python blocks share their names, and of console blocks each
``$ polyhead ...`` line is run; what is shown under it must be among what it prints, in that order (``...`` stands for
anything). A block under the comment ``<!-- not run: REASON -->`` is left out.
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
FENCE = re.compile(
    r"(?:<!-- not run: (?P<reason>[^\n]+?) -->\s*)?^```(?P<kind>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)


class Block(NamedTuple):
    """A fenced block of a page; ``reason`` says why it is not run."""

    kind: str
    code: str
    line: int
    reason: str | None


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page."""
    return [
        Block(found["kind"], found["code"], text.count("\n", 0, found.start("code")) + 1, found["reason"])
        for found in FENCE.finditer(text)
    ]


def run_page(text: str, page: str) -> None:
    """Run what a page shows, in the folder that one is in."""
    names: dict[str, object] = {"__name__": page}
    for block in blocks(text):
        where = f"{page}:{block.line}"
        if block.reason or block.kind == "text":
            continue
        if block.kind == "python":
            code = compile("\n" * (block.line - 1) + block.code, page, "exec")  # a traceback tells the page's line
            exec(code, names)  # noqa: S102  # pylint: disable=exec-used  # running the page is the test
        elif block.kind == "console":
            run_console(block.code, where)
        elif block.kind == "yaml":
            keep_yaml(block.code)
        else:
            pytest.fail(
                f"{where}: write the block as python, console, yaml or text, not {block.kind!r}, so that it is run"
            )


def keep_yaml(code: str) -> None:
    """A block that begins with the name of a file is left there; whole recipes and studies are resolved."""
    named = re.match(r"# (\S+\.yaml)", code)
    path = Path(named[1] if named else "block.yaml")
    path.write_text(code, encoding="utf-8")
    said = yaml.safe_load(code)
    if {"model", "data", "stages"} <= said.keys():
        recipe.load(path)
    elif "variations" in said:
        study.plan(study.load(path))


def run_console(code: str, where: str) -> None:
    """Run the commands of a console block, and look for what is shown in what they print."""
    for shown in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
        command, *expected = shown.splitlines()
        words = shlex.split(command, comments=True)
        assert words[0] == "polyhead", f"{where}: only polyhead is run here; mark the block as not run: {command}"
        ended, told, complaint = run_here(words[1:])
        assert ended == 0, f"{where}: $ {command}\n{told}{complaint}"
        printed = iter([line.strip() for line in told.splitlines()])
        for line in expected:
            assert line.strip() in ("", "...") or line.strip() in printed, (
                f"{where}: $ {command} does not print {line!r}"
            )


def run_here(words: list[str]) -> tuple[str | int | None, str, str]:
    """Exit code, output and complaints of a command; a process of its own would load torch again for each."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            ended: str | int | None = cli.main(words)
        except SystemExit as end:
            ended = end.code
    return ended, out.getvalue(), err.getvalue()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page.read_text(encoding="utf-8"), str(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_leads_nowhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert "://" in target or (page.parent / target).exists(), (
            f"{page.name} links to {target}, which does not exist"
        )


def test_the_architecture_names_every_room() -> None:
    tree = next(
        block.code for block in blocks((ROOT / "docs" / "architecture.md").read_text("utf-8")) if block.kind == "text"
    )
    rooms = {path.name + "/" * path.is_dir() for path in (ROOT / "polyhead").iterdir()} - {"__pycache__/", "py.typed"}
    assert set(re.findall(r"^  (\S+)", tree, re.MULTILINE)) == rooms


def test_the_page_of_recipes_names_every_setting() -> None:
    page = (ROOT / "docs" / "recipes.md").read_text("utf-8")
    built = [
        each
        for each in (getattr(models, name) for name in models.__all__)
        if getattr(each, "__annotations__", {}).get("return") is Model
    ]
    assert unified in built
    readers = [resolve_name(path) for path in READERS.values()]
    described = [*built, *readers, Source, Stage, recipe.Settings, Distill, Replay, Yolov4]
    settings = {name for each in described for name in signature(each).parameters}
    named = {*settings, *READERS, *PRESETS, *(each.__name__ for each in built)} - {"reader"}  # its column's head
    assert named - set(re.findall(r"`(\w+)[^`]*`", page)) == set()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```python\nassert 1 == 2, 'not equal'\n```", "not equal"),
        ("```python\none = 1\n```\n\n```python\nassert one == 2, 'names are shared'\n```", "names are shared"),
        ("```console\n$ polyhead --version\npolyhead 99\n```", "does not print 'polyhead 99'"),
        ("```console\n$ polyhead tarin\n```", "did you mean 'train'"),
        ("```console\n$ make demo\n```", "mark the block as not run"),
        ("```bash\npolyhead demo\n```", "so that it is run"),
    ],
)
def test_a_page_that_is_wrong_fails(text: str, message: str) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception), match=re.escape(message)):
        run_page(f"# A page\n\n{text}\n", "page.md")


def test_a_block_with_a_reason_is_not_run() -> None:
    text = "<!-- not run: it would end the test -->\n```python\nraise SystemExit\n```\n"
    assert blocks(text)[0].reason == "it would end the test"
    run_page(text, "page.md")
