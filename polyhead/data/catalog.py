"""Download and unpack public data sets, only when the user asks for one.

The checksum of an archive is verified. An interrupted download is resumed. An archive is unpacked into a temporary
folder, which is renamed when it is complete. If one member would be written outside the folder, the archive is
rejected.
"""

import hashlib
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from polyhead.data.io.files import escapes
from polyhead.errors import PolyheadError
from polyhead.run import read_json, replace, write_json

_S3 = "https://s3.us-west-2.amazonaws.com/testing.resources/datasets/mscoco-samples"
_PETS = "https://www.robots.ox.ac.uk/~vgg/data/pets/data"
_BLOCK = 1 << 20
_MAX_RATIO = 100
"""An archive that would unpack to more than this many times its own size is rejected as a decompression bomb."""


METHODS = {"sha256": "SHA-256", "md5": "MD5"}
"""Methods of checksums, with their names."""


class Entry(NamedTuple):
    """A data set that can be downloaded.

    Attributes:
        what: a description of one line.
        url: the archive (tar, tar.gz, tgz or zip).
        sha256: checksum of the archive. None if its publishers give none: then the checksum of the first download is
            stored, and later downloads must match it.
        license: the license in short.
        md5: checksum of the archive where its publishers give this one and no SHA-256.
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
    folder.mkdir(parents=True, exist_ok=True)
    if entry.others:
        gathered = folder / f"{name}.archives"
        gathered.mkdir(exist_ok=True)
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
    checksums_file = folder / "checksums.json"
    checksums = read_json(checksums_file)
    method = "md5" if entry.sha256 is None and entry.md5 else "sha256"
    expected = entry.sha256 or entry.md5 or checksums.get(entry.url)
    if not archive.is_file():
        fetch(entry.url, archive, show)
    found = checksum(archive, method)
    if expected is not None and found != expected:
        archive.unlink()
        raise PolyheadError(
            f"{entry.url}: the checksum of the archive does not match (expected the {METHODS[method]} {expected}, got "
            f"{found}). The archive was deleted. Try again; if this happens again, do not use the archive."
        )
    if expected is None:
        show(f"the publishers give no checksum; stored for the next download: {found}")
    unpack(archive, target)
    if expected is None:  # only now: the checksum of an error page would reject the real archive later
        write_json(checksums_file, {**checksums, entry.url: found})
    archive.unlink()


def fetch(url: str, path: Path, show: Callable[[str], None] = print) -> None:
    """Download a file, or complete a download that was interrupted.

    Args:
        url: what to download.
        path: the file to write; until it is complete it is named ``path`` + ``.part``.
        show: prints a line about the progress.

    Raises:
        PolyheadError: if the server cannot be reached, returns an error or closes the connection; what was received
            is stored for the next attempt.
    """
    part = path.with_name(path.name + ".part")
    have = part.stat().st_size if part.is_file() else 0
    request = Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # from the catalog or from the user
    try:
        with urlopen(request, timeout=60) as response:
            resumed = response.status == 206  # a server without ranges answers 200 and sends the complete file
            expected = int(response.headers.get("Content-Length") or 0)
            show(f"{url}: {expected / 1e6:.1f} MB" + (f", resumed after {have / 1e6:.1f} MB" if resumed else ""))
            received = 0
            with part.open("ab" if resumed else "wb") as file:
                while block := response.read(_BLOCK):
                    file.write(block)
                    received += len(block)
    except HTTPError as error:
        if error.code != 416:  # 416, range not satisfiable: the part is complete
            raise PolyheadError(
                f"{url}: the server answered {error.code} {error.reason}. Check the address."
            ) from error
        received = expected = 0
    except (URLError, OSError, HTTPException) as error:
        raise PolyheadError(f"{url}: {error}. Run the same command again to resume the download.") from error
    if received < expected:
        raise PolyheadError(
            f"{url}: the download was interrupted (expected {expected} bytes, got {received}). Run the same command "
            "again to resume it."
        )
    replace(part, path)


def checksum(path: Path, method: str = "sha256") -> str:
    """Return a checksum of a file in hexadecimal digits; the method is one of :data:`METHODS`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, method).hexdigest()


def unpack(archive: Path, target: Path) -> None:
    """Unpack an archive into a new folder, completely or not at all.

    Raises:
        PolyheadError: if the file is not an archive, a member has an absolute path, leaves the folder, or is a link or
            a device, or the members together are far too large.
    """
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _extract(archive, partial)
        inside = list(partial.iterdir())
        single = len(inside) == 1 and inside[0].is_dir()
        (inside[0] if single else partial).replace(target)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise PolyheadError(
            f"{archive}: cannot be unpacked ({' '.join(str(error).split())}). Delete it and download it again."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _extract(archive: Path, folder: Path) -> None:
    """Check all members of an archive, then write them below a folder."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            infos = file.infolist()
            _check(archive, [info.filename for info in infos], sum(info.file_size for info in infos))
            file.extractall(folder)
        return
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
        for member in members:
            if not (member.isfile() or member.isdir()):
                raise _unsafe(archive, member.name, "is a link or a device")
        _check(archive, [member.name for member in members], sum(member.size for member in members))
        tar.extractall(folder, filter="data")


def _check(archive: Path, names: list[str], size: int) -> None:
    for name in names:
        if escapes(name):
            raise _unsafe(archive, name, "would be written outside the folder")
    if size > _MAX_RATIO * max(archive.stat().st_size, _BLOCK):
        raise PolyheadError(
            f"{archive}: would unpack to {size / 1e9:.1f} GB, more than {_MAX_RATIO} times its size. Nothing was "
            "unpacked; do not use this archive."
        )


def _unsafe(archive: Path, name: str, why: str) -> PolyheadError:
    return PolyheadError(f"{archive}: the member {name!r} {why}. Nothing was unpacked; do not use this archive.")
