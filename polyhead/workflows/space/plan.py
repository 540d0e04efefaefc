"""Plan a Space: all its files, and what is left out."""

import hashlib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

import polyhead
from polyhead.config.names import check_links
from polyhead.errors import PolyheadError
from polyhead.run import Run
from polyhead.workflows.official import is_official
from polyhead.workflows.space import card, licenses
from polyhead.workflows.space.contents import of_official, of_run
from polyhead.workflows.space.files import SpaceFile, grouped
from polyhead.workflows.space.licenses import OWN
from polyhead.workflows.space.public import json_bytes

INDEX = "space.json"
"""File of a Space that lists its files; a folder with it was written by Polyhead."""
SOURCE = (".py", ".yaml", ".txt", ".typed")
"""Ends of the names of the package's files."""


class Plan(NamedTuple):
    """What a Space would consist of.

    Attributes:
        files: all files.
        left_out: what is not among them, with the reason, one sentence each.
    """

    files: list[SpaceFile]
    left_out: list[str]

    @property
    def size(self) -> int:
        """The number of bytes of all files."""
        return sum(file.size for file in self.files)


def plan(
    run: str | Path, *, samples: bool = False, title: str | None = None, links: Mapping[str, str] | None = None
) -> Plan:
    """Return the files of a Space for a run; nothing is written.

    Images of the data (samples and mistakes) are part of it if its license allows everyone to pass them on
    (:mod:`polyhead.workflows.space.licenses`), and else only if they are asked for.

    Args:
        run: a run folder, its ``weights/best.pt``, or the name of official weights (``yolox_nano``).
        samples: whether to include images of the data whatever its license is.
        title: title of the Space; None for the name of the run.
        links: addresses by title, which the page shows; None for those of the run.

    Raises:
        PolyheadError: if there is no such run, it has no weights, a Space cannot build its model, or gradio is missing.
    """
    requirements = card.requirements()
    contents = of_official(str(run)) if is_official(run) else of_run(Run.open(run), samples)
    title, links = title or contents.name, contents.links if links is None else links
    check_links(links)
    files = [
        SpaceFile("app.py", card.app(contents.where, links).encode(), OWN),
        SpaceFile("requirements.txt", requirements.encode(), OWN),
        *contents.files,
        *_package(),
    ]
    shared = licenses.together([OWN, *contents.stated])
    page = card.readme(title, shared, contents.heads, contents.kinds, contents.results, links)
    files = [SpaceFile("README.md", page.encode(), OWN), *files]
    table = card.license_table([(group, terms) for group, _, _, terms in grouped(files)])
    files.append(SpaceFile("LICENSE.md", table.encode(), OWN))
    return Plan([*files, _index(files)], contents.left_out)


def _package() -> list[SpaceFile]:
    """Return Polyhead's source and its license."""
    root = Path(polyhead.__file__).parent
    paths = sorted(path for path in root.rglob("*") if path.suffix in SOURCE and path.is_file())
    files = [SpaceFile(f"polyhead/{path.relative_to(root).as_posix()}", path, OWN) for path in paths]
    return [*files, SpaceFile("polyhead/LICENSE", _license_text(root).encode(), OWN)]


def _license_text(root: Path) -> str:
    """Return the text of Polyhead's license, which must be passed on with its source."""
    beside = root.parent / "LICENSE"
    if beside.is_file():
        return beside.read_text(encoding="utf-8")
    try:
        stored = distribution("polyhead").read_text("licenses/LICENSE")
    except PackageNotFoundError:
        stored = None
    if stored is None:
        raise PolyheadError("Polyhead's LICENSE was not found. Install Polyhead again with pip.")
    return stored


def _index(files: list[SpaceFile]) -> SpaceFile:
    """Return the list of the files, by which a folder is recognized, and changes in it are found."""
    entries = {
        file.path: {"bytes": file.size, "sha256": hashlib.sha256(file.read()).hexdigest(), "license": file.license}
        for file in files
    }
    return SpaceFile(INDEX, json_bytes({"polyhead": polyhead.__version__, "files": entries}), OWN)
