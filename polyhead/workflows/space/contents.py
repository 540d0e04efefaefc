"""What a Space shows: the public files of a run, or official weights."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from polyhead import checkpoint
from polyhead.contracts.coco_names import COCO_NAMES
from polyhead.data.catalog import WEIGHTS_CATALOG
from polyhead.data.io.yaml_files import load_yaml
from polyhead.paths import WEIGHTS, find
from polyhead.run import Run, read_json
from polyhead.workflows.official import TASK
from polyhead.workflows.space import licenses
from polyhead.workflows.space.card import slug
from polyhead.workflows.space.files import DRAWN, SpaceFile
from polyhead.workflows.space.public import (
    check_own_parts,
    json_bytes,
    private_part,
    public_weights,
    thin_manifest,
    thin_mistakes,
)


class Contents(NamedTuple):
    """What a Space shows.

    Attributes:
        where: what ``polyhead.app.page.build`` gets, as a Python expression.
        name: a name for the title.
        files: its files.
        stated: the licenses of the data and of the weights.
        heads: class names of each head.
        kinds: the kind of each head.
        results: the content of ``results.json``.
        links: addresses by title that the run states.
        left_out: see :class:`Plan`.
    """

    where: str
    name: str
    files: list[SpaceFile]
    stated: list[str]
    heads: dict[str, list[str]]
    kinds: list[str]
    results: dict[str, Any]
    links: dict[str, str]
    left_out: list[str]


def of_official(name: str) -> Contents:
    """Return the weights of a network that was trained elsewhere."""
    file, terms = find(name, WEIGHTS), WEIGHTS_CATALOG[name].license
    files = [SpaceFile(f"weights/{file.name}", file, terms)]
    return Contents(repr(name), name, files, [terms], {TASK: COCO_NAMES}, [], {}, {}, [])


def of_run(run: Run, samples: bool) -> Contents:
    """Return what may be public of a run.

    Args:
        run: the run.
        samples: whether to include images of the data whatever its license is.

    Raises:
        PolyheadError: if it has no weights, or a Space cannot build its model.
    """
    weights = checkpoint.load(run.best)
    check_own_parts(run.best, weights)
    manifest = run.read_manifest()
    data = licenses.of_data(manifest, weights.tasks)
    config = load_yaml(run.config) if run.config.is_file() else {}
    pretrained = licenses.of_pretrained(weights.model, config, manifest)
    terms, folder = licenses.of_weights(data, pretrained), f"runs/{slug(run.name)}"
    files = [
        SpaceFile(f"{folder}/weights/best.pt", public_weights(run.best, weights), terms),
        SpaceFile(f"{folder}/manifest.json", json_bytes(thin_manifest(manifest, data)), terms),
    ]
    left_out = []
    for path in (run.results_json, run.results_csv, run.verdict):
        found = private_part(path.read_text(encoding="utf-8", errors="replace")) if path.is_file() else None
        if found:
            left_out.append(f"{path.name}: it names {found!r}, which may be private")
        elif path.is_file():
            files.append(SpaceFile(f"{folder}/{path.name}", path, terms))
    curves = run.plots / "results.png"
    if curves.is_file():
        files.append(SpaceFile(f"{folder}/plots/results.png", curves, terms))
    tasks = [task for task, stated in data.items() if samples or licenses.is_open(stated)]
    files += [*_samples(run, tasks, folder, data), *_mistakes(run, tasks, folder, data)]
    closed = [task for task in data if task not in tasks]
    left_out += [
        f"samples and mistakes of {task}: the license of its data ({data[task]}) does not clearly allow passing images "
        "on; if you may, add them with --with-samples"
        for task in closed
        if _samples(run, [task], folder, data) or _mistakes(run, [task], folder, data)
    ]
    return Contents(
        f"HERE / {folder!r}",
        run.name,
        files,
        [*data.values(), *pretrained.values()],
        {task: list(entry["names"]) for task, entry in weights.tasks.items()},
        sorted({str(entry["kind"]) for entry in weights.tasks.values() if "kind" in entry}),
        run.results if f"{folder}/{run.results_json.name}" in {file.path for file in files} else {},
        manifest.get("links") or {},
        left_out,
    )


def _samples(run: Run, tasks: list[str], folder: str, data: Mapping[str, str]) -> list[SpaceFile]:
    """Return the stored test images of tasks; links are left out, as they may lead out of the run."""
    return [
        SpaceFile(f"{folder}/samples/{path.name}", path, data[task])
        for task in tasks
        for path in sorted(run.samples.glob("*.jpg"))
        if path.stem.rpartition("_")[0] == task and path.is_file() and not path.is_symlink()
    ]


def _mistakes(run: Run, tasks: list[str], folder: str, data: Mapping[str, str]) -> list[SpaceFile]:
    """Return the gallery of mistakes of tasks: its list without paths, and its images."""
    gallery = run.folder / "mistakes"
    content = thin_mistakes(read_json(gallery / "mistakes.json"), tasks)
    if not content["mistakes"]:
        return []
    terms = "; ".join(dict.fromkeys(data[each["task"]] for each in content["mistakes"]))
    files = [SpaceFile(f"{folder}/mistakes/mistakes.json", json_bytes(content), terms)]
    for each in content["mistakes"]:
        path = gallery / str(each.get("file"))
        if path.parent == gallery and path.suffix in DRAWN and path.is_file() and not path.is_symlink():
            files.append(SpaceFile(f"{folder}/mistakes/{path.name}", path, data[each["task"]]))
    return files
