"""Damaged archives are never taken for sound ones, and hostile ones neither escape nor fill the memory."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from builders.archives import tar, zipped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyhead.data import archives
from polyhead.data.archives import unpack
from polyhead.errors import PolyheadError

CONTENT = {"a.txt": b"one", "b/c.bin": bytes(range(256)) * 20, "b/empty": b""}
PACK: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


def unpacked(content: bytes, folder: Path) -> dict[str, bytes]:
    (folder / "x").write_bytes(content)
    unpack(folder / "x", folder / "out")
    return {
        path.relative_to(folder / "out").as_posix(): path.read_bytes()
        for path in (folder / "out").rglob("*")
        if path.is_file()
    }


def flip(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :]


SOUND = tar(CONTENT)
ARCHIVES = {**{name: pack(SOUND) for name, pack in PACK.items()}, "zip": zipped(CONTENT)}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_every_form_of_archive_is_read(kind: str, tmp_path: Path) -> None:
    assert unpacked(ARCHIVES[kind], tmp_path) == CONTENT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "x"]


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_byte_of_a_compressed_archive_is_found_or_changes_nothing(
    kind: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = ARCHIVES[kind]
    damaged = flip(content, data.draw(st.integers(0, len(content) - 1)))
    folder = tmp_path_factory.mktemp("flip")
    try:
        assert unpacked(damaged, folder) == CONTENT
    except PolyheadError as error:
        assert "Delete it and download it again" in str(error)  # noqa: PT017
        assert [path.name for path in folder.iterdir()] == ["x"]


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_that_is_cut_off_is_refused_wherever_it_ends(kind: str, tmp_path: Path) -> None:
    content = ARCHIVES[kind]
    ends = len(content.rstrip(b"\0")) if kind == "tar" else len(content) - 1  # a tar ends with blocks of zeros
    for end in (ends, ends - 1, ends // 2, ends - ends % 512, 20, 0):
        with pytest.raises(PolyheadError, match=r"cannot be unpacked|contains no files"):
            unpacked(content[:end], tmp_path)
        assert not (tmp_path / "out").exists()


def header(kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def changed_zip(**fields: int) -> bytes:
    """Return a zip whose flags or method are others, in both of its headers."""
    content = bytearray(zipped({"a": b"secret" * 9}))
    central = content.find(b"PK\1\2")
    for name, value in fields.items():
        at = {"flags": (6, 8), "method": (8, 10)}[name]
        content[at[0]] = content[central + at[1]] = value
    return bytes(content)


def linked_zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        file.writestr(info, "/etc/passwd")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(SOUND)[:-8] + bytes(8), "CRC check failed"),
        (gzip.compress(SOUND)[:-5], "ended before the end-of-stream"),
        (gzip.compress(SOUND) + b"garbage", "Not a gzipped file"),
        (flip(SOUND, 1030), "a header is damaged"),
        (SOUND[:1024] + bytes(512) + SOUND[1536:], "it has data after its end"),
        (SOUND + b"more", "it has data after its end"),
        (tar({"a/" * 2000 + "x": b"1"}), "is nested more than 100 folders deep"),
        (zipped({"a/" * 200 + "x": b"1"}), "is nested more than 100 folders deep"),
        (header(tarfile.XHDTYPE, 1 << 30), "a header has 1073741824 bytes, expected 0 to 262144"),
        (header(tarfile.XGLTYPE, 1 << 30), "a header has 1073741824 bytes"),
        (header(tarfile.GNUTYPE_LONGNAME, 1 << 30), "a header has 1073741824 bytes"),
        (header(tarfile.GNUTYPE_SPARSE, 10), "it has sparse files"),
        (header(tarfile.CHRTYPE, 0), "is a link or a device"),
        (header(tarfile.REGTYPE, 1 << 40), "would unpack to 1099.5 GB, more than 4 times its size"),
        (gzip.compress(SOUND + bytes(1 << 23), 1), "more than 4 times its size"),
        (header(tarfile.DIRTYPE, 0) * 5, "more than 4 times its size"),
        (changed_zip(flags=1), "encrypted"),
        (changed_zip(method=99), "compression method"),
        (linked_zip(), "the member 'link' is a link"),
        (b"<html>not found</html>", "cannot be unpacked"),
        (b"", "cannot be unpacked"),
        (tar({}), "the archive contains no files"),
    ],
)
def test_damaged_and_hostile_archives_are_one_message(
    content: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_RATIO", 4)  # times at least 1 MiB
    monkeypatch.setattr(archives, "_MEMBER", 1 << 20)
    with pytest.raises(PolyheadError) as caught:
        unpacked(content, tmp_path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'x'}: ")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_link_in_place_of_the_temporary_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out.partial").symlink_to("elsewhere")
    assert unpacked(zipped(CONTENT), tmp_path) == CONTENT
    assert not list((tmp_path / "elsewhere").iterdir())
