"""Download public data sets and unpack them, and official weights; only when the user asks for one.

The checksum of a file is verified. An interrupted download is resumed. An archive is unpacked into a temporary
folder, which is renamed when it is complete. If one member would be written outside the folder, the archive is
rejected.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from polyhead.data.archives import unpack
from polyhead.data.download import fetch
from polyhead.data.io.json_files import load_json
from polyhead.errors import PolyheadError
from polyhead.paths import make_folder
from polyhead.run import write_json

_S3 = "https://s3.us-west-2.amazonaws.com/testing.resources/datasets/mscoco-samples"
_PETS = "https://www.robots.ox.ac.uk/~vgg/data/pets/data"

CHECKSUMS = "checksums.json"
"""File of the checksums of downloads whose publishers give none, by address."""
METHODS = {"sha256": "SHA-256", "md5": "MD5"}
"""Methods of checksums, with their names."""


class Entry(NamedTuple):
    """A data set or a weights file that can be downloaded.

    Attributes:
        what: a description of one line.
        url: the archive (tar, tar.gz, tgz or zip), or the weights file.
        sha256: checksum of the file. None if its publishers give none: then the checksum of the first download is
            stored, and later downloads must match it.
        license: the license in short.
        md5: checksum of the file where its publishers give this one and no SHA-256.
        others: further archives of the data set. Each archive is then unpacked into a folder of its own name.
    """

    what: str
    url: str
    sha256: str | None
    license: str
    md5: str | None = None
    others: tuple[str, ...] = ()


COCO = "COCO: annotations CC BY 4.0; the photos are under the terms of each Flickr user"

CATALOG = {
    "appliance": Entry(
        "five kitchen appliances, 10 % of COCO 2017; one annotation file, which the recipe splits",
        f"{_S3}/appliance-dataset-5-tat-10.tar.gz",
        None,
        COCO,
    ),
    "food": Entry(
        "ten kinds of food, 10 % of COCO 2017; one annotation file, which the recipe splits",
        f"{_S3}/food-dataset-10-tat-10.tar.gz",
        None,
        COCO,
    ),
    "cifar10": Entry(
        "CIFAR-10: 60,000 images of 32 x 32 pixels in ten classes",
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        None,
        "no license stated; cite Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images",
        md5="c58f30108f718f92721af3b95e74349a",
    ),
    "oxford_pets": Entry(
        "Oxford-IIIT Pet: 7,349 photos of 37 breeds of cats and dogs, with masks",
        f"{_PETS}/images.tar.gz",
        None,
        "CC BY-SA 4.0; the photos are under the terms of their owners",
        others=(f"{_PETS}/annotations.tar.gz",),
    ),
}

_YOLOX = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"

WEIGHTS_CATALOG = {
    f"yolox_{scale}": Entry(
        f"YOLOX-{scale}, trained on COCO: 80 classes, AP {ap} as published",
        f"{_YOLOX}/yolox_{scale}.pth",
        None,
        "Apache-2.0",
    )
    for scale, ap in {"nano": 25.8, "tiny": 32.8, "s": 40.5, "m": 47.2, "l": 50.1, "x": 51.5}.items()
}


def get_file(entry: Entry, folder: Path, show: Callable[[str], None] = print) -> Path:
    """Download a file that is not unpacked, such as weights; return its path.

    Args:
        entry: what to download.
        folder: where it is stored.
        show: prints a line about the progress.

    Raises:
        PolyheadError: if the server cannot be reached, or the checksum does not match.
    """
    target = folder / PurePosixPath(entry.url).name
    if target.exists():
        show(f"{target} exists already")
        return target
    make_folder(folder)
    received = target.with_name(f"{target.name}.received")  # what is not verified yet is not found as weights
    found = _get_checked(entry, received, folder / CHECKSUMS, show)
    received.replace(target)
    _store(entry, folder / CHECKSUMS, found)
    show(f"{target} ({entry.license})")
    return target


def get(name: str, entry: Entry, folder: Path, show: Callable[[str], None] = print) -> Path:
    """Download and unpack a data set into ``folder/name``; do nothing if that exists.

    An archive whose files are all in one top-level folder is unpacked without that folder.

    Args:
        name: name of the data set.
        entry: its entry in the catalog.
        folder: where data sets are stored.
        show: prints a line about the progress.

    Returns:
        The folder of the data set.

    Raises:
        PolyheadError: if the server cannot be reached, the checksum does not match, or the archive is unsafe.
    """
    target = folder / name
    if target.exists():
        show(f"{name} already exists: {target}")
        return target
    make_folder(folder)
    if entry.others:
        gathered = folder / f"{name}.archives"
        if gathered.is_symlink():
            raise PolyheadError(f"{gathered}: expected a folder, got a link. Remove it.")
        make_folder(gathered)
        for url in (entry.url, *entry.others):
            part = gathered / PurePosixPath(url).name.split(".")[0]
            if not part.exists():  # else of an earlier attempt
                _get_archive(entry._replace(url=url), part, folder, show)
        gathered.replace(target)
    else:
        _get_archive(entry, target, folder, show)
    show(f"{name}: {target} ({entry.license})")
    return target


def _get_archive(entry: Entry, target: Path, folder: Path, show: Callable[[str], None]) -> None:
    """Download an archive into ``folder``, check it, and unpack it into a new folder."""
    archive = folder / PurePosixPath(entry.url).name
    found = _get_checked(entry, archive, folder / CHECKSUMS, show)
    unpack(archive, target)
    # Only now: the checksum of an error page would reject the real archive later.
    _store(entry, folder / CHECKSUMS, found)
    archive.unlink()


def _get_checked(entry: Entry, file: Path, checksums: Path, show: Callable[[str], None]) -> str:
    """Download a file unless it is there, check it, and return its checksum; a file with another one is deleted."""
    method = "md5" if entry.sha256 is None and entry.md5 else "sha256"
    expected = entry.sha256 or entry.md5 or _stored(checksums).get(entry.url)
    if not file.is_file():
        fetch(entry.url, file, show)
    found = checksum(file, method)
    if expected is not None and found != expected.strip().lower():
        file.unlink()
        raise PolyheadError(
            f"{entry.url}: the checksum of the file does not match (expected the {METHODS[method]} {expected}, got "
            f"{found}). The file was deleted. Try again; if this happens again, do not use the file."
        )
    if expected is None:
        show(f"the publishers give no checksum; stored for the next download: {found}")
    return found


def _store(entry: Entry, file: Path, found: str) -> None:
    """Store the checksum of a file whose publishers give none."""
    if entry.sha256 is None and entry.md5 is None:
        file.with_name(f"{file.name}.partial").unlink(missing_ok=True)  # it may be a link
        write_json(file, {**_stored(file), entry.url: found})


def _stored(file: Path) -> dict[str, str]:
    """Return the stored checksums by address."""
    content = load_json(file) if file.is_file() else {}
    if not isinstance(content, dict) or not all(isinstance(each, str) for each in content.values()):
        raise PolyheadError(
            f"{file}: expected a checksum for each address, got something else. Delete the file; the next download is "
            "then not compared with earlier ones."
        )
    return content


def checksum(path: Path, method: str = "sha256") -> str:
    """Return a checksum of a file in hexadecimal digits; the method is one of :data:`METHODS`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, method).hexdigest()
