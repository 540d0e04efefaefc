"""Upload a Space to the Hub, with the user's own token; private unless it is asked to be public.

An upload replaces all files of the Space, so that none of an earlier version stays. A Space that Polyhead has not
written is not touched.
"""

import os
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyhead.errors import PolyheadError, few, one_line
from polyhead.workflows.space.folder import MADE, changed
from polyhead.workflows.space.plan import INDEX

if TYPE_CHECKING:
    from huggingface_hub.hf_api import SpaceInfo

NEW = {".gitattributes", "README.md"}
"""Files that the Hub makes in a new Space."""
HUB = "https://huggingface.co"
_NAME = re.compile(r"[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*", re.ASCII)


def hub() -> str:
    """Return the address of the Hub; ``HF_ENDPOINT`` names another one."""
    return (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


def check_name(repo: str) -> None:
    """Check the name of a Space.

    Raises:
        PolyheadError: if it is not of the form ``OWNER/NAME``.
    """
    if not _NAME.fullmatch(repo) or "--" in repo or ".." in repo or repo.endswith((".", ".git")) or len(repo) > 96:
        raise PolyheadError(
            f"{repo!r} is not the name of a Space. Expected OWNER/NAME of letters, digits, '-', '_' and '.', such as "
            "ann/fruit."
        )


def push(folder: str | Path, repo: str, show: Callable[[str], None] = print, *, public: bool = False) -> str:
    """Upload a Space that was written into a folder.

    Args:
        folder: the folder.
        repo: ``OWNER/NAME`` of the Space; it is made if there is none.
        show: receives lines about the progress.
        public: whether everyone can see the Space. A public one is not changed without it.

    Returns:
        The address of the Space.

    Raises:
        PolyheadError: if the folder is no Space, the name is wrong, there is no token or one without the permission,
            the Hub cannot be reached, or a Space of this name was not written by Polyhead.
    """
    check_name(repo)
    folder = Path(folder)
    if changes := changed(folder):
        raise PolyheadError(
            f"{str(folder)!r} was changed after Polyhead wrote it ({few(changes, 3)}). Write it again with --space, or "
            f"upload it with 'hf upload {repo} {shlex.quote(str(folder))} --repo-type space'."
        )
    # Polyhead sends nothing that was not asked for; both libraries read these when they are imported.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import huggingface_hub
    except ImportError as error:
        raise PolyheadError("huggingface_hub is not installed. Install it with: pip install 'polyhead[app]'") from error
    token = huggingface_hub.get_token()
    if token is None:
        raise PolyheadError(
            "there is no token of the Hub on this machine. Log in with 'hf auth login', or set HF_TOKEN to a token "
            f"that may write ({hub()}/settings/tokens)."
        )
    api = huggingface_hub.HfApi(endpoint=hub(), token=token, library_name="polyhead")
    with _in_words(repo):
        if api.repo_exists(repo, repo_type="space"):
            _check_existing(api.space_info(repo), repo, public)
        else:
            api.create_repo(repo, repo_type="space", space_sdk="gradio", private=not public)
            show(f"made the {'public' if public else 'private'} Space {repo}")
        show(f"uploading {folder} to {hub()}/spaces/{repo}")
        api.upload_folder(
            repo_id=repo,
            repo_type="space",
            folder_path=folder,
            ignore_patterns=[f"*{name}/*" for name in MADE],
            delete_patterns="*",
            commit_message="Write the Space with Polyhead",
        )
    return f"{hub()}/spaces/{repo}"


def _check_existing(found: "SpaceInfo", repo: str, public: bool) -> None:
    """Check that a Space may be replaced.

    Raises:
        PolyheadError: if Polyhead has not written it, or everyone can see it and this was not asked for.
    """
    names = {each.rfilename for each in found.siblings or ()}
    if names - NEW and INDEX not in names:
        raise PolyheadError(
            f"the Space {repo} exists, and Polyhead has not written it. Give another name, or delete it on the Hub."
        )
    if not found.private and not public:
        raise PolyheadError(
            f"the Space {repo} exists, and everyone can see it. Add --public to upload to it, or make it private on "
            "the Hub."
        )


@contextmanager
def _in_words(repo: str) -> Iterator[None]:
    """Raise the errors of an upload in words.

    Raises:
        PolyheadError: for all of them.
    """
    from huggingface_hub.errors import HfHubHTTPError

    # The class of the errors of the HTTP client, which has changed between versions of huggingface_hub.
    transport: Any = HfHubHTTPError.__mro__[1]
    try:
        yield
    except (OSError, RuntimeError, ValueError, transport) as error:
        cause: BaseException = error
        while not isinstance(cause, HfHubHTTPError) and cause.__cause__ is not None:
            cause = cause.__cause__
        raise PolyheadError(_words(cause, repo)) from error


def _words(error: BaseException, repo: str) -> str:
    """Return what went wrong with an upload, and what to do."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401:
        return (
            "the Hub does not accept the token. Log in again with 'hf auth login', or set HF_TOKEN to a valid token "
            f"({hub()}/settings/tokens)."
        )
    if status in (402, 403):
        return (
            f"the token may not write to {repo}. Use a token with the permission to write, and the name of an account "
            "or organization that you belong to."
        )
    detail = one_line(" ".join(str(error).split()))[:200]
    if status is not None:
        return f"the Hub refused the upload to {repo} ({status}: {detail}). Correct this, or try again later."
    return (
        f"{hub()} cannot be reached ({type(error).__name__}: {detail}). Check the network, and try again; the folder "
        "of the Space is complete."
    )
