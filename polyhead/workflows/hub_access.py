"""Reach the Hugging Face Hub with the user's own token, and say in words what goes wrong."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from polyhead.errors import PolyheadError, one_line

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo, SpaceInfo

HUB = "https://huggingface.co"
NEW = {".gitattributes", "README.md"}
"""Files that the Hub makes in a new repository."""
_NAME = re.compile(r"[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*", re.ASCII)


def hub() -> str:
    """Return the address of the Hub; ``HF_ENDPOINT`` names another one."""
    return (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


def is_name(repo: str) -> bool:
    """Return whether a text has the form of the name of a repository, ``OWNER/NAME``."""
    found = _NAME.fullmatch(repo) and "--" not in repo and ".." not in repo and len(repo) <= 96
    return bool(found) and not repo.endswith((".", ".git"))


def check_name(repo: str, what: str = "Space") -> None:
    """Check the name of a repository.

    Args:
        repo: the name.
        what: what it is of, for the message.

    Raises:
        PolyheadError: if it is not of the form ``OWNER/NAME``.
    """
    if not is_name(repo):
        raise PolyheadError(
            f"{repo!r} is not the name of a {what}. Expected OWNER/NAME of letters, digits, '-', '_' and '.', such as "
            "ann/fruit."
        )


def api(extra: str, *, write: bool = True) -> "HfApi":
    """Return the client of the Hub.

    Args:
        extra: the extra of Polyhead that installs it.
        write: whether a token is needed.

    Raises:
        PolyheadError: if huggingface_hub is not installed, or there is no token.
    """
    # Polyhead sends nothing that was not asked for; both libraries read these when they are imported.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import huggingface_hub
    except ImportError as error:
        message = f"huggingface_hub is not installed. Install it with: pip install 'polyhead[{extra}]'"
        raise PolyheadError(message) from error
    token = huggingface_hub.get_token()
    if token is None and write:
        raise PolyheadError(
            "there is no token of the Hub on this machine. Log in with 'hf auth login', or set HF_TOKEN to a token "
            f"that may write ({hub()}/settings/tokens)."
        )
    return huggingface_hub.HfApi(endpoint=hub(), token=token, library_name="polyhead")


def check_existing(found: "SpaceInfo | ModelInfo", what: str, public: bool, option: str, *, ours: bool) -> None:
    """Check that a repository may be written to.

    Args:
        found: what the Hub says of it.
        what: what it is, with its name, for the messages.
        public: whether it may be seen by everyone.
        option: how that is asked for.
        ours: whether it has what marks a repository that Polyhead has written.

    Raises:
        PolyheadError: if Polyhead has not written it, or everyone can see it and this was not asked for.
    """
    names = {each.rfilename for each in found.siblings or ()}
    if names - NEW and not ours:
        raise PolyheadError(
            f"the {what} exists, and Polyhead has not written it. Give another name, or delete it on the Hub."
        )
    if not found.private and not public:
        raise PolyheadError(
            f"the {what} exists, and everyone can see it. Add {option} to upload to it, or make it private on the Hub."
        )


@contextmanager
def in_words(repo: str) -> Iterator[None]:
    """Raise the errors of an upload or a download in words.

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
    """Return what went wrong, and what to do."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, RevisionNotFoundError):
        return f"the repository {repo} has no such revision. Give the name of a branch or tag, or a commit of it."
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"there is no repository {repo} on the Hub, or it is private and your token may not read it. Check the "
            "name, or log in with 'hf auth login'."
        )
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
        return f"the Hub refused the request for {repo} ({status}: {detail}). Correct this, or try again later."
    return f"{hub()} cannot be reached ({type(error).__name__}: {detail}). Check the network, and try again."
