"""Give damaged and hostile archives and servers to ``polyhead data get``, and count what happens.

    python -m benchmarks.hostile_archives --tries 200

Each try serves one answer on 127.0.0.1: an archive that was changed, cut or made to escape, or a server that breaks the
rules of HTTP. It ends *clean* (one message, exit code 2), *sound* (exactly the content of the undamaged archive), or
wrong: *other* (another content was taken), *escaped* (a file outside the folder), *traceback*, *hang* or *memory*.
"""

import argparse
import bz2
import gzip
import io
import lzma
import resource
import socket
import sys
import tarfile
import tempfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import torch

from polyhead import cli
from polyhead.data import catalog, download
from polyhead.rng import derive_seed

CONTENT = {"set/a.txt": b"one" * 50, "set/b/c.bin": bytes(range(256)) * 60, "set/b/d.txt": b"two"}
HANG = 20.0
"""Seconds after which a try counts as hanging; a server is given up after ``WINDOW``."""
WINDOW = 0.3
MEMORY = 2 << 30


class Answer(NamedTuple):
    """What a server sends: bytes at once, then bytes one after another."""

    name: str
    at_once: bytes
    slowly: bytes = b""


class Chance:
    """Seeded random choices."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def below(self, high: int) -> int:
        """Return a whole number from 0 to ``high`` - 1."""
        return int(torch.randint(high, (), generator=self.generator))

    def bytes(self, count: int) -> bytes:
        """Return random bytes."""
        return bytes(torch.randint(256, (count,), generator=self.generator, dtype=torch.uint8).tolist())


def tar(members: dict[str, bytes], kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    """Return a tar archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return stream.getvalue()


SOUND: dict[str, Callable[[], bytes]] = {
    "tar": lambda: tar(CONTENT),
    "tar.gz": lambda: gzip.compress(tar(CONTENT), mtime=0),
    "tar.bz2": lambda: bz2.compress(tar(CONTENT)),
    "tar.xz": lambda: lzma.compress(tar(CONTENT)),
    "zip": lambda: zipped(CONTENT),
    "stored.zip": lambda: zipped(CONTENT, zipfile.ZIP_STORED),
    "lzma.zip": lambda: zipped(CONTENT, zipfile.ZIP_LZMA),
}
DAMAGED = [kind for kind in SOUND if kind != "tar"]
"""Forms with checksums of the content: a plain tar has none."""


def flipped(content: bytes, chance: Chance) -> bytes:
    """Return the content with a few bytes changed."""
    changed = bytearray(content)
    for _ in range(1 + chance.below(4)):
        changed[chance.below(len(changed))] ^= 1 + chance.below(255)
    return bytes(changed)


def overwritten(content: bytes, chance: Chance) -> bytes:
    """Return the content with a stretch replaced by random bytes."""
    start, count = chance.below(len(content)), 1 + chance.below(600)
    return (content[:start] + chance.bytes(count) + content[start + count :])[: len(content)]


def cut(content: bytes, chance: Chance) -> bytes:
    """Return the beginning of the content."""
    return content[: chance.below(len(content))]


def spliced(content: bytes, chance: Chance) -> bytes:
    """Return the content without a stretch in its middle."""
    start = chance.below(len(content))
    return content[:start] + content[start + 1 + chance.below(300) :]


def appended(content: bytes, chance: Chance) -> bytes:
    """Return the content with random bytes after it."""
    return content + chance.bytes(1 + chance.below(600))


DAMAGES = (flipped, overwritten, cut, spliced, appended)


def header(kind: bytes, size: int, name: str = "x") -> bytes:
    """Return a header of tar that claims a size."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def zip_with(flags: int = 0, method: int = 8) -> bytes:
    """Return a zip archive whose headers have other flags or another method."""
    content = bytearray(zipped({"a": b"secret" * 20}))
    central = content.find(b"PK\1\2")
    content[6] = content[central + 8] = flags
    content[8] = content[central + 10] = method
    return bytes(content)


def hostile(size: int) -> dict[str, bytes]:
    """Return archives that escape, or stand for far more than their size: ``size`` bytes."""
    names = ["../out", "a/../../out", "/tmp/polyhead-out", "C:\\out", "..\\out", "\\\\host\\out", "a/" * 3000 + "x"]
    kinds = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"Z"]
    special = [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]
    huge = bytes(size)
    return {
        **{f"tar name {name[:20]}": tar({"ok": b"1", name: b"2"}) for name in names},
        **{f"zip name {name[:20]}": zipped({"ok": b"1", name: b"2"}) for name in names},
        **{f"tar type {kind!r}": tar({"x": b""}, kind, "../../etc/passwd") for kind in kinds},
        **{
            f"tar.gz header {kind!r} of a large size": gzip.compress(header(kind, len(huge)) + huge, 1)
            for kind in special
        },
        **{f"tar header {kind!r} without content": header(kind, 1 << 40) for kind in special},
        "chain of headers": (header(tarfile.XHDTYPE, 512) + bytes(512)) * 3000,
        "sparse": header(tarfile.GNUTYPE_SPARSE, 1 << 50),
        "negative size": header(tarfile.REGTYPE, -512) + bytes(1024),
        "gzip bomb": gzip.compress(tar({"x": huge}), 1),
        "zeros after the end": gzip.compress(tar(CONTENT) + huge, 1),
        "many members": gzip.compress(b"".join(header(tarfile.REGTYPE, 0, f"{n}") for n in range(150_000)), 1),
        "zip bomb": zipped({"x": huge}),
        "encrypted": zip_with(flags=1),
        "unknown method": zip_with(method=99),
        "file and folder of one name": tar({"a": b"1", "a/b": b"2"}),
        "no members": tar({}),
        "a page": b"<html>come back later</html>",
        "nothing": b"",
    }


def servers(content: bytes) -> dict[str, tuple[bytes, bytes]]:
    """Return answers that break the rules of HTTP: what is sent at once, and what byte after byte."""
    ok = b"HTTP/1.1 200 OK\r\n"
    length = b"Content-Length: %d\r\n\r\n" % len(content)
    slow = bytes(2000)
    return {
        "slow header": (b"", ok + b"X: " + slow),
        "slow body": (ok + length, content + slow),
        "slow size of a chunk": (ok + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 2000),
        "silent": (b"", b""),
        "wrong length": (ok + b"Content-Length: abc\r\n\r\n" + content, b""),
        "negative length": (ok + b"Content-Length: -1\r\n\r\n" + content, b""),
        "endless length": (ok + b"Content-Length: " + b"9" * 6000 + b"\r\n\r\n" + content, b""),
        "huge length": (ok + b"Content-Length: " + b"9" * 18 + b"\r\n\r\n" + content, b""),
        "too short": (ok + length + content[:-9], b""),
        "too long": (ok + length + content + b"more", b""),
        "without length": (ok + b"\r\n" + content, b""),
        "bad chunk": (ok + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + content, b""),
        "cut chunk": (ok + b"Transfer-Encoding: chunked\r\n\r\nffff\r\n" + content[:20], b""),
        "many headers": (ok + b"X: y\r\n" * 300 + b"\r\n" + content, b""),
        "long header": (ok + b"X: " + b"y" * 100_000 + b"\r\n\r\n" + content, b""),
        "range not asked for": (b"HTTP/1.1 416 No\r\n\r\n", b""),
        "part not asked for": (b"HTTP/1.1 206 Part\r\nContent-Range: bytes 9-\r\n" + length + content, b""),
        "escape sequences": (b"HTTP/1.1 404 \x1b[2J\x1b]0;x\x07\r\n\r\n", b""),
        "redirect to a file": (b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n", b""),
        "redirect to nowhere": (b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n", b""),
        "no HTTP": (b"SSH-2.0-x\r\n", b""),
        "random bytes": (Chance(0).bytes(500), b""),
    }


def answers(tries: int, seed: int, size: int) -> Iterator[Answer]:
    """Yield every hostile archive and server once, then damaged archives until there are ``tries``; or half of each."""
    sound = {kind: make() for kind, make in SOUND.items()}
    fixed = [
        *(Answer(f"server: {name}", *sent) for name, sent in servers(sound["tar.gz"]).items()),
        *(Answer(name, _ok(content)) for name, content in hostile(size).items()),
        *(Answer(f"sound {kind}", _ok(content)) for kind, content in sound.items()),
    ]
    chance = Chance(derive_seed(seed, "hostile_archives"))
    if tries < len(fixed):
        order = torch.randperm(len(fixed), generator=chance.generator).tolist()
        fixed = [fixed[index] for index in order[: tries // 2]]
    yield from fixed
    for number in range(tries - len(fixed)):
        kind, damage = DAMAGED[chance.below(len(DAMAGED))], DAMAGES[chance.below(len(DAMAGES))]
        yield Answer(f"{number}: {kind} {damage.__name__}", _ok(damage(sound[kind], chance)))


def _ok(content: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """Serve an answer to every connection, and yield the address of the archive."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, suppress(OSError):
                        connection.recv(1 << 16)
                        connection.sendall(answer.at_once)
                        for byte in answer.slowly:
                            connection.sendall(bytes([byte]))
                            time.sleep(WINDOW / 20)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/set.archive"


def outcome(answer: Answer, folder: Path) -> str:
    """Get an archive from a server into an empty folder, and return how that ended."""
    data, output = folder / "inside" / "data", io.StringIO()
    data.mkdir(parents=True)
    begun, before = time.monotonic(), peak()
    with serving(answer) as url:
        entry = catalog.Entry("set", url, None, "none")
        try:
            with patch.dict(catalog.CATALOG, {"set": entry}), redirect_stdout(output), redirect_stderr(output):
                code = cli.main(["data", "get", "set", "--out", str(data)])
        except Exception as error:  # noqa: BLE001  # pylint: disable=broad-exception-caught  # this is what is counted
            return f"traceback ({type(error).__name__}: {error})"
    if time.monotonic() - begun > HANG:
        return "hang"
    if peak() > MEMORY and peak() > before:
        return "memory"
    if [path.name for path in folder.iterdir()] != ["inside"] or [path.name for path in data.parent.iterdir()] != [
        "data"
    ]:
        return "escaped"
    found = {
        f"set/{path.relative_to(data / 'set').as_posix()}": path.read_bytes()
        for path in (data / "set").rglob("*")
        if path.is_file()
    }
    if code == 0:
        return "sound" if found == CONTENT else "other"
    return "clean" if code == 2 and not found and _is_clean(output.getvalue()) else f"unclear ({output.getvalue()})"


def _is_clean(text: str) -> bool:
    return "Traceback" not in text and text.replace("\n", "").isprintable()


def peak() -> int:
    """Return the largest memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def campaign(tries: int, seed: int, size: int = 300 << 20) -> Counter[str]:
    """Try that many answers and return how often each outcome came; print those that are wrong.

    Args:
        tries: how many.
        seed: of what is damaged, and where.
        size: bytes that the largest archives unpack to; more than 100 MiB.
    """
    totals: Counter[str] = Counter()
    with patch.object(download, "WINDOW", WINDOW):
        for answer in answers(tries, seed, size):
            with tempfile.TemporaryDirectory() as folder:
                found = outcome(answer, Path(folder))
            totals[found.partition(" ")[0]] += 1
            if found not in ("clean", "sound"):
                print(f"{answer.name}: {found}", flush=True)
    return totals


def main() -> int:
    """Run the campaign, print its totals, and return 0 if every try ended clean or sound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    totals = campaign(given.tries, given.seed)
    listed = ", ".join(f"{count} {name}" for name, count in totals.most_common())
    print(f"{totals.total()} archives and servers: {listed}; peak memory {peak() >> 20} MiB")
    return 0 if totals.keys() <= {"clean", "sound"} else 1


if __name__ == "__main__":
    sys.exit(main())
