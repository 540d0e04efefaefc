"""Find data, weights and the recipes that come with the package."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from polyhead.errors import PolyheadError

DATA = "POLYHEAD_DATA"
WEIGHTS = "POLYHEAD_WEIGHTS"
HUB = "hub"
"""The value of ``weights`` that stands for a download and is not a file."""
OFFICIAL = {
    f"yolox_{scale}": (f"yolox_{scale}_coco.safetensors", f"yolox_{scale}.pth")
    for scale in ("nano", "tiny", "s", "m", "l", "x")
}
"""Names of official weights, and the files that may hold them."""
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
    absolute path is used as it is. The name of official weights (:data:`OFFICIAL`) finds their file. Files that come
    with the package's recipes, such as lists of ids, are found too.

    Args:
        path: path as written by the user; ``~`` is the home folder.
        variable: ``POLYHEAD_DATA`` or ``POLYHEAD_WEIGHTS``.
        first: folders in which to look first.

    Raises:
        PolyheadError: if the path exists nowhere; the message lists all places that were searched.
    """
    relative = expanded(path)
    here, *others = (folder for _, folder in places(variable))
    folders = [*first, here, *([RECIPES] if (RECIPES / relative).is_file() else []), *others]
    files = OFFICIAL.get(str(path), ()) if variable == WEIGHTS else ()
    names = [relative, *files]
    candidates = [relative] if relative.is_absolute() else [folder / name for folder in folders for name in names]
    for candidate in candidates:
        if candidate.exists():
            return candidate.absolute()
    if files:
        looked = ", ".join(str(folder.absolute()) for folder in folders)
        raise PolyheadError(
            f"the weights {path} ({' or '.join(files)}) were not found; looked in {looked}. Download them with "
            f"'polyhead data get {path}', or set {variable} to a folder that contains them."
        )
    looked = ", ".join(str(candidate.absolute()) for candidate in candidates)
    unset = "" if os.environ.get(variable) else f" ({variable} is not set)"
    raise PolyheadError(
        f"'{path}' was not found{separator_hint(path)}; looked at {looked}{unset}. Correct the path, or set {variable} "
        "to the folder that contains it."
    )


def places(variable: str) -> list[tuple[str, Path]]:
    """Return the folders in which data or weights are looked up, in this order, each with its name for messages."""
    listed = [expanded(folder) for folder in os.environ.get(variable, "").split(os.pathsep) if folder]
    found = [("the current folder", Path()), *((variable, folder) for folder in listed)]
    with suppress(PolyheadError):
        user = cache(variable)
        found.append((str(user), user))
    return found


def cache(variable: str) -> Path:
    """Return the user's cache folder for data or weights.

    Raises:
        PolyheadError: if the user has no home folder, as in some containers.
    """
    base = expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return base / "polyhead" / variable.removeprefix("POLYHEAD_").lower()


def expanded(path: str | Path) -> Path:
    """Return a path with the home folder in place of ``~``.

    Raises:
        PolyheadError: if the home folder is unknown.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise PolyheadError(f"'{path}': the home folder is unknown. Set HOME, or write the whole path.") from error


def separator_hint(path: str | Path) -> str:
    """Return a remark on a path with backslashes where they are part of names, as they are not on Windows."""
    return " (folders are separated by / here, not by \\)" if os.sep == "/" and "\\" in str(path) else ""


def check_utf8(text: str) -> str:
    """Check that a recipe can hold a text, such as a path, and return it; YAML has no bytes that are not UTF-8.

    Raises:
        PolyheadError: if it cannot.
    """
    if not text.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise PolyheadError(f"'{text}' is not UTF-8 text, which a recipe cannot hold. Rename the folder or file.")
    return text


def make_folder(folder: Path) -> None:
    """Create the folder of ``--out`` if it does not exist.

    Raises:
        PolyheadError: if it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PolyheadError(
            f"{folder}: the folder cannot be created ({error.strerror}). Choose another one with --out."
        ) from error
