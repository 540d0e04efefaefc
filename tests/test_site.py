"""The site of the docs is built without a warning, is complete, and asks no other machine for anything."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from builders.app_server import browsing

import polyhead

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
START = DOCS / "index.md"
LINK = re.compile(r"\]\(([^)\s#]+)")
QUESTIONS = [
    "How do I train on my own images?",
    "Which format must my data have?",
    "How do I resume an interrupted training?",
    "Why is my score low, or why does the model learn nothing?",
    "What do I do when the memory is full?",
    "How do I know that a difference is real?",
    "How do I train one network on several data sets?",
    "How do I add a task without forgetting the old ones?",
    "How do I use the model in my own program?",
    "How do I get a report that I can hand in?",
    "How do I show the model to others?",
]
"""What users of such tools ask most."""
FETCHED = {
    "link": "href",
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "use": "href",
}
"""The attribute by which an element makes a browser fetch a file."""


class Fetched(NamedTuple):
    """What a browser fetches for a page: the element, and the address."""

    tag: str
    address: str


class FetchedFiles(HTMLParser):
    """Collects what a browser fetches for a page, without what a reader has to click on."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Fetched] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if address := values.get(FETCHED.get(tag, "")):
            self.found.append(Fetched(tag, address))
        self.found += [Fetched("style", each) for each in addresses_of_css(values.get("style") or "")]


def addresses_of_css(text: str) -> list[str]:
    """Return the addresses in a style sheet."""
    return re.findall(r"url\(\s*['\"]?([^'\")]+)", text) + re.findall(r"@import\s+['\"]([^'\"]+)", text)


def is_foreign(address: str) -> bool:
    """Return whether an address is on another machine."""
    return re.match(r"([a-z]+:)?//", address) is not None and not address.startswith("data:")


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves the files of a folder."""

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; yield its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert (built.returncode, built.stdout, built.stderr) == (0, "", "")
    return folder


@pytest.mark.slow
def test_a_browser_fetches_nothing_from_other_machines_for_any_page(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 35
    for page in pages:
        parser = FetchedFiles()
        text = page.read_text("utf-8")
        parser.feed(text)
        assert len(parser.found) > 3, page
        assert [each for each in parser.found if is_foreign(each.address)] == [], page
        assert 'class="mermaid"' not in text, "the theme would fetch the program that draws it"
    sheets = [path.read_text("utf-8") for path in site.rglob("*.css")]
    assert [each for sheet in sheets for each in addresses_of_css(sheet) if is_foreign(each)] == []


@pytest.mark.slow
def test_search_works_in_a_browser_that_reaches_this_machine_alone(site: Path) -> None:
    with serving(site) as url, browsing() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{url}/index.html")
        page.locator("input.md-search__input").click()
        page.keyboard.type("distillation")
        page.locator(".md-search-result__item a[href*='continual.html']").first.wait_for(state="attached")
        assert [each for each in asked if not each.startswith((url, "data:", "blob:"))] == []
        page.set_viewport_size({"width": 400, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        page.close()


@pytest.mark.slow
def test_the_api_reference_has_every_public_name_and_its_description(site: Path) -> None:
    pages = "".join(page.read_text("utf-8") for page in (site / "api").glob("*.html"))
    assert [name for name in polyhead.__all__ if f'id="polyhead.{name}"' not in pages] == []
    assert ":func:" not in pages
    assert ":class:" not in pages


def test_the_api_reference_names_every_public_name() -> None:
    pages = "".join(page.read_text("utf-8") for page in (DOCS / "api").glob("*.md"))
    shown = re.findall(r"^::: polyhead\.(\w+)$", pages, re.MULTILINE)
    assert set(polyhead.__all__) - set(shown) == set(), "add a name to the page of docs/api that it belongs to"
    listed = re.findall(r"`(\w+)`", (DOCS / "api" / "index.md").read_text("utf-8"))
    assert set(polyhead.__all__) - set(listed) == set(), "add a name to the table of docs/api/index.md"


def reached(start: Path, links: int) -> set[Path]:
    """Return the pages that are at most this many links from a page."""
    pages = {start}
    for _ in range(links):
        pages |= {
            (page.parent / target).resolve()
            for page in pages
            for target in LINK.findall(page.read_text("utf-8"))
            if target.endswith(".md") and "://" not in target
        }
    return pages


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_common_question_is_a_heading_at_most_two_links_from_the_start_page(question: str) -> None:
    answers = [
        answer
        for page in reached(START, 2)
        for answer in re.findall(
            rf"^#+ {re.escape(question)}\n(.*?)(?=^#|\Z)", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
        )
    ]
    assert len(answers) == 1
    assert LINK.search(answers[0]), "an answer links to the page that has more"


def test_the_walk_counts_links(tmp_path: Path) -> None:
    for page, target in (("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")):
        (tmp_path / f"{page}.md").write_text(f"[next]({target}.md#part) [other](https://example.org/x.md)")
    assert {page.stem for page in reached(tmp_path / "a.md", 2)} == {"a", "b", "c"}


def test_addresses_on_other_machines_are_found() -> None:
    parser = FetchedFiles()
    parser.feed('<a href="https://a"><img src="//b/c.png"><i style="background: url(http://d)"><script src="e.js">')
    assert [each.address for each in parser.found if is_foreign(each.address)] == ["//b/c.png", "http://d"]
    assert addresses_of_css('@import "https://a"; b {c: url("d.woff")}') == ["d.woff", "https://a"]


def test_every_page_of_the_docs_is_in_the_navigation() -> None:
    settings = (ROOT / "mkdocs.yml").read_text("utf-8").split("\nnav:")[1]
    navigation = set(re.findall(r"[\w/]+\.md", settings))
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert pages - navigation == set()
    assert yaml.safe_load(f"nav:{settings}")["nav"][0]["Start"][0] == "index.md"
