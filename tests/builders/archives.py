"""Archives in memory."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping


def tar(members: Mapping[str, bytes | tarfile.TarInfo]) -> bytes:
    """Return a tar archive; a member is the content of a file, or the header of something else."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as file:
        for name, content in members.items():
            info = tarfile.TarInfo() if isinstance(content, bytes) else content
            info.name = name
            info.size = len(content) if isinstance(content, bytes) else 0
            file.addfile(info, io.BytesIO(content if isinstance(content, bytes) else b""))
    return stream.getvalue()


def tar_gz(members: Mapping[str, bytes | tarfile.TarInfo]) -> bytes:
    """Return a compressed tar archive."""
    return gzip.compress(tar(members))


def zipped(members: Mapping[str, bytes]) -> bytes:
    """Return a zip archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return stream.getvalue()
