"""``polyhead predict``: predict on images; write drawn images, and JSON or CSV on request."""

import argparse
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from polyhead.cli import Parser, check_writable
from polyhead.commands.drawn_files import free_name, new_folder
from polyhead.contracts.classes import allow
from polyhead.errors import PolyheadError, counted, one_line
from polyhead.run import split_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image

    from polyhead.workflows.predictor import Predictor
    from polyhead.workflows.result import Result

_EPILOG = """\
Drawn images never overwrite others: if the folder is not empty, predict2,
predict3... is created.

JSON is a list of {image, task, boxes, scores, labels}; boxes are x1, y1, x2, y2
in pixels of the original image.

A mask is saved next to the drawn image as NAME.TASK.png, whose pixels are class
indices. Its labels are the classes in the mask, and its scores are the
fractions of the image that they cover.
"""


def parser() -> Parser:
    """Return the argument parser."""
    command = Parser(
        prog="polyhead predict",
        description="Predict on images with a trained run.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("run", metavar="RUN", help="a run folder, a weights file such as best.pt, or yolox_nano")
    command.add_argument(
        "sources", metavar="SOURCE", nargs="+", help="image files, folders, or patterns such as 'photos/*.jpg'"
    )
    command.add_argument("--json", metavar="FILE", help="write all predictions to this JSON file")
    command.add_argument("--csv", metavar="FILE", help="write all predictions to this CSV file, one row each")
    command.add_argument("--out", metavar="DIR", help="folder of the drawn images (default: RUN/predict, or ./predict)")
    command.add_argument(
        "--conf", type=float, help="minimum score of a box (default: the operating point of the run, or 0.25)"
    )
    command.add_argument("--task", metavar="LIST", help="heads to use, such as food or seg,det (default: all)")
    command.add_argument(
        "--across",
        type=float,
        metavar="IOU",
        help="suppress a box that overlaps a better box of another head by this IoU or more (default: off)",
    )
    command.add_argument(
        "--compare", metavar="RUN[+RUN]", help="draw the predictions of this run (or these runs) next to each image"
    )
    command.add_argument(
        "--batch", type=int, default=8, help="images per forward pass (default: 8; fewer where images are large)"
    )
    command.add_argument("--max-boxes", type=int, metavar="N", help="largest number of boxes of a head and an image")
    command.add_argument(
        "--on-bad", choices=["stop", "skip"], default="stop", help="what to do with an image that cannot be read"
    )
    command.add_download()
    command.add_allow()
    return command


def main(argv: list[str]) -> int:
    """Predict, draw and write the results, and return the exit code."""
    given = parser().parse_args(argv)
    check_writable(given.json, given.csv)
    allow(given.allow)
    from polyhead.plotting.draw import save_jpeg
    from polyhead.workflows.official import download_missing
    from polyhead.workflows.predict import load
    from polyhead.workflows.result_files import csv_table, json_list

    predictor = load(download_missing(given.run, given.download), max_boxes=given.max_boxes)
    begun = time.perf_counter()
    folder: Path | None = None
    totals = Totals()
    taken: set[str] = set()
    others = [load(run, max_boxes=given.max_boxes) for run in split_runs(given.compare, "+")] if given.compare else []
    tasks = given.task.split(",") if given.task else None
    stream = predictor.stream(given.sources, tasks, given.conf, given.batch, given.on_bad, given.across)
    with json_list(given.json) as write_json, csv_table(given.csv) as write_csv:
        for found in stream:
            results: Sequence[Result] = found
            drawn = _draw(found, others, given)
            if drawn is not None:  # an image
                folder = folder or new_folder(given.run, given.out, "predict")
                name = free_name(found[0].image, taken)
                save_jpeg(drawn, folder / name)
                results = [_save_mask(result, folder, name) for result in found]
            write_json(results)
            write_csv(results)
            totals.add(results)
            print(one_line(f"{found[0].image}: {_summary(found)}"))
        for problem in predictor.skipped:
            print(f"skipped {problem}")
        if not totals.inputs:
            raise PolyheadError(f"none of the {len(predictor.skipped)} inputs could be read")
    for note in predictor.notes:
        print(note)
    if given.conf is None:
        _print_points(predictor, tasks or predictor.names)
    skipped = f", {len(predictor.skipped)} skipped" if predictor.skipped else ""
    print(
        f"{counted(totals.inputs, 'image' if folder else 'input')}{skipped}{totals}, "
        f"{time.perf_counter() - begun:.1f} s; {_where(folder, given)}"
    )
    return 0


def _summary(found: "Sequence[Result]") -> str:
    """Return the results of an input as a line, with the names of the heads if there are several."""
    return "; ".join(f"{result.task}: {result}" if len(found) > 1 else str(result) for result in found)


def _print_points(predictor: "Predictor", tasks: Iterable[str]) -> None:
    """Print which predictions of each head are shown by default."""
    from polyhead.workflows.operating import describe_point

    for task in tasks:
        if task in predictor.points and (shown := describe_point(predictor.points[task])):
            print(f"{task}: {shown}")


def _where(folder: Path | None, given: argparse.Namespace) -> str:
    """Return where the results are, or how to get them."""
    drawn = f"drawn images in {folder}" if folder else "nothing to draw"
    if files := " and ".join(each for each in (given.json, given.csv) if each):
        return f"{drawn}; predictions in {files}"
    return drawn if folder else f"{drawn}; write the predictions with --json or --csv"


class Totals:
    """How much was found."""

    def __init__(self) -> None:
        self.inputs = self.masks = 0
        self.boxes: int | None = None

    def add(self, results: "Sequence[Result]") -> None:
        """Add the results of one input."""
        self.inputs += 1
        for result in results:
            self.masks += result.mask is not None
            if result.kind.counts_objects:
                self.boxes = (self.boxes or 0) + len(result.boxes)

    def __str__(self) -> str:
        """Return what the heads predict: ``, 3 boxes, 2 masks``; nothing for a classifier."""
        boxes = "" if self.boxes is None else f", {counted(self.boxes, 'box', 'boxes')}"
        return boxes + (f", {counted(self.masks, 'mask')}" if self.masks else "")


def _draw(found: "Sequence[Result]", others: "Sequence[Predictor]", given: argparse.Namespace) -> "Image | None":
    """Draw the results of an input, next to those of other runs if there are any; None if it cannot be drawn."""
    from polyhead.plotting.draw import grid
    from polyhead.workflows.result import best_of_heads, plot

    drawn = plot(found)
    if drawn is None or not others:
        return drawn
    compared = [result for other in others for result in _predict_other(other, found, given)]
    compared = compared if given.across is None else best_of_heads(compared, given.across)
    return grid([drawn, plot(compared, found) or drawn], 2, max(drawn.size), [given.run, given.compare])


def _predict_other(other: "Predictor", found: "Sequence[Result]", given: argparse.Namespace) -> "list[Result]":
    """Return the predictions of another run for the image; with ``--task``, of those heads that the run has."""
    tasks = [result.task for result in found if result.task in other.names] if given.task else []
    return other.predict(found[0].image, tasks or None, conf=given.conf)


def _save_mask(result: "Result", folder: Path, name: str) -> "Result":
    """Write the mask of a result, if it has one, next to the drawn image."""
    return result if result.mask is None else result.save_mask(folder / f"{Path(name).stem}.{result.task}.png")
