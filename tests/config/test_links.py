"""Links of a recipe."""

import pytest

from polyhead.commands.links import links_of
from polyhead.config.settings import Settings
from polyhead.errors import PolyheadError


def test_links_are_addresses_of_web_pages() -> None:
    links = {"code": "https://example.org/code", "notebook": "http://127.0.0.1/x?y=z"}
    assert Settings(links=links).links == links
    assert links_of([f"{title}={address}" for title, address in links.items()]) == links


@pytest.mark.parametrize("address", ["javascript:alert(1)", "example.org", "file:///etc/passwd", "https://a b"])
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(
        PolyheadError, match=r"^links\.code: expected an address such as https://example\.org/code, got"
    ):
        Settings(links={"code": address})
    with pytest.raises(PolyheadError, match=r"^links\.code: expected an address such as"):
        links_of([f"code={address}"])


def test_a_link_on_the_command_line_has_a_title() -> None:
    with pytest.raises(PolyheadError, match=r"^--link: expected TITLE=URL, such as code=https"):
        links_of(["https://example.org"])
