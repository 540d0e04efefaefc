"""``polyhead predict``: use a run on pictures; drawn pictures always, JSON and CSV on request."""

import json
import time
from argparse import Namespace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from polyhead.cli import Parser, check_writable
from polyhead.config import recipe
from polyhead.errors import PolyheadError
from polyhead.run import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyhead.workflows.predict import Predictor
    from polyhead.workflows.result import Result

_EPILOG = """\
Drawn pictures never replace others: when the folder is not empty, predict2, predict3... is made.
JSON is a list of {image, task, boxes, scores, labels}; boxes are x1, y1, x2, y2 in pixels of the original picture.
A mask lies beside the drawn picture, as NAME.TASK.png of class numbers; scores are its classes' shares of the picture.
"""


def parser() -> Parser:
    """What the command takes."""
    command = Parser(prog="polyhead predict", description="Use a run on pictures.", epilog=_EPILOG)
    command.add_argument("run", metavar="RUN", help="a run folder, or a weights file such as best.pt")
    command.add_argument(
        "sources", metavar="SOURCE", nargs="+", help="picture files, folders, or patterns such as 'photos/*.jpg'"
    )
    command.add_argument("--json", metavar="FILE", help="write all results to this JSON file")
    command.add_argument("--csv", metavar="FILE", help="write a row for each answer to this CSV file")
    command.add_argument(
        "--out", metavar="DIR", help="folder of the drawn pictures (default: RUN/predict, or ./predict)"
    )
    command.add_argument("--conf", type=float, default=0.25, help="leave out boxes with a lower score (default: 0.25)")
    command.add_argument("--task", metavar="LIST", help="use these heads alone, such as food or seg,det (default: all)")
    command.add_argument(
        "--across", type=float, metavar="IOU", help="of boxes of different heads that overlap so far, keep the best"
    )
    command.add_argument(
        "--beside", metavar="RUN[+RUN]", help="draw beside each picture what this run (or these together) says of it"
    )
    command.add_argument("--batch", type=int, default=8, help="pictures at a time (default: 8)")
    command.add_argument(
        "--on-bad", choices=["stop", "skip"], default="stop", help="what to do about a picture that cannot be read"
    )
    command.add_allow()
    return command


def main(argv: list[str]) -> int:
    """Predict, draw, write and tell."""
    given = parser().parse_args(argv)
    check_writable(given.json, given.csv)
    recipe.allow(given.allow)
    from polyhead.plotting.draw import grid
    from polyhead.workflows.predict import load
    from polyhead.workflows.result import best_of_heads, plot, table

    predictor = load(given.run)
    begun = time.perf_counter()
    results: list[Result] = []
    folder: Path | None = None
    taken: set[str] = set()
    others = [load(run) for run in given.beside.split("+")] if given.beside else []
    tasks = given.task.split(",") if given.task else None
    for found in predictor.stream(given.sources, tasks, given.conf, given.batch, given.on_bad, given.across):
        folder = folder or _folder(given)
        drawn = plot(found)
        if others:
            said_too = [result for other in others for result in _also(other, found, given)]
            said_too = said_too if given.across is None else best_of_heads(said_too, given.across)
            drawn = grid([drawn, plot(said_too, found)], 2, max(drawn.size), [given.run, given.beside])
        name = _name(found[0].image, taken)
        drawn.save(folder / name, quality=92)
        kept = [_with_mask(result, folder, name) for result in found]
        said = [f"{result.task}: {result}" if len(found) > 1 else str(result) for result in found]
        print(f"{found[0].image}: {'; '.join(said)}")
        results += kept
    for problem in predictor.skipped:
        print(f"skipped {problem}")
    if folder is None:
        raise PolyheadError(f"none of the {len(predictor.skipped)} pictures could be read")
    if given.json:
        write_text(
            Path(given.json), json.dumps([result.to_json() for result in results], indent=1, ensure_ascii=False) + "\n"
        )
    if given.csv:
        write_text(Path(given.csv), table(results).to_csv(index=False))
    skipped = f", {len(predictor.skipped)} skipped" if predictor.skipped else ""
    masks = sum(result.mask is not None for result in results)
    boxes = f"{sum(len(result.boxes) for result in results)} boxes" + (f", {masks} masks" if masks else "")
    seconds = time.perf_counter() - begun
    print(f"{len(taken)} pictures{skipped}, {boxes}, {seconds:.1f} s; drawn pictures in {folder}")
    return 0


def _also(other: "Predictor", found: "Sequence[Result]", given: Namespace) -> "list[Result]":
    """What another run says of the picture: by the chosen tasks' heads, where some were chosen and it has them."""
    asked = [result.task for result in found if result.task in other.names] if given.task else []
    return other.predict(found[0].image, asked or None, conf=given.conf)


def _with_mask(result: "Result", folder: Path, name: str) -> "Result":
    """A result whose mask, if it has one, lies beside the drawn picture."""
    return result if result.mask is None else result.save_mask(folder / f"{Path(name).stem}.{result.task}.png")


def _folder(given: Namespace) -> Path:
    """A new or empty folder; what a run folder cannot hold goes to the current one."""
    run = Path(given.run)
    if run.is_file():
        run = run.parent.parent if run.parent.name == "weights" else Path()
    wanted = Path(given.out) if given.out else run / "predict"
    for number in count(1):
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}{number}")
        if folder.exists() and not folder.is_dir():
            raise PolyheadError(f"{str(folder)!r} is a file; name a folder for the drawn pictures with --out")
        if not folder.exists() or not any(folder.iterdir()):
            break
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _name(image: str, taken: set[str]) -> str:
    """``photo.jpg`` for ``photo.png``, and ``photo_2.jpg`` when another folder had a photo too."""
    stem = Path(image).stem
    name = next(name for n in count(1) if (name := f"{stem}.jpg" if n == 1 else f"{stem}_{n}.jpg") not in taken)
    taken.add(name)
    return name
