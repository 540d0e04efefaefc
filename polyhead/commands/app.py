"""``polyhead app``: a page in the browser to try a model, or a Space of it."""

from polyhead.cli import Parser
from polyhead.commands.links import add_links, links_of
from polyhead.commands.space_options import add_options, run_space
from polyhead.contracts.classes import allow
from polyhead.errors import PolyheadError


def parser() -> Parser:
    """Return the argument parser."""
    command = Parser(
        prog="polyhead app",
        description="Show a model on a page in the browser: try it on images, see why it predicts what it does, how "
        "well it does, and its worst mistakes. Nothing is sent elsewhere.",
    )
    command.add_argument("run", metavar="RUN", help="a run folder, or yolox_nano")
    command.add_argument("--port", type=int, help="port of the page (default: the first free one from 7860)")
    command.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets other machines use it (default: 127.0.0.1)")
    command.add_argument("--open", action="store_true", help="open the page in the browser")
    add_links(command)
    command.add_download()
    command.add_allow()
    add_options(command)
    return command


def main(argv: list[str]) -> int:
    """Serve the page until it is stopped, and return the exit code."""
    given = parser().parse_args(argv)
    allow(given.allow)
    links = links_of(given.link)
    if given.space is not None:
        return run_space(given, links or None)
    if unused := [name for name in ("push", "public", "with_samples", "title", "yes") if getattr(given, name)]:
        raise PolyheadError(f"--{unused[0].replace('_', '-')} is for a Space. Add --space DIR, or remove it.")
    from polyhead.app import serve
    from polyhead.workflows.official import download_missing

    with serve.uploads():
        from polyhead.app.page import build

        page = build(download_missing(given.run, given.download), links)
        serve.launch(page, given.host, given.port, browser=given.open)
    return 0
