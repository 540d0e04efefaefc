"""``polyhead explain``: draw which pixels each predicted box, class or region depends on, and whether to trust that."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from polyhead.cli import Parser, check_writable
from polyhead.commands.drawn_files import free_name, new_folder
from polyhead.contracts.classes import allow
from polyhead.errors import PolyheadError, Problem, counted, one_line
from polyhead.run import Run, write_text

if TYPE_CHECKING:
    from polyhead.workflows.explain import Explained, Explainer, Explanation
    from polyhead.workflows.predictor import Predictor

MOST = 10
"""Items of an image that are explained unless one is chosen."""

_EPILOG = """\
Each drawn image has its verdict written below it. A map is trustworthy if hiding
what it marks changes the prediction more than hiding a blob in the shape of the
box, showing what it marks brings the prediction back sooner than showing random
places, and it does not stay the same when the weights of the network are
shuffled (docs/explain.md).
"""


def parser() -> Parser:
    """Return the argument parser."""
    command = Parser(
        prog="polyhead explain",
        description="Draw which pixels a prediction depends on, and whether the map can be trusted.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("run", metavar="RUN", help="a run folder, a weights file such as best.pt, or yolox_nano")
    command.add_argument(
        "sources",
        metavar="SOURCE",
        nargs="*",
        help="image files, folders, or patterns such as 'photos/*.jpg' (default: images of the run's test split, for "
        "the averages of 50 predictions)",
    )
    command.add_argument("--split", choices=("test", "val", "train"), help="another split, if there is no SOURCE")
    command.add_argument("--task", metavar="HEAD", help="the head to explain (default: the only one)")
    command.add_argument("--class", dest="label", metavar="NAME", help="only predictions of this class")
    command.add_argument(
        "--box", type=int, metavar="N", help=f"only the Nth prediction, from 1 (default: the first {MOST})"
    )
    command.add_argument(
        "--conf", type=float, help="minimum score of a box (default: the operating point of the run, or 0.25)"
    )
    command.add_argument("--method", help="gradcam, gradcam++, layercam, hirescam (default) or eigencam")
    command.add_argument("--levels", help="where: backbone.sum (default), backbone.8, neck.sum, neck.16 ...")
    command.add_argument("--side", help="explain the left, top, right or bottom side of each box (no verdict)")
    command.add_argument("--no-trust", action="store_true", help="do not compute whether maps can be trusted (faster)")
    command.add_argument("--json", metavar="FILE", help="write all figures to this JSON file")
    command.add_argument("--out", metavar="DIR", help="folder of the drawn images (default: RUN/explain, or ./explain)")
    command.add_download()
    command.add_allow()
    return command


def main(argv: list[str]) -> int:
    """Explain, draw and write the results, and return the exit code."""
    given = parser().parse_args(argv)
    check_writable(given.json)
    allow(given.allow)
    import json

    from polyhead.analysis.explain.trust import average
    from polyhead.plotting.draw import save_jpeg

    unread: list[Problem] = []
    explainer, stream = _of_sources(given) if given.sources else _of_split(given, unread)
    folder: Path | None = None
    taken: set[str] = set()
    explained: list[Explanation] = []
    images = 0
    for image, forward, found, left in stream:
        images += bool(found)
        stem = Path(free_name(image, taken)).stem
        for explanation in found:
            drawn = explanation.plot()
            if drawn is not None:
                folder = folder or new_folder(given.run, given.out, "explain")
                save_jpeg(drawn, folder / f"{stem}.{explanation.place + 1}.jpg")
            print(one_line(f"{image}: {explanation.place + 1}. {explanation.item.caption}: {explanation.verdict}"))
        explained += found
        if found and folder is not None and (drawn := explainer.together(forward, found)) is not None:
            save_jpeg(drawn, folder / f"{stem}.jpg")
        if not found:
            print(one_line(f"{image}: nothing to explain"))
        if left and given.sources:
            print(one_line(f"{image}: {left} more; choose one with --box N"))
    for problem in unread:
        print(f"skipped {problem}")
    if given.json:
        write_text(Path(given.json), json.dumps([each.to_json() for each in explained], indent=2) + "\n")
    if not explained:
        raise PolyheadError("there is nothing to explain. Give other images, or a lower --conf.")
    measured = [each.trust for each in explained if each.trust is not None]
    if len(measured) > 1:
        print(_averages(average(measured), measured[0].reference))
    where = "" if given.sources else f" of {counted(images, 'image')} of the {given.split or 'test'} split"
    trusted = f", {sum(not each.faults for each in measured)} of {len(measured)} trustworthy" if measured else ""
    drawings = f"; drawn images in {folder}" if folder else ""
    print(f"{counted(len(explained), 'prediction')}{where} explained{trusted}{drawings}")
    return 0


def _of_sources(given: argparse.Namespace) -> "tuple[Explainer, Iterable[Explained]]":
    """Return the explanations for what the user gives, as they are computed."""
    from polyhead.workflows.official import download_missing
    from polyhead.workflows.predict import load

    if given.split:
        raise PolyheadError("--split is for the run's own images. Remove it, or SOURCE.")
    explainer = _explainer(given, load(download_missing(given.run, given.download)))
    return explainer, explainer.stream(given.sources, given.conf, given.label, given.box, MOST)


def _of_split(given: argparse.Namespace, unread: list[Problem]) -> "tuple[Explainer, Iterable[Explained]]":
    """Return the explanations for images of the run, as they are computed."""
    from polyhead.workflows.explain_split import explain_split
    from polyhead.workflows.official import is_official
    from polyhead.workflows.split import open_run

    if given.box is not None:
        raise PolyheadError("--box chooses a prediction of one image. Give the image as SOURCE.")
    if is_official(given.run):
        raise PolyheadError(f"{given.run} has no images of its own. Give some as SOURCE.")
    run = Run.open(given.run)
    run.require_recipe("Give the images as SOURCE.")
    predictor, tasks = open_run(run)
    explainer = _explainer(given, predictor)
    split = given.split or "test"
    return explainer, explain_split(explainer, tasks[explainer.task], split, unread, given.conf, given.label)


def _explainer(given: argparse.Namespace, predictor: "Predictor") -> "Explainer":
    """Return the explainer that the options ask for."""
    from polyhead.workflows.explain import LEVELS, METHOD, Explainer

    method, levels = given.method or METHOD, given.levels or LEVELS
    return Explainer(predictor, given.task, method, levels, trust=not given.no_trust, side=given.side)


def _averages(figures: dict[str, float], reference: str) -> str:
    """Return the means of the figures of several maps in a line."""
    shape = "of the box's shape" if reference == "box" else "in the middle"
    return (
        f"on average: deletion {figures['deletion']:.3f} (Gaussian {shape} {figures[f'{reference}_deletion']:.3f}), "
        f"insertion {figures['insertion']:.3f} (random {figures['random_insertion']:.3f}), rank correlation with the "
        f"map of shuffled weights {figures['shuffled']:.2f}"
    )
