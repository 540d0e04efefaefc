"""The options of ``polyhead app`` that write and upload a Space, and what they do."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from polyhead.cli import Parser
from polyhead.errors import PolyheadError, counted, one_line


def add_options(command: Parser) -> None:
    """Add the options to a parser that has RUN and ``--download``."""
    group = command.add_argument_group("Hugging Face Space")
    group.add_argument("--space", metavar="DIR", help="write all files of a Space into this folder, and start nothing")
    group.add_argument("--push", metavar="OWNER/NAME", help="then upload the folder to this Space, which is private")
    group.add_argument("--public", action="store_true", help="let everyone see the Space")
    group.add_argument(
        "--with-samples", action="store_true", help="include images of the data, whatever its license is"
    )
    group.add_argument("--title", help="title of the Space (default: name of the run)")
    group.add_argument("--yes", action="store_true", help="write and upload without asking")


def run_space(given: argparse.Namespace, links: Mapping[str, str] | None = None) -> int:
    """List the files of a Space, write them, upload them if that was asked for, and return the exit code.

    Args:
        given: the options.
        links: addresses by title, which the page shows; None for those of the run.
    """
    from polyhead.workflows.hub_access import check_name, hub
    from polyhead.workflows.official import download_missing
    from polyhead.workflows.space.files import grouped, readable
    from polyhead.workflows.space.folder import check_folder, write
    from polyhead.workflows.space.plan import plan
    from polyhead.workflows.space.push import push

    if given.push is not None:
        check_name(given.push)
    folder = Path(given.space)
    check_folder(folder, given.run)
    run = download_missing(given.run, given.download)
    planned = plan(run, samples=given.with_samples, title=given.title, links=links)
    for path, count, size, terms in grouped(planned.files):
        files = f", {counted(count, 'file')}" if path.endswith("/") else ""
        print(one_line(f"  {path} ({readable(size)}{files}): {terms}"))
    for line in planned.left_out:
        print(one_line(f"  left out: {line}"))
    number = counted(len(planned.files), "file")
    if not confirmed(f"Write these {number} ({readable(planned.size)}) to {folder}?", given.yes):
        print("nothing was written")
        return 1
    print(f"the Space is in {write(planned, folder, given.run)}")
    if given.push is None:
        print(f"try it with: python {folder / 'app.py'}")
        return 0
    seen = "public: everyone can see it" if given.public else "private"
    if not confirmed(f"Upload these {number} to {hub()}/spaces/{given.push} ({seen})?", given.yes):
        print("nothing was uploaded")
        return 1
    print(push(folder, given.push, public=given.public))
    return 0


def confirmed(question: str, yes: bool) -> bool:
    """Return whether the user answers a question with yes.

    Args:
        question: the question.
        yes: whether it has been answered with ``--yes``.

    Raises:
        PolyheadError: if there is no terminal to ask.
    """
    if yes:
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        raise PolyheadError("there is no terminal to ask whether to go on. Check the files above, and add --yes.")
    print(one_line(f"{question} [y/N] "), end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
