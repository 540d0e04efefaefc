"""Download public data sets and unpack them, and official weights; only when the user asks for one.

The checksum of a file is verified. An interrupted download is resumed. An archive is unpacked into a temporary
folder, which is renamed when it is complete. If one member would be written outside the folder, the archive is
rejected.
"""

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import NamedTuple

from polyhead.contracts.coco_names import COCO_NAMES
from polyhead.data.archives import unpack
from polyhead.data.download import fetch
from polyhead.data.io.json_files import load_json
from polyhead.errors import PolyheadError
from polyhead.paths import make_folder
from polyhead.run import write_json

_S3 = "https://s3.us-west-2.amazonaws.com/testing.resources/datasets/mscoco-samples"
_PETS = "https://www.robots.ox.ac.uk/~vgg/data/pets/data"
_VOC = "https://thor.robots.ox.ac.uk/pascal/VOC"

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
        others: further archives of the data set, each with its MD5, or None. Each archive is then unpacked into a
            folder of its own name, or all into one if ``into`` is given.
        into: the folder below that of all data sets, if it is not the name of the data set.
        added: the content of files that the archive lacks, by name.
        cite: the publication to cite.
    """

    what: str
    url: str
    sha256: str | None
    license: str
    md5: str | None = None
    others: Mapping[str, str | None] = MappingProxyType({})
    into: str | None = None
    added: Mapping[str, str] = MappingProxyType({})
    cite: str = ""


COCO = "COCO: annotations CC BY 4.0; the photos are under the terms of each Flickr user"
_COCO_PAPER = "Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014"
_VOC_PAPER = "Everingham et al., The PASCAL Visual Object Classes (VOC) Challenge, IJCV 88, 2010"
_VOC_LICENSE = "no license stated; the photos are under Flickr's terms of use; cite Everingham et al. 2010"

CATALOG = {
    "appliance": Entry(
        "five kitchen appliances, 10 % of COCO 2017; one annotation file, which the recipe splits",
        f"{_S3}/appliance-dataset-5-tat-10.tar.gz",
        None,
        COCO,
        cite=_COCO_PAPER,
    ),
    "food": Entry(
        "ten kinds of food, 10 % of COCO 2017; one annotation file, which the recipe splits",
        f"{_S3}/food-dataset-10-tat-10.tar.gz",
        None,
        COCO,
        cite=_COCO_PAPER,
    ),
    "cifar10": Entry(
        "CIFAR-10: 60,000 images of 32 x 32 pixels in ten classes",
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        None,
        "no license stated; cite Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images",
        md5="c58f30108f718f92721af3b95e74349a",
        cite="Krizhevsky, Learning Multiple Layers of Features from Tiny Images, technical report, 2009",
    ),
    "oxford_pets": Entry(
        "Oxford-IIIT Pet: 7,349 photos of 37 breeds of cats and dogs, with masks",
        f"{_PETS}/images.tar.gz",
        None,
        "CC BY-SA 4.0; the photos are under the terms of their owners",
        others={f"{_PETS}/annotations.tar.gz": None},
        cite="Parkhi, Vedaldi, Zisserman, Jawahar, Cats and Dogs, CVPR 2012",
    ),
    "penn_fudan": Entry(
        "Penn-Fudan: 170 photos of 423 pedestrians, with boxes and masks",
        "https://www.cis.upenn.edu/~jshi/ped_html/PennFudanPed.zip",
        "9095a9613c95586f1c7f2a327d454833d16e0f5e17e5f83d35027ffd315b48e2",
        "no open license, see its readme.txt: for research, not to be passed on; cite Wang et al. 2007",
        into="penn_fudan/PennFudanPed",
        cite="Wang, Shi, Song, Shen, Object Detection Combining Recognition and Segmentation, ACCV 2007",
    ),
    "coco128": Entry(
        "COCO128: the first 128 images of COCO 2017, to try things out",
        "https://github.com/ultralytics/assets/releases/download/v0.0.0/coco128.zip",
        "61e5e3028863d8ffc3b81d6a514603954889f0edd5e4b44c4ce60b2da99aeb8e",
        f"{COCO}; Ultralytics' own files are under the LICENSE in it",
        added={"classes.txt": "".join(f"{name}\n" for name in COCO_NAMES)},
        cite=_COCO_PAPER,
    ),
    "voc2007": Entry(
        "PASCAL VOC 2007: 9,963 photos with boxes of 20 classes, trainval and test",
        f"{_VOC}/voc2007/VOCtrainval_06-Nov-2007.tar",
        None,
        _VOC_LICENSE,
        md5="c52e279531787c972589f7e41ab4ae64",
        others={f"{_VOC}/voc2007/VOCtest_06-Nov-2007.tar": "b6e924de25625d8de591ea690078ad9f"},
        into="VOCdevkit/VOC2007",
        cite=_VOC_PAPER,
    ),
    "voc2012": Entry(
        "PASCAL VOC 2012: 17,125 photos with boxes and masks of 20 classes, trainval (no labels of test exist)",
        f"{_VOC}/voc2012/VOCtrainval_11-May-2012.tar",
        None,
        _VOC_LICENSE,
        md5="6cd6e144f989b92b3379bac3b3de84fd",
        into="VOCdevkit/VOC2012",
        cite=_VOC_PAPER,
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
    """Download and unpack a data set into ``folder/name`` or ``folder/entry.into``; do nothing if that exists.

    An archive whose files are all in one folder is unpacked without that folder. If ``entry.into`` is given, several
    archives are unpacked into one folder.

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
    target = folder / (entry.into or name)
    if target.exists():
        show(f"{name} already exists: {target}")
        return target
    make_folder(target.parent)
    if entry.others:
        _get_several(entry, target, folder / f"{name}.archives", show)
    else:
        _get_archive(entry, target, folder, show)
    show(f"{name}: {target} ({entry.license})")
    return target


def _get_several(entry: Entry, target: Path, gathered: Path, show: Callable[[str], None]) -> None:
    """Download several archives, and unpack each into a folder; what is unpacked is not downloaded again."""
    if gathered.is_symlink():
        raise PolyheadError(f"{gathered}: expected a folder, got a link. Remove it.")
    make_folder(gathered)
    archives = [entry, *(entry._replace(url=url, sha256=None, md5=md5) for url, md5 in entry.others.items())]
    parts = {gathered / PurePosixPath(archive.url).name.split(".")[0]: archive for archive in archives}
    for part, archive in parts.items():
        if not part.exists():
            _get_archive(archive, part, gathered.parent, show)
    if entry.into is None:
        gathered.replace(target)
        return
    first, *others = parts
    for part in others:
        _move_files(part, first)
    first.replace(target)
    shutil.rmtree(gathered)


def _move_files(folder: Path, target: Path) -> None:
    """Move all files of a folder to the same places in another one."""
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        place = target / path.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)


def _get_archive(entry: Entry, target: Path, folder: Path, show: Callable[[str], None]) -> None:
    """Download an archive into ``folder``, check it, and unpack it into a new folder."""
    archive = folder / PurePosixPath(entry.url).name
    found = _get_checked(entry, archive, folder / CHECKSUMS, show)
    unpack(archive, target, entry.added)
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
