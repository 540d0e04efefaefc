"""Save the model of a run to share it, and load such a model from a folder or from the Hugging Face Hub."""

from pathlib import Path

from polyhead import checkpoint
from polyhead.config.files import without_weights
from polyhead.errors import PolyheadError
from polyhead.nets.model import Model
from polyhead.run import Run
from polyhead.workflows.card.model import REPO, card_to_share
from polyhead.workflows.hub import folder as shared
from polyhead.workflows.hub_access import api, in_words, is_name
from polyhead.workflows.predict import predictor_of
from polyhead.workflows.predictor import Predictor


def save_pretrained(run: Run | str | Path, folder: str | Path, *, repo: str = REPO) -> Path:
    """Save the best weights of a run into a folder that can be shared: tensors, settings and the model card.

    Args:
        run: a run, or its folder.
        folder: a new or empty folder, or one of such a model, which is replaced.
        repo: the repository that the example in the model card names.

    Returns:
        The folder, with ``model.safetensors``, ``config.json`` and ``README.md``.

    Raises:
        PolyheadError: if the run has no weights, the folder has other files, or a file would name a private path.

    Examples:
        >>> folder = polyhead.save_pretrained("runs/small", "shared/small")
        >>> sorted(path.name for path in folder.iterdir())
        ['README.md', 'config.json', 'model.safetensors']
    """
    run = run if isinstance(run, Run) else Run.open(run)
    weights = checkpoint.load(run.best)
    public = weights._replace(model=without_weights(weights.model))
    shared.write(Path(folder), public, run.precision, card_to_share(run, repo))
    return Path(folder)


def from_pretrained(
    source: str | Path, model: Model | None = None, *, revision: str | None = None, max_boxes: int | None = None
) -> Predictor:
    """Load a shared model, ready to predict: from a folder, or from a repository that is downloaded.

    Nothing of it is run: its files are tensors and settings, and parts of other packages are only imported where the
    user allows them (:func:`polyhead.contracts.classes.allow`).

    Args:
        source: a folder (:func:`save_pretrained`), or ``OWNER/NAME`` of a repository on the Hugging Face Hub.
        model: the model that was trained, built by the same code; needed where it was made in Python.
        revision: branch, tag or commit of the repository; None for its main branch.
        max_boxes: largest number of boxes of a head for an image; None leaves it to the model.

    Raises:
        PolyheadError: if there is no such folder or repository, a file is missing or damaged, or the model has parts of
            a package that is not allowed.

    Examples:
        >>> predictor = polyhead.from_pretrained(polyhead.save_pretrained("runs/small", "shared/small"))
        >>> sorted(predictor.names)
        ['fruit', 'signs']
    """
    place = Path(source)
    if not place.is_dir():
        place = _download(str(source), revision)
    weights, precision = shared.read(place)
    return predictor_of(place / shared.CONFIG, weights, precision, model, max_boxes, shared.REMEDY)


def _download(repo: str, revision: str | None) -> Path:
    """Download a repository into the cache of huggingface_hub, unless it is there; return its folder.

    Raises:
        PolyheadError: if there is no such repository, or the Hub cannot be reached.
    """
    if not is_name(repo):
        raise PolyheadError(
            f"{repo!r} is neither a folder nor the name of a repository (OWNER/NAME). Give a folder of "
            "polyhead.save_pretrained, or such a name; a run is loaded with polyhead.load."
        )
    client = api("hub", write=False)
    with in_words(repo):
        found = client.snapshot_download(repo, revision=revision, allow_patterns=list(shared.FILES))
    return Path(found)
