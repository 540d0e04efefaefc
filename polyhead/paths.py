"""Find data, weights and the recipes that come with the package."""

import os
from collections.abc import Sequence
from pathlib import Path

from polyhead.errors import PolyheadError

DATA = "POLYHEAD_DATA"
WEIGHTS = "POLYHEAD_WEIGHTS"
HUB = "hub"
"""The value of ``weights`` that stands for a download and is not a file."""
RECIPES = Path(__file__).parent / "recipes"


def shipped() -> dict[str, Path]:
    """Return the recipes that come with the package, by name."""
    return {path.stem: path for path in sorted(RECIPES.glob("*.yaml"))}


def studies() -> dict[str, Path]:
    """Return the studies that come with the package, by name."""
    return {path.stem: path for path in sorted((RECIPES / "studies").glob("*.yaml"))}


def find(path: str | Path, variable: str = DATA, first: Sequence[Path] = ()) -> Path:
    """Return the first existing file or folder of this relative path.

    The path is looked up in the current folder, then in each folder that the environment variable lists (separated as
    in ``PATH``), then in the user's cache folder (``~/.cache/polyhead/data`` or ``~/.cache/polyhead/weights``). An
    absolute path is used as it is. Files that come with the package's recipes, such as lists of ids, are found too.

    Args:
        path: path as written by the user; ``~`` is the home folder.
        variable: ``POLYHEAD_DATA`` or ``POLYHEAD_WEIGHTS``.
        first: folders in which to look first.

    Raises:
        PolyheadError: if the path exists nowhere; the message lists all places that were searched.
    """
    relative = Path(path).expanduser()
    here, *others = (folder for _, folder in places(variable))
    folders = [*first, here, *([RECIPES] if (RECIPES / relative).is_file() else []), *others]
    candidates = [relative] if relative.is_absolute() else [folder / relative for folder in folders]
    for candidate in candidates:
        if candidate.exists():
            return candidate.absolute()
    looked = ", ".join(str(candidate.absolute()) for candidate in candidates)
    unset = "" if os.environ.get(variable) else f" ({variable} is not set)"
    raise PolyheadError(
        f"'{path}' was not found; looked at {looked}{unset}. Correct the path, or set {variable} to the folder that "
        "contains it."
    )


def places(variable: str) -> list[tuple[str, Path]]:
    """Return the folders in which data or weights are looked up, in this order, each with its name for messages."""
    listed = [Path(folder).expanduser() for folder in os.environ.get(variable, "").split(os.pathsep) if folder]
    user = cache(variable)
    return [("the current folder", Path()), *((variable, folder) for folder in listed), (str(user), user)]


def cache(variable: str) -> Path:
    """Return the user's cache folder for data or weights."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "polyhead" / variable.removeprefix("POLYHEAD_").lower()
