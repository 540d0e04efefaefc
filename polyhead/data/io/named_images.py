"""Find the images that annotation files name: paths of other computers, other folders, other letter case."""

from collections import Counter
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from polyhead.data.io.files import Listing
from polyhead.data.io.images import is_image
from polyhead.data.io.split_names import split_of_path
from polyhead.errors import Problem, few


class NamedImages:
    """The images of a data set by the names that its annotation files give them.

    A name is first looked up in ``folder``. If it is not there, the image anywhere in ``root`` is taken whose path has
    the longest ending in common with the name, if it is the only one. A folder of another split is not searched.

    Args:
        root: the folder of the data set.
        folder: the folder that names are relative to.
        split: train, val or test, if the annotation file is of one split.
    """

    def __init__(self, root: Path, folder: Path, split: str | None = None) -> None:
        self.root = root
        self.split = split
        self.listing = Listing(folder)
        self._folders: Counter[str] = Counter()
        self._cases: list[str] = []

    def find(self, name: str) -> Path | Problem:
        """Return the path of an image, or the problem with its name."""
        plain = plain_name(name)
        found = self.listing.find(plain)
        return found if isinstance(found, Path) else self._elsewhere(name, plain, found)

    @property
    def notes(self) -> list[str]:
        """Where images were found other than in ``folder``, and in which letter case."""
        notes = []
        if self._folders:
            counts = [f"{folder} ({count})" for folder, count in sorted(self._folders.items())]
            notes.append(f"images were not found where the annotations name them, but in {few(counts)}")
        if self._cases:
            count = len(self._cases)
            what = "name of an image differs" if count == 1 else "names of images differ"
            notes.append(f"{count} {what} from its file in letter case, such as {self._cases[0]}")
        return notes

    @cached_property
    def _files(self) -> Listing:
        return Listing(self.root)

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """The images below ``root`` by their name in lower case, with its ending and without."""
        found: dict[str, list[str]] = {}
        for path in filter(is_image, self._files.files):
            if self.split and split_of_path(str(PurePosixPath(path).parent)) not in (None, self.split):
                continue
            name = PurePosixPath(path).name.lower()
            found.setdefault(name, []).append(path)
            found.setdefault(PurePosixPath(name).stem, []).append(path)
        return found

    def _elsewhere(self, name: str, plain: str, problem: Problem) -> Path | Problem:
        parts = [part for part in PurePosixPath(plain).parts if part not in ("/", "..")]
        candidates = self._by_name.get(parts[-1].lower(), []) if parts else []
        longest = max((_common(parts, path) for path in candidates), default=(0, 0))
        best = [path for path in candidates if _common(parts, path) == longest]
        if not best:
            return problem._replace(where=f"image {name!r}")
        if len(best) > 1:
            what = f"several images have this name: {few(best, 3)}"
            return Problem(f"image {name!r}", what, "name the folder of the images with images=FOLDER")
        found = PurePosixPath(best[0])
        if found.name != parts[-1] and found.stem != parts[-1]:
            self._cases.append(f"{parts[-1]} for {best[0]}")
        if not self._is_near(best[0], plain):
            self._folders[str(found.parent)] += 1
        return self._files.files[best[0]]

    def _is_near(self, path: str, plain: str) -> bool:
        """Return whether a path differs from the named one in letter case at most."""
        folder = self.listing.folder
        near = folder.relative_to(self.root) if folder.is_relative_to(self.root) else Path("..")
        return path.lower() == (near / plain).as_posix().lower()


def plain_name(name: str) -> str:
    r"""Return the path in a name: without the host of a URL, with ``/`` for ``\``, and without a Windows drive.

    >>> plain_name("images\\a.jpg"), plain_name("C:\\b\\a.jpg"), plain_name("file:///data/a%20b.jpg")
    ('images/a.jpg', '/b/a.jpg', '/data/a b.jpg')
    >>> plain_name("/data/local-files/?d=set/a.jpg"), plain_name("https://host/set/a.jpg?key=1")
    ('set/a.jpg', '/set/a.jpg')
    """
    if "://" in name or "?d=" in name:
        try:
            parts = urlsplit(name)
        except ValueError:  # such as http://[
            return name
        name = next(iter(parse_qs(parts.query).get("d", ())), unquote(parts.path))
    name = name.replace("\\", "/")
    return name[2:] if name[1:2] == ":" and name[:1].isalpha() else name


def _common(parts: list[str], path: str) -> tuple[int, int]:
    """Return how many of the last parts of two paths are equal in any letter case, and how many in the same."""
    pairs = list(zip(reversed(parts), reversed(PurePosixPath(path).parts), strict=False))
    same = [one.lower() == other.lower() for one, other in pairs[1:]]
    count = 1 + (same.index(False) if False in same else len(same))
    return count, sum(one == other for one, other in pairs[:count])
