"""Upload the model of a run to the Hugging Face Hub, with the user's own token; private unless asked to be public."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from polyhead.errors import PolyheadError
from polyhead.run import Run
from polyhead.workflows.hub import folder as shared
from polyhead.workflows.hub.pretrained import save_pretrained
from polyhead.workflows.hub_access import NEW, api, check_existing, check_name, hub, in_words

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo


def push_to_hub(run: Run | str | Path, repo: str, *, private: bool = True, show: Callable[[str], None] = print) -> str:
    """Upload the best weights of a run with its model card, as :func:`polyhead.from_pretrained` loads them.

    Args:
        run: a run, or its folder.
        repo: ``OWNER/NAME`` of the repository; it is made if there is none. One that exists is updated if Polyhead has
            written it; other files in it stay.
        private: whether only its owner can see it. A public one is not changed unless this is False.
        show: receives lines about the progress.

    Returns:
        The address of the repository.

    Raises:
        PolyheadError: if the name is wrong, there is no token or one without the permission, a file would name a
            private path, the Hub cannot be reached, or a repository of this name was not written by Polyhead.
    """
    check_name(repo, "repository")
    client = api("hub")
    with tempfile.TemporaryDirectory() as made:
        folder = save_pretrained(run, Path(made) / "model", repo=repo)
        with in_words(repo):
            if client.repo_exists(repo):
                found = client.model_info(repo)
                ours = _is_ours(client, found, Path(made) / "seen")
                check_existing(found, f"repository {repo}", not private, "private=False", ours=ours)
            else:
                client.create_repo(repo, private=private)
                show(f"made the {'private' if private else 'public'} repository {repo}")
            show(f"uploading {', '.join(shared.FILES)} to {hub()}/{repo}")
            client.upload_folder(repo_id=repo, folder_path=folder, commit_message="Write the model with Polyhead")
    return f"{hub()}/{repo}"


def _is_ours(client: "HfApi", found: "ModelInfo", folder: Path) -> bool:
    """Return whether a repository has a model that Polyhead has written."""
    names = {each.rfilename for each in found.siblings or ()}
    if shared.CONFIG not in names or not names - NEW:
        return False
    try:
        shared.read_config(Path(client.hf_hub_download(found.id, shared.CONFIG, local_dir=folder)))
    except PolyheadError:
        return False
    return True
