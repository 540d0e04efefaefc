"""Where data and weights lie on this machine: one rule for both; and where our recipes lie (floor 0)."""

import os
from pathlib import Path

from polyhead.errors import PolyheadError

DATA = "POLYHEAD_DATA"
WEIGHTS = "POLYHEAD_WEIGHTS"
RECIPES = Path(__file__).parent / "recipes"


def shipped() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    return {path.stem: path for path in sorted(RECIPES.glob("*.yaml"))}


def studies() -> dict[str, Path]:
    """The studies that come with the package, by name."""
    return {path.stem: path for path in sorted((RECIPES / "studies").glob("*.yaml"))}


def find(path: str | Path, variable: str = DATA) -> Path:
    """The first place where a file or folder of this relative path exists.

    Looked up in the current folder, then in each folder that the environment variable lists (like ``PATH``), then in
    the user's cache folder (``~/.cache/polyhead/data`` or ``.../weights``). An absolute path is taken as it is.

    Args:
        path: as the user wrote it; ``~`` is the home folder.
        variable: ``POLYHEAD_DATA`` or ``POLYHEAD_WEIGHTS``.

    Raises:
        PolyheadError: naming every place looked in.
    """
    wanted = Path(path).expanduser()
    places = [
        Path(),
        *(Path(place) for place in os.environ.get(variable, "").split(os.pathsep) if place),
        cache(variable),
    ]
    candidates = [wanted] if wanted.is_absolute() else [place.expanduser() / wanted for place in places]
    for candidate in candidates:
        if candidate.exists():
            return candidate.absolute()
    looked = ", ".join(str(candidate.absolute()) for candidate in candidates)
    unset = "" if os.environ.get(variable) else f" ({variable} is not set)"
    remedy = f"correct the path, or let {variable} name the folder it is in"
    raise PolyheadError(f"'{path}' was not found; looked at {looked}{unset}; {remedy}")


def cache(variable: str) -> Path:
    """The folder of data (or weights) in the user's cache."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "polyhead" / variable.removeprefix("POLYHEAD_").lower()
