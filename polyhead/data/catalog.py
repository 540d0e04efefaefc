"""Data sets that can be had from the internet, and how to get one: only when asked, checked, and never half.

A download that broke goes on where it stopped. An archive is unpacked beside its place and moved there when all of it
is out; a member that would leave the folder makes the whole archive refused.
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
_BLOCK = 1 << 20
_MOST = 100
"""An archive that grows to more than so many times its size is no data set."""


class Entry(NamedTuple):
    """A data set that can be had.

    Attributes:
        what: one line about it.
        url: of its archive (tar, tar.gz, tgz or zip).
        sha256: of the archive; None where its makers publish none: then the sum of the first download is kept, and
            later ones must have the same.
        licence: what its owners say, in short.
    """

    what: str
    url: str
    sha256: str | None
    licence: str


COCO = "COCO: annotations CC BY 4.0; the photos are under the terms of each Flickr user"

CATALOG = {
    "appliance": Entry(
        "five kitchen appliances, 10 % of COCO 2017; one annotation file, to be split by the recipe",
        f"{_S3}/appliance-dataset-5-tat-10.tar.gz",
        None,
        COCO,
    ),
    "food": Entry(
        "ten kinds of food, 10 % of COCO 2017; one annotation file, to be split by the recipe",
        f"{_S3}/food-dataset-10-tat-10.tar.gz",
        None,
        COCO,
    ),
}


def get(name: str, entry: Entry, folder: Path, show: Callable[[str], None] = print) -> Path:
    """Download and unpack a data set into ``folder/name``; what is there already is not fetched again.

    An archive whose files all lie in one top folder is unpacked without that folder.

    Raises:
        PolyheadError: when the server cannot be reached, the checksum is another one, or the archive is unsafe.
    """
    target = folder / name
    if target.exists():
        show(f"{name} is there already: {target}")
        return target
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / PurePosixPath(entry.url).name
    known = folder / "checksums.json"
    sums = read_json(known)
    expected = entry.sha256 or sums.get(entry.url)
    if not archive.is_file():
        fetch(entry.url, archive, show)
    found = checksum(archive)
    if expected is not None and found != expected:
        archive.unlink()
        raise PolyheadError(
            f"{entry.url}: the archive has the SHA-256 {found}, expected {expected}; it was deleted: try again, and if "
            "this comes again do not use it"
        )
    if expected is None:
        show(f"its makers publish no checksum; this one is kept for next time: {found}")
    unpack(archive, target)
    if expected is None:  # only of what was an archive: a server's page of apologies would bar all that is right
        write_json(known, {**sums, entry.url: found})
    archive.unlink()
    show(f"{name}: {target} ({entry.licence})")
    return target


def fetch(url: str, path: Path, show: Callable[[str], None] = print) -> None:
    """Download a file; a part that is there from an earlier try is completed.

    Raises:
        PolyheadError: when the server cannot be reached, refuses, or breaks off; what came is kept for the next try.
    """
    part = path.with_name(path.name + ".part")
    have = part.stat().st_size if part.is_file() else 0
    request = Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # the catalogue's, or the user's
    try:
        with urlopen(request, timeout=60) as answer:
            going_on = answer.status == 206
            left = int(answer.headers.get("Content-Length") or 0)
            show(f"{url}: {left / 1e6:.1f} MB" + (f", going on after {have / 1e6:.1f} MB" if going_on else ""))
            came = 0
            with part.open("ab" if going_on else "wb") as file:
                while block := answer.read(_BLOCK):
                    file.write(block)
                    came += len(block)
    except HTTPError as error:
        if error.code != 416:  # the part is the whole file
            raise PolyheadError(
                f"{url}: the server answered {error.code} {error.reason}; is the address right?"
            ) from error
        came = left = 0
    except (URLError, OSError, HTTPException) as error:
        raise PolyheadError(f"{url}: {error}; the same command goes on where this one stopped") from error
    if came < left:
        raise PolyheadError(
            f"{url}: broke off after {came} of {left} bytes; the same command goes on where this one stopped"
        )
    replace(part, path)


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(archive: Path, target: Path) -> None:
    """Unpack an archive into a new folder, all of it or nothing.

    Raises:
        PolyheadError: when it is no archive, or a member is absolute, climbs out, is a link or a device, or all are
            far too large.
    """
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                infos = packed.infolist()
                _check(archive, [info.filename for info in infos], sum(info.file_size for info in infos))
                packed.extractall(partial)
        else:
            with tarfile.open(archive) as tar:
                members = tar.getmembers()
                for member in members:
                    if not (member.isfile() or member.isdir()):
                        raise _unsafe(archive, member.name, "is a link or a device")
                _check(archive, [member.name for member in members], sum(member.size for member in members))
                tar.extractall(partial, filter="data")
        inside = list(partial.iterdir())
        single = len(inside) == 1 and inside[0].is_dir()
        (inside[0] if single else partial).replace(target)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise PolyheadError(
            f"{archive} cannot be unpacked ({' '.join(str(error).split())}); delete it and get it again"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _check(archive: Path, names: list[str], size: int) -> None:
    for name in names:
        if escapes(name):
            raise _unsafe(archive, name, "leaves the folder")
    if size > _MOST * max(archive.stat().st_size, _BLOCK):
        raise PolyheadError(
            f"{archive} would grow to {size / 1e9:.1f} GB, more than {_MOST} times its size; it was not unpacked"
        )


def _unsafe(archive: Path, name: str, why: str) -> PolyheadError:
    return PolyheadError(f"{archive}: the member {name!r} {why}; nothing was unpacked, do not use this archive")
