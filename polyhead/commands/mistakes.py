"""``polyhead mistakes``: draw the worst mistakes of each type with annotation, prediction and explanation."""

import argparse
from typing import Any

from polyhead.cli import Parser
from polyhead.contracts.classes import allow
from polyhead.errors import counted, one_line

_EPILOG = """\
Each drawn image has the annotation, the prediction and what the prediction
depends on side by side, and below them whether that map can be trusted
(docs/explain.md). The worst wrong boxes have the highest scores, the worst
missed objects are the largest, the worst regions have the most pixels.
"""


def parser() -> Parser:
    """Return the argument parser."""
    command = Parser(
        prog="polyhead mistakes",
        description="Draw the worst mistakes of each type on a split, each with an explanation.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("run", metavar="RUN", help="the run folder that 'polyhead train' printed")
    command.add_argument("--task", metavar="HEAD", help="the head (default: all heads)")
    command.add_argument("--split", choices=("test", "val", "train"), default="test", help="default: %(default)s")
    command.add_argument(
        "--most", type=int, default=3, metavar="N", help="drawn mistakes of each type (default: %(default)s)"
    )
    command.add_argument(
        "--conf", type=float, help="minimum score of a box (default: the operating point of the run, or 0.25)"
    )
    command.add_argument("--method", help="gradcam, gradcam++, layercam, hirescam (default) or eigencam")
    command.add_argument("--levels", help="where: backbone.sum (default), backbone.8, neck.sum, neck.16 ...")
    command.add_argument("--no-trust", action="store_true", help="do not compute whether maps can be trusted (faster)")
    command.add_argument("--out", metavar="DIR", help="folder of the drawn images (default: RUN/mistakes)")
    command.add_allow()
    return command


def main(argv: list[str]) -> int:
    """Find, explain and draw the mistakes, and return the exit code."""
    given = parser().parse_args(argv)
    allow(given.allow)
    from polyhead.workflows.explain import LEVELS, METHOD
    from polyhead.workflows.mistakes import find_mistakes

    gallery = find_mistakes(
        given.run,
        given.task,
        given.split,
        given.most,
        given.conf,
        not given.no_trust,
        method=given.method or METHOD,
        levels=given.levels or LEVELS,
        out=given.out,
    )
    for task, found in gallery.tasks.items():
        print("\n".join(map(one_line, _lines(task, found, gallery.mistakes, given.split))))
    print(f"{counted(len(gallery.mistakes), 'mistake')} drawn; drawn images in {gallery.folder}")
    return 0


def _lines(task: str, found: dict[str, Any], mistakes: list[dict[str, Any]], split: str) -> list[str]:
    """Return what was found for a head: a line for each type, and one for each drawn mistake."""
    unread = f", {len(found['unread'])} skipped" if found["unread"] else ""
    total = counted(sum(found["types"].values()), "mistake") if found["types"] else "no mistakes"
    lines = [f"{task}: {total} in {counted(found['images'], f'{split} image')}{unread}"]
    for kind, number in found["types"].items():
        lines.append(f"  {kind}: {number}, the worst:")
        for each in mistakes:
            if (each["task"], each["type"]) == (task, kind):
                file = f" ({each['file']})" if each["file"] else ""
                lines.append(f"    {each['caption']}: {each['verdict'].partition(':')[0]}{file}")
    return lines
