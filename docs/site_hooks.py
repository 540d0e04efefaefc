"""Adds the pages outside ``docs/`` to the site, and makes links between them work there as on GitHub.

The site has the files of ``docs/`` at its top, and the others at their paths in the repository. An example is shown as
a page with its code.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)[^)\s#]+")

RECORDS = ("CHANGELOG.md", "LOG.md")
"""Pages that are left out of the search, since they have nearly every word, and old names."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and tables outside ``docs/`` that the pages link to."""
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "benchmarks/README.md", "benchmarks/results.csv"):
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    for path in sorted((ROOT / "examples").glob("*.py")):
        text = path.read_text("utf-8")
        title = path.stem.replace("_", " ").capitalize()
        page = f'# {title}\n\n```python title="examples/{path.name}"\n{text}```\n'
        files.append(File.generated(config, f"examples/{path.stem}.md", content=page))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Change the links of a page to paths in the site, and leave records out of the search."""
    source = page.file.src_uri
    if source in RECORDS:
        page.meta["search"] = {"exclude": True}
    outside = page.file.generated_by is not None
    here = posixpath.dirname(source if outside else f"docs/{source}")

    def moved(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(here, link[0]))
        return posixpath.relpath(in_site(target), posixpath.dirname(source) or ".")

    return LINK.sub(moved, markdown)


def in_site(path: str) -> str:
    """Return the path in the site of a path in the repository.

    >>> in_site("docs/data.md"), in_site("examples/own_parts.py"), in_site("CHANGELOG.md")
    ('data.md', 'examples/own_parts.md', 'CHANGELOG.md')
    """
    if path.startswith("examples/"):
        return path.removesuffix(".py") + ".md"
    return path.removeprefix("docs/")
