"""Where files that a recipe names by a short path lie (floor 0)."""

import os
from pathlib import Path

from polyhead.errors import PolyheadError


def find(path: str | Path, variable: str) -> Path:
    """The first place where a file or folder of this relative path exists; an absolute path is taken as it is.

    Looked up in the current folder, then in each folder that the environment variable lists (like ``PATH``), then in
    the user's cache folder (``~/.cache/polyhead/data`` or ``.../weights``).

    Args:
        path: as the user wrote it; ``~`` is the home folder.
        variable: ``POLYHEAD_DATA`` or ``POLYHEAD_WEIGHTS``.

    Raises:
        PolyheadError: when there is none, with all places that were tried.
    """
    wanted = Path(path).expanduser()
    places = [wanted] if wanted.is_absolute() else [folder / wanted for folder in folders(variable)]
    for place in places:
        if place.exists():
            return place.absolute()
    tried = ", ".join(str(place.absolute()) for place in places)
    unset = "" if os.environ.get(variable) else f" ({variable} is not set)"
    raise PolyheadError(
        f"'{path}' was not found; looked at {tried}{unset}; correct the path, or let {variable} name the folder it is in"
    )


def folders(variable: str) -> list[Path]:
    """All folders that are looked in, in order."""
    listed = [Path(folder).expanduser() for folder in os.environ.get(variable, "").split(os.pathsep) if folder]
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return [Path(), *listed, base / "polyhead" / variable.removeprefix("POLYHEAD_").lower()]
