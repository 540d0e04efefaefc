"""Names in a recipe: those of tasks, heads, variations and links, and of the folder of a run."""

from collections.abc import Mapping
from typing import Any

from polyhead.data.io.files import is_folder_name
from polyhead.errors import PolyheadError, SettingError


def check_names(given: Mapping[Any, Any], where: str) -> Mapping[str, Any]:
    """Check that names are strings, as YAML reads ``2024``, ``on`` and ``null`` as something else, and return all."""
    for name in given:
        if not isinstance(name, str):
            got = "null" if name is None else name
            raise PolyheadError(f"{where}: expected names, got {got} ({type(name).__name__}); put the name in quotes")
    return given


def check_run_name(name: str | None, runs: str) -> None:
    """Check that the folder of a run would be within the folder of the runs."""
    if name is not None and not is_folder_name(name):
        raise SettingError(
            f"name: expected a folder name within {runs!r}, got {name!r}. Give name=NAME; runs=FOLDER sets the folder "
            "of the runs."
        )


def check_links(links: Mapping[str, str]) -> None:
    """Check that links are addresses of web pages, which a page can show safely."""
    for title, address in links.items():
        if not address.startswith(("https://", "http://")) or any(letter.isspace() for letter in address):
            raise SettingError(
                f"links.{title}: expected an address such as https://example.org/code, got {address!r}. Write it in "
                "full."
            )
