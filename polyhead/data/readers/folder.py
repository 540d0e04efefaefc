"""A folder per class: the folder's name is the answer for every picture in it; there are no boxes."""

from pathlib import Path

from polyhead.data.io.files import Listing
from polyhead.data.io.images import is_picture, picture_size
from polyhead.data.readers.in_memory import Faults, Listed, Scene
from polyhead.errors import FileFault, PolyheadError, Problem, suggest
from polyhead.paths import find


class Folder(Listed):
    """Pictures for classification; ``value`` is the class, an int64 scalar.

    Args:
        root: the folder of the class folders.
        classes: the names of the folders to read, in this order; all, sorted, when None. Where every folder is named, a
            class may have none, as in a small val set.
        on_bad: ``"stop"`` or ``"skip"``, see :class:`polyhead.data.readers.in_memory.Listed`.
        cap: the share of pictures that may be skipped.
    """

    def __init__(
        self, root: str | Path, *, classes: list[str] | None = None, on_bad: str = "stop", cap: float = 0.1
    ) -> None:
        folder = find(root)
        found = class_folders(folder)
        if not found:
            raise PolyheadError(f"{folder}: no class folders; expected a folder of pictures for each class")
        others = [name for name in found if name not in (classes or [])]
        for name in classes or []:
            if name not in found and others:  # a misspelt one would leave out the pictures of another
                raise PolyheadError(f"classes: {folder} has no folder {name!r}{suggest(name, others)}")
        names = found if classes is None else list(classes)
        faults = Faults()
        scenes: list[Scene] = []
        for label, name in enumerate(names):
            if name in found:
                scenes += _scenes(folder / name, label, faults, named=classes is not None)
        super().__init__(folder, names, [*names], scenes, faults, on_bad, cap)


def class_folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted; hidden ones are left out."""
    paths = folder.iterdir() if folder.is_dir() else ()
    return sorted(path.name for path in paths if path.is_dir() and not path.name.startswith("."))


def _scenes(folder: Path, label: int, faults: Faults, *, named: bool) -> list[Scene]:
    listing = Listing(folder, folder.parent)
    scenes = []
    pictures = sorted(name for name in (*listing.files, *listing.strays) if is_picture(name))
    if not pictures and not named:
        what = "there is no picture in this class folder"
        faults.add(None, Problem(str(folder), what, "add pictures, or leave the class out with classes="))
    for name in pictures:
        ident, path = f"{folder.name}/{name}", listing.find(name)
        if isinstance(path, Problem):
            faults.add(ident, path)
            continue
        try:
            scenes.append(Scene(ident, path, picture_size(path), label))
        except FileFault as fault:
            faults.add(ident, fault.problem)
    return scenes
