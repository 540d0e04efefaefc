"""The git state of a folder, read without running anything that the folder's repository names.

``git status`` starts programs that a repository configures: a file system monitor, clean filters, hooks, helpers that
download objects. A data set may come with such a repository. So git reads the commit only, which starts nothing; the
comparison with the files uses an empty repository of our own, which has the objects and the index of the folder's, but
not its configuration.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

SECONDS = 10.0
"""Time limit of each call of git."""
_SHA256 = 64
"""Digits of a commit in a repository that uses SHA-256 instead of SHA-1."""
_PLAIN = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
}
"""Settings that leave out the user's own programs too, and let git write nothing."""


def git_state(folder: Path) -> dict[str, str | bool | None] | None:
    """Return the commit of a folder and whether tracked files differ from it; None outside of a repository.

    ``changed`` is None where it is unknown, as in a large repository that takes longer than the time limit.
    """
    try:
        words = ("HEAD", "--show-toplevel", "--git-path", "objects", "--git-path", "index")
        lines = _git(["-c", "safe.bareRepository=explicit", "rev-parse", *words], folder, {}).split("\n")
        commit, top, objects, index = lines
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    changed = None
    with suppress(OSError, subprocess.SubprocessError), TemporaryDirectory() as empty:
        changed = _is_changed(Path(empty), commit, Path(top), folder / objects, folder / index)
    return {"commit": commit, "changed": changed}


def _is_changed(empty: Path, commit: str, top: Path, objects: Path, index: Path) -> bool:
    """Return whether the tracked files of a work tree differ from a commit.

    Args:
        empty: an empty folder, which becomes the repository whose configuration is used.
        commit: the commit.
        top: the work tree.
        objects: the objects of its repository.
        index: the index of its repository.
    """
    for name in ("objects", "refs"):
        (empty / name).mkdir()
    (empty / "HEAD").write_text(f"{commit}\n", encoding="utf-8")
    form = "[core]\nrepositoryformatversion = 1\n"
    form += "[extensions]\nobjectformat = sha256\n" if len(commit) == _SHA256 else ""
    (empty / "config").write_text(form, encoding="utf-8")
    repository = {"GIT_DIR": empty, "GIT_WORK_TREE": top, "GIT_OBJECT_DIRECTORY": objects, "GIT_INDEX_FILE": index}
    environment = _PLAIN | {key: str(path.absolute()) for key, path in repository.items()}
    words = ["status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all"]
    return bool(_git(words, empty, environment))


def _git(words: list[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Return what git prints.

    Raises:
        OSError: if there is no git.
        SubprocessError: if it fails or takes too long.
    """
    program = shutil.which("git")
    if program is None or not Path(program).is_absolute():  # one of the current folder may be anything
        raise FileNotFoundError("git")
    done = subprocess.run(
        [program, *words],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=SECONDS,
    )
    return os.fsdecode(done.stdout).strip()
