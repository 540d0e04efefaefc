"""Downloads from a local server: checksums, resuming, and archives that are not safe to unpack."""

import hashlib
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from builders.archives import tar, tar_gz, zipped
from builders.file_server import Server

from polyhead import cli
from polyhead.data import catalog, download
from polyhead.data.catalog import Entry, get
from polyhead.errors import PolyheadError

GOOD = {"pets-10/annotations/a.json": b"{}", "pets-10/train/1.jpg": bytes(range(256)) * 40}


@pytest.mark.parametrize(("name", "pack"), [("pets.tar.gz", tar_gz), ("pets.zip", zipped)])
def test_an_archive_is_downloaded_once_and_unpacked_without_its_top_folder(
    server: Server, tmp_path: Path, name: str, pack: Callable[[Any], bytes]
) -> None:
    server.files[name] = pack(GOOD)
    entry = Entry("pets", server.url(name), hashlib.sha256(server.files[name]).hexdigest(), "free")
    folder = get("pets", entry, tmp_path, lambda _: None)
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == {key.removeprefix("pets-10/"): value for key, value in GOOD.items()}
    get("pets", entry, tmp_path, lambda _: None)
    assert len(server.asked) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["pets"]


def test_several_archives_become_folders_of_one_data_set(server: Server, tmp_path: Path) -> None:
    server.files["images.tar.gz"] = tar_gz({"images/a.jpg": b"1", "images/b.jpg": b"2"})
    entry = Entry("", server.url("images.tar.gz"), None, "free", others={server.url("annotations.tar.gz"): None})
    with pytest.raises(PolyheadError, match="the server answered 404"):
        get("pets", entry, tmp_path, lambda _: None)
    assert not (tmp_path / "pets").exists()
    server.files["annotations.tar.gz"] = tar_gz({"annotations/list.txt": b"a", "annotations/trimaps/a.png": b"3"})
    folder = get("pets", entry, tmp_path, lambda _: None)
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert found == ["annotations/list.txt", "annotations/trimaps/a.png", "images/a.jpg", "images/b.jpg"]
    assert len(server.asked) == 3, "what had been unpacked is not downloaded again"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checksums.json", "pets"]


def test_archives_that_share_a_folder_become_one(server: Server, tmp_path: Path) -> None:
    first = {"kit/VOC/lists/train.txt": b"1", "kit/VOC/images/1.jpg": b"one"}
    second = {"kit/VOC/lists/test.txt": b"2", "kit/VOC/images/2.jpg": b"two", "kit/VOC/boxes/2.xml": b"<a/>"}
    server.files |= {"first.tar": tar(first), "second.tar": tar(second)}
    md5s = [hashlib.md5(content, usedforsecurity=False).hexdigest() for content in server.files.values()]
    urls = [server.url(name) for name in server.files]
    wrong = Entry("", urls[0], None, "free", md5=md5s[0], others={urls[1]: md5s[0]}, into="kit/VOC")
    with pytest.raises(PolyheadError, match=rf"second\.tar: the checksum .*expected the MD5 {md5s[0]}, got {md5s[1]}"):
        get("voc", wrong, tmp_path, lambda _: None)
    assert not (tmp_path / "kit" / "VOC").exists()
    entry = wrong._replace(others={urls[1]: md5s[1]})
    folder = get("voc", entry, tmp_path, lambda _: None)
    assert folder == tmp_path / "kit" / "VOC"
    found = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == first | second
    get("voc", entry, tmp_path, lambda _: None)
    assert len(server.asked) == 3, "the first archive was downloaded once"


def test_a_file_that_an_archive_lacks_is_added(server: Server, tmp_path: Path) -> None:
    server.files["a.zip"] = zipped({"a/images/1.jpg": b"1", "a/labels/1.txt": b""})
    entry = Entry("", server.url("a.zip"), None, "", added={"classes.txt": "cat\n"})
    assert (get("a", entry, tmp_path, lambda _: None) / "classes.txt").read_text(encoding="utf-8") == "cat\n"


def test_an_md5_is_checked_where_the_publishers_give_no_other(server: Server, tmp_path: Path) -> None:
    server.files["a.zip"] = zipped({"a": b"1", "b": b"2"})
    md5 = hashlib.md5(server.files["a.zip"], usedforsecurity=False).hexdigest()
    with pytest.raises(PolyheadError, match=rf"expected the MD5 {'0' * 32}, got {md5}"):
        get("a", Entry("", server.url("a.zip"), None, "", md5="0" * 32), tmp_path, lambda _: None)
    assert (get("a", Entry("", server.url("a.zip"), None, "", md5=md5), tmp_path, lambda _: None) / "a").is_file()


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_download_is_resumed(server: Server, tmp_path: Path, ranges: bool) -> None:
    server.files["pets.zip"] = zipped({"a.bin": hashlib.sha256(b"x").digest() * 3000, "b": b"y"})
    entry = Entry("pets", server.url("pets.zip"), hashlib.sha256(server.files["pets.zip"]).hexdigest(), "free")
    server.most, server.ranges = 200, ranges
    with pytest.raises(PolyheadError, match=r"expected .* bytes, got 200.* Run the same command again to resume"):
        get("pets", entry, tmp_path, lambda _: None)
    assert not (tmp_path / "pets").exists()
    server.most = None
    get("pets", entry, tmp_path, lambda _: None)
    assert server.asked == [None, "bytes=200-"]
    assert (tmp_path / "pets" / "b").read_bytes() == b"y"


def test_the_checksum_of_an_error_page_is_not_stored(server: Server, tmp_path: Path) -> None:
    entry = Entry("pets", server.url("pets.zip"), None, "free")
    server.files["pets.zip"] = b"<html>come back later</html>"
    with pytest.raises(PolyheadError, match=r"cannot be unpacked \(.*\)\. Delete it and download it again"):
        get("pets", entry, tmp_path, lambda _: None)
    (tmp_path / "pets.zip").unlink()
    server.files["pets.zip"] = zipped(GOOD)
    assert (get("pets", entry, tmp_path, lambda _: None) / "train" / "1.jpg").is_file()


def test_a_part_file_that_is_complete_is_used(server: Server, tmp_path: Path) -> None:
    server.files["pets.zip"] = zipped({"a": b"1", "b": b"2"})
    (tmp_path / "pets.zip.part").write_bytes(server.files["pets.zip"])
    get("pets", Entry("", server.url("pets.zip"), None, ""), tmp_path, lambda _: None)
    assert (tmp_path / "pets" / "b").read_bytes() == b"2"


def test_a_different_checksum_is_rejected_even_if_none_is_published(server: Server, tmp_path: Path) -> None:
    server.files["pets.zip"] = zipped({"a": b"1", "b": b"2"})
    url = server.url("pets.zip")
    with pytest.raises(PolyheadError, match=f"expected the SHA-256 {'0' * 64}, got .*The file was deleted"):
        get("pets", Entry("", url, "0" * 64, ""), tmp_path, lambda _: None)
    assert not any(path.name.startswith("pets") for path in tmp_path.iterdir())
    lines: list[str] = []
    get("pets", Entry("", url, None, ""), tmp_path, lines.append)
    assert any("stored for the next download" in line for line in lines)
    server.files["pets.zip"] = zipped({"a": b"changed", "b": b"2"})
    with pytest.raises(PolyheadError, match="expected"):
        get("again", Entry("", url, None, ""), tmp_path, lambda _: None)


def special(kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo()
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tar.gz", tar_gz({"ok": b"1", "../out": b"2"}), r"member '../out' would be written outside the folder"),
        ("a.tar.gz", tar_gz({"/etc/out": b"2"}), "would be written outside the folder"),
        ("a.tar.gz", tar_gz({"C:\\out": b"2"}), "would be written outside the folder"),
        ("a.tar.gz", tar_gz({"link": special(tarfile.SYMTYPE, "/etc")}), "is a link or a device"),
        ("a.tar.gz", tar_gz({"link": special(tarfile.LNKTYPE, "../x")}), "is a link or a device"),
        ("a.tar.gz", tar_gz({"pipe": special(tarfile.FIFOTYPE)}), "is a link or a device"),
        ("a.zip", zipped({"ok": b"1", "a/../../out": b"2"}), "would be written outside the folder"),
        ("a.zip", zipped({"bomb": bytes(1 << 27)}), r"would unpack to 0\.1 GB, more than 100 times its size"),
        ("a.tar.gz", tar_gz({"ok": bytes(9999)})[:60], "cannot be unpacked"),
        ("a.zip", b"<html>not found</html>", "cannot be unpacked"),
    ],
    ids=["climbs", "absolute", "drive", "symlink", "hard link", "pipe", "zip climbs", "bomb", "cut off", "a web page"],
)
def test_unsafe_and_broken_archives_leave_nothing(
    server: Server, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    server.files[name] = content
    (tmp_path / "data").mkdir()
    with pytest.raises(PolyheadError, match=message):
        get("a", Entry("", server.url(name), None, ""), tmp_path / "data", lambda _: None)
    assert not (tmp_path / "out").exists()
    assert {path.name for path in (tmp_path / "data").iterdir()} <= {name, "checksums.json"}


def test_a_missing_server_or_file_is_one_message(server: Server, tmp_path: Path) -> None:
    with pytest.raises(PolyheadError, match=r"answered 404 Not Found\. Check the address"):
        get("a", Entry("", server.url("nothing.zip"), None, ""), tmp_path, lambda _: None)
    with pytest.raises(PolyheadError, match="Run the same command again to resume"):
        get("a", Entry("", "http://127.0.0.1:1/a.zip", None, ""), tmp_path, lambda _: None)


def test_the_commands(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.files["pets.zip"] = zipped({"a": b"1", "b": b"2"})
    monkeypatch.setitem(catalog.CATALOG, "pets", Entry("cats", server.url("pets.zip"), None, "free"))
    assert cli.main(["data", "list"]) == 0
    assert "cats" in capsys.readouterr().out
    assert cli.main(["data", "get", "pets", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "pets" / "a").is_file()
    assert cli.main(["data", "get", "pet"]) == 2
    assert "the catalog has no data set 'pet'; did you mean 'pets'" in capsys.readouterr().err


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "WINDOW", 0.15)


class Raw:
    """A server that answers every connection with the same bytes, one after another if they are to be slow."""

    def __init__(self, answer: bytes, slow_from: int | None = None) -> None:
        self.answer, self.slow_from = answer, len(answer) if slow_from is None else slow_from
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/a.zip"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(self.answer[: self.slow_from])
                    for byte in self.answer[self.slow_from :]:
                        connection.sendall(bytes([byte]))
                        time.sleep(0.02)


@pytest.fixture
def raw() -> Iterator[Callable[..., Raw]]:
    servers: list[Raw] = []

    def make(*arguments: Any) -> Raw:
        servers.append(Raw(*arguments))
        return servers[-1]

    yield make
    for each in servers:
        each.socket.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("answer", "slow_from", "message"),
    [
        (OK + bytes(500), len(OK), r"given up, because the server sent only \d+ bytes in \d s\. Run the same command"),
        (OK + bytes(500), 0, "given up, because the server sent nothing in"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 500, 47, "the server sent nothing in"),
    ],
    ids=["body", "header", "size of a chunk"],
)
def test_a_server_that_sends_byte_after_byte_is_given_up(
    raw: Callable[..., Raw], answer: bytes, slow_from: int, message: str, tmp_path: Path
) -> None:
    with pytest.raises(PolyheadError, match=message):
        get("a", Entry("", raw(answer, slow_from).url, None, ""), tmp_path, lambda _: None)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\nx", "cannot be unpacked"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -7\r\n\r\nx", "cannot be unpacked"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1" + b"0" * 30 + b"\r\n\r\nx", "do not fit in"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "Run the same command again"),
        (b"HTTP/1.1 416 No\r\n\r\n", "answered 416 No"),
        (b"HTTP/1.1 404 \x1b[31mred\r\n\r\n", r"answered 404 \[31mred\. Check the address"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n", "Run the same command again"),
        (b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n", "answered 302"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "Run the same command again"),
        (b"what?\r\n", "Run the same command again"),
        (b"", "Run the same command again"),
    ],
)
def test_what_no_server_should_send_is_one_message(
    raw: Callable[..., Raw], answer: bytes, message: str, tmp_path: Path
) -> None:
    with pytest.raises(PolyheadError, match=message) as caught:
        get("a", Entry("", raw(answer).url, None, ""), tmp_path, lambda _: None)
    assert str(caught.value).isprintable()


def test_another_part_than_was_asked_for_is_refused(raw: Callable[..., Raw], tmp_path: Path) -> None:
    (tmp_path / "a.zip.part").write_bytes(b"1234")
    answer = b"HTTP/1.1 206 Part\r\nContent-Range: bytes 0-9/10\r\nContent-Length: 10\r\n\r\n0123456789"
    with pytest.raises(
        PolyheadError, match=r"expected the bytes from 4 on, got 'bytes 0-9/10'\. Delete .*a\.zip\.part"
    ):
        get("a", Entry("", raw(answer).url, None, ""), tmp_path, lambda _: None)


@pytest.mark.parametrize("link", ["symbolic", "hard", "dangling"])
def test_a_part_that_is_a_link_is_not_written_through(server: Server, tmp_path: Path, link: str) -> None:
    server.files["pets.zip"] = zipped({"a": b"1", "b": b"2"})
    other = tmp_path / "precious"
    if link != "dangling":
        other.write_bytes(b"mine")
    part = tmp_path / "data" / "pets.zip.part"
    part.parent.mkdir()
    (part.hardlink_to if link == "hard" else part.symlink_to)(other)
    with pytest.raises(PolyheadError, match=r"pets\.zip\.part: expected a file of an interrupted download, got a link"):
        get("pets", Entry("", server.url("pets.zip"), None, ""), tmp_path / "data", lambda _: None)
    assert other.read_bytes() == b"mine" if link != "dangling" else not other.exists()


def test_capitals_in_a_checksum_do_not_matter(server: Server, tmp_path: Path) -> None:
    server.files["pets.zip"] = zipped({"a": b"1", "b": b"2"})
    digest = hashlib.sha256(server.files["pets.zip"]).hexdigest().upper()
    assert (get("pets", Entry("", server.url("pets.zip"), digest, ""), tmp_path, lambda _: None) / "a").is_file()


@pytest.mark.parametrize("content", ["[]", '{"a": 1}', "null", "{", "[" * 9999])
def test_damaged_checksums_are_named(server: Server, tmp_path: Path, content: str) -> None:
    server.files["pets.zip"] = zipped(GOOD)
    (tmp_path / "checksums.json").write_text(content)
    with pytest.raises(PolyheadError, match=r"checksums\.json"):
        get("pets", Entry("", server.url("pets.zip"), None, ""), tmp_path, lambda _: None)


def test_an_archive_that_is_damaged_is_not_stored_as_the_right_one(server: Server, tmp_path: Path) -> None:
    content = tar_gz(GOOD)
    entry = Entry("", server.url("pets.tar.gz"), None, "")
    for damaged in (content[:-8] + bytes(8), content[:-5], content[:60] + bytes(9) + content[69:]):
        server.files["pets.tar.gz"] = damaged
        with pytest.raises(PolyheadError, match=r"cannot be unpacked \(.*\)\. Delete it and download it again"):
            get("pets", entry, tmp_path, lambda _: None)
        (tmp_path / "pets.tar.gz").unlink()
    server.files["pets.tar.gz"] = content
    assert (get("pets", entry, tmp_path, lambda _: None) / "train" / "1.jpg").is_file()


def test_a_weights_file_is_downloaded_and_checked(server: Server, tmp_path: Path) -> None:
    server.files["net.pth"] = b"weights"
    entry = Entry("a network", server.url("net.pth"), None, "Apache-2.0")
    lines: list[str] = []
    path = catalog.get_file(entry, tmp_path / "weights", lines.append)
    assert path.read_bytes() == b"weights"
    assert lines[-1] == f"{path} (Apache-2.0)"
    assert sorted(each.name for each in path.parent.iterdir()) == ["checksums.json", "net.pth"]
    path.unlink()
    server.files["net.pth"] = b"others!"
    with pytest.raises(PolyheadError, match="the checksum of the file does not match"):
        catalog.get_file(entry, tmp_path / "weights", lines.append)
    assert not path.exists(), "what does not match is never found as weights"
