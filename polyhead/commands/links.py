"""The option ``--link TITLE=URL``."""

from collections.abc import Sequence

from polyhead.cli import Parser
from polyhead.errors import PolyheadError


def add_links(command: Parser) -> None:
    """Add the option."""
    command.add_argument(
        "--link", action="append", default=[], metavar="TITLE=URL", help="a link to show, such as code=https://..."
    )


def links_of(given: Sequence[str]) -> dict[str, str]:
    """Return links by title.

    Raises:
        PolyheadError: if one is not ``TITLE=URL``.
    """
    from polyhead.config.names import check_links

    links = {}
    for each in given:
        title, equals, address = each.partition("=")
        if not equals:
            raise PolyheadError(f"--link: expected TITLE=URL, such as code=https://example.org, got {each!r}")
        links[title] = address
    check_links(links)
    return links
