"""``polyhead explain``: draw which pixels each predicted box, class or region depends on, and whether to trust that."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from polyhead.cli import Parser, check_writable
from polyhead.commands.drawn_files import free_name, new_folder
from polyhead.contracts.classes import allow
from polyhead.errors import PolyheadError, counted, one_line

if TYPE_CHECKING:
    from polyhead.workflows.explain import Explanation

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
        "sources", metavar="SOURCE", nargs="+", help="image files, folders, or patterns such as 'photos/*.jpg'"
    )
    command.add_argument("--task", metavar="HEAD", help="the head to explain (default: the only one)")
    command.add_argument("--class", dest="label", metavar="NAME", help="only predictions of this class")
    command.add_argument(
        "--box", type=int, metavar="N", help=f"only the Nth prediction, from 1 (default: the first {MOST})"
    )
    command.add_argument("--conf", type=float, default=0.25, help="minimum score of a box (default: 0.25)")
    command.add_argument("--method", help="gradcam, gradcam++, layercam (default), hirescam or eigencam")
    command.add_argument("--levels", help="where: backbone.sum (default), backbone.8, neck.sum, neck.16 ...")
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
    from polyhead.run import write_text
    from polyhead.workflows.explain import LEVELS, METHOD, Explainer
    from polyhead.workflows.official import download_missing
    from polyhead.workflows.predict import load

    predictor = load(download_missing(given.run, given.download))
    explainer = Explainer(
        predictor, given.task, given.method or METHOD, given.levels or LEVELS, trust=not given.no_trust
    )
    folder: Path | None = None
    taken: set[str] = set()
    explained: list[Explanation] = []
    for image, forward, found, left in explainer.stream(given.sources, given.conf, given.label, given.box, MOST):
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
        if left:
            print(one_line(f"{image}: {left} more; choose one with --box N"))
    if given.json:
        write_text(Path(given.json), json.dumps([each.to_json() for each in explained], indent=2) + "\n")
    if not explained:
        raise PolyheadError("there is nothing to explain. Give other images, or a lower --conf.")
    measured = [each.trust for each in explained if each.trust is not None]
    if len(measured) > 1:
        print(_averages(average(measured), measured[0].reference))
    trusted = f", {sum(not each.faults for each in measured)} of {len(measured)} trustworthy" if measured else ""
    print(
        f"{counted(len(explained), 'prediction')} explained{trusted}{f'; drawn images in {folder}' if folder else ''}"
    )
    return 0


def _averages(figures: dict[str, float], reference: str) -> str:
    """Return the means of the figures of several maps in a line."""
    shape = "of the box's shape" if reference == "box" else "in the middle"
    return (
        f"on average: deletion {figures['deletion']:.3f} (Gaussian {shape} {figures[f'{reference}_deletion']:.3f}), "
        f"insertion {figures['insertion']:.3f} (random {figures['random_insertion']:.3f}), rank correlation with the "
        f"map of shuffled weights {figures['shuffled']:.2f}"
    )
