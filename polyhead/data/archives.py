"""Unpack zip and tar archives from elsewhere: completely or not at all, in bounded memory, inside one folder.

An archive is read to its end before anything is moved into place: the checksum of gzip, bzip2 and xz comes last.
"""

import bz2
import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import IO, Any

from polyhead.data.io.files import escapes
from polyhead.errors import DISK_FULL, PolyheadError

MAX_RATIO = 100
"""An archive that would unpack to more than this many times its own size is rejected as a decompression bomb."""
MAX_DEPTH = 100
"""Folders above a member."""
MAX_HEADER = 1 << 18
"""Bytes of a header of tar that holds long names or attributes."""
_BLOCK = 1 << 20
_MEMBER = 4096
"""Bytes that each member counts besides its content, so that the number of members is limited too."""


def unpack(archive: Path, target: Path, added: Mapping[str, str] = MappingProxyType({})) -> None:
    """Unpack an archive into a new folder, completely or not at all.

    Folders that contain only one folder, at the top of the archive, are left out.

    Args:
        archive: the file.
        target: the folder, which does not exist yet.
        added: the content of further files, by name.

    Raises:
        PolyheadError: if the file is not an archive, is damaged, a member has an absolute path, leaves the folder, or
            is a link or a device, or the members together are far too large.
    """
    partial = target.with_name(target.name + ".partial")
    _remove(partial)
    try:
        partial.mkdir()
        _extract(archive, partial)
        inside = list(partial.iterdir())
        if not inside:
            raise PolyheadError(f"{archive}: the archive contains no files. Delete it and download it again.")
        top = partial
        while len(inside) == 1 and inside[0].is_dir():
            top = inside[0]
            inside = list(top.iterdir())
        for name, text in added.items():
            (top / name).write_text(text, encoding="utf-8")
        top.replace(target)
    except PolyheadError:
        raise
    except Exception as error:  # decoders raise any exception on damaged files
        if getattr(error, "errno", None) in DISK_FULL:
            what = f"{archive}: the disk is full. Free some space and run the same command again."
            raise PolyheadError(what) from error
        why = " ".join(str(error).split())[:300] or type(error).__name__
        raise PolyheadError(f"{archive}: cannot be unpacked ({why}). Delete it and download it again.") from error
    finally:
        _remove(partial)


def _remove(path: Path) -> None:
    """Delete a folder, or the link in its place."""
    if path.is_symlink():
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)


def _extract(archive: Path, folder: Path) -> None:
    """Check and write the members of an archive."""
    with archive.open("rb") as file:
        magic = file.read(6)
        file.seek(0)
        if magic[:4] in (b"PK\3\4", b"PK\5\6"):
            _extract_zip(archive, file, folder)
            return
        with closing(_decompressed(magic, file)) as stream:
            _extract_tar(archive, stream, folder)


def _decompressed(magic: bytes, file: IO[bytes]) -> Any:
    """Return a file that reads the content of a compressed file, or of one that is not compressed."""
    if magic[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=file)
    if magic[:3] == b"BZh":
        return bz2.BZ2File(file)
    return lzma.LZMAFile(file) if magic == b"\xfd7zXZ\0" else file


def _extract_zip(archive: Path, file: IO[bytes], folder: Path) -> None:
    with zipfile.ZipFile(file) as members:
        infos = members.infolist()
        for info in infos:
            _check_name(archive, info.filename)
            if stat.S_ISLNK(info.external_attr >> 16):
                raise _unsafe(archive, info.filename, "is a link or a device")
        _check_size(archive, sum(info.file_size + _MEMBER for info in infos))
        members.extractall(folder)


def _extract_tar(archive: Path, stream: Any, folder: Path) -> None:
    size = 0
    with tarfile.open(fileobj=stream, mode="r|", bufsize=_BLOCK, tarinfo=_Member) as tar:
        while (member := tar.next()) is not None:
            if not (member.isfile() or member.isdir()):
                raise _unsafe(archive, member.name, "is a link or a device")
            _check_name(archive, member.name)
            size += member.size + _MEMBER
            _check_size(archive, size)
            if sum(map(len, tar.pax_headers.values())) > MAX_HEADER:
                raise tarfile.ReadError("its global headers are too large")
            tar.extract(member, folder, filter="data")
            tar.members.clear()  # type: ignore[attr-defined]  # it would keep them all in memory
        assert tar.fileobj is not None
        while rest := tar.fileobj.read(_BLOCK):  # to its end, where the checksum is
            size += len(rest)
            _check_size(archive, size)
            if rest.strip(b"\0"):
                raise tarfile.ReadError("it has data after its end")


class _Member(tarfile.TarInfo):
    """A member of a tar archive.

    Python's tarfile takes a damaged header for the end of the archive, and reads headers of any size into memory.
    """

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> "_Member":
        """Return the member with this header, a block of 512 bytes."""
        if not buf:
            raise tarfile.ReadError("it ends without the mark of its end")
        if not bytes(buf).strip(b"\0"):
            return super().frombuf(buf, encoding, errors)  # the mark of the end
        try:
            member = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"a header is damaged: {error}") from error
        if member.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError("it has sparse files, which are not supported")
        if member.size < 0 or (member.type in _SPECIAL and member.size > MAX_HEADER):
            raise tarfile.ReadError(f"a header has {member.size} bytes, expected 0 to {MAX_HEADER}")
        return member

    def _proc_gnusparse_10(self, *_: Any) -> None:
        """Refuse a list of holes of any length, which tarfile would read into memory."""
        raise tarfile.ReadError("it has sparse files, which are not supported")


_SPECIAL = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
"""Types of headers that belong to the next member."""


def _check_name(archive: Path, name: str) -> None:
    if escapes(name):
        raise _unsafe(archive, name, "would be written outside the folder")
    if len(PurePosixPath(name).parts) > MAX_DEPTH:
        raise _unsafe(archive, name, f"is nested more than {MAX_DEPTH} folders deep")


def _check_size(archive: Path, size: int) -> None:
    if size > MAX_RATIO * max(archive.stat().st_size, _BLOCK):
        raise PolyheadError(
            f"{archive}: would unpack to {size / 1e9:.1f} GB, more than {MAX_RATIO} times its size. Nothing was "
            "unpacked; do not use this archive."
        )


def _unsafe(archive: Path, name: str, why: str) -> PolyheadError:
    return PolyheadError(f"{archive}: the member {name!r:.300} {why}. Nothing was unpacked; do not use this archive.")
