"""Upload a Space to the Hub, with the user's own token; private unless it is asked to be public.

An upload replaces all files of the Space, so that none of an earlier version stays. A Space that Polyhead has not
written is not touched.
"""

import shlex
from collections.abc import Callable
from pathlib import Path

from polyhead.errors import PolyheadError, few
from polyhead.workflows.hub_access import api, check_existing, check_name, hub, in_words
from polyhead.workflows.space.folder import MADE, changed
from polyhead.workflows.space.plan import INDEX


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
    client = api("app")
    with in_words(repo):
        if client.repo_exists(repo, repo_type="space"):
            found = client.space_info(repo)
            ours = INDEX in {each.rfilename for each in found.siblings or ()}
            check_existing(found, f"Space {repo}", public, "--public", ours=ours)
        else:
            client.create_repo(repo, repo_type="space", space_sdk="gradio", private=not public)
            show(f"made the {'public' if public else 'private'} Space {repo}")
        show(f"uploading {folder} to {hub()}/spaces/{repo}")
        client.upload_folder(
            repo_id=repo,
            repo_type="space",
            folder_path=folder,
            ignore_patterns=[f"*{name}/*" for name in MADE],
            delete_patterns="*",
            commit_message="Write the Space with Polyhead",
        )
    return f"{hub()}/spaces/{repo}"
