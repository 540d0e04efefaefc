"""Copy a run folder to another place while it is trained: a mounted disk, or object storage."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lightning.pytorch import Callback, LightningModule, Trainer

from polyhead.errors import PolyheadError, counted
from polyhead.run import PARTIAL, Run

LOCKS = (".lock", ".write.lock")


class Mirror(Callback):
    """A callback that copies the changed files of a run after each epoch.

    A failure does not end the training: it is logged, and the next copy tries again. Nothing is deleted there.

    Args:
        url: where to copy to: a folder, or a URL of fsspec (``s3://bucket/folder``). The files go to a folder in it
            that is named like the run. Credentials are those of the target's own configuration.
        run: the run.
        log: receives a line for each failure.

    Raises:
        PolyheadError: if the URL cannot be used (:func:`check_url`).
    """

    def __init__(self, url: str, run: Run, log: Callable[[str], None]) -> None:
        self.run, self.write = run, log  # not self.log, which Lightning sets
        self.system, root = _open(url)
        self.target = f"{root.rstrip('/')}/{run.name}"
        self.copied: dict[Path, tuple[int, int]] = {}  # time and size of each file at its last copy

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy what the epoch has changed; this callback runs after the one that saves the state."""
        self.copy()

    def copy(self) -> bool:
        """Copy all files that have changed since the last copy; return whether that worked."""
        files = {path: path.stat() for path in sorted(self.run.folder.rglob("*")) if path.is_file()}
        changed = {
            path: (stat.st_mtime_ns, stat.st_size)
            for path, stat in files.items()
            if path.name not in LOCKS and path.suffix != PARTIAL
        }
        failed = {}
        for path, version in changed.items():
            if self.copied.get(path) == version:
                continue
            target = f"{self.target}/{path.relative_to(self.run.folder).as_posix()}"
            try:
                self.system.makedirs(target.rpartition("/")[0], exist_ok=True)
                self.system.put_file(str(path), target + PARTIAL)  # a kill leaves the old file or the new one
                self.system.mv(target + PARTIAL, target)
            # Each target's library has errors of its own, and none of them may end the training.
            except Exception as error:  # noqa: BLE001  # pylint: disable=broad-exception-caught
                failed[path.name] = f"{type(error).__name__}: {error}"
            else:
                self.copied[path] = version
        if failed:
            name, reason = next(iter(failed.items()))
            self.write(
                f"mirror: {counted(len(failed), 'file')} could not be copied to {self.target} ({name}: {reason:.200}); "
                "the next epoch tries again"
            )
        return not failed


def check_url(url: str) -> None:
    """Check that files can be copied to a URL.

    Raises:
        PolyheadError: if the URL holds a password, or its protocol is unknown or needs a package that is missing.
    """
    _open(url)


def _open(url: str) -> tuple[Any, str]:
    """Return the file system of a URL and the path in it; errors are those of :func:`check_url`."""
    import fsspec  # pylint: disable=import-outside-toplevel  # takes long, and few runs have a mirror

    if urlsplit(url).password:
        raise PolyheadError(
            "mirror: the URL holds a password, which the run would store in config.yaml. Put it into the configuration "
            "of the target (environment variables, or fsspec's configuration file)."
        )
    try:
        system, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise PolyheadError(
            f"mirror: {url} cannot be used ({error}). Install what it needs, or give another URL."
        ) from error
    return system, str(path)
