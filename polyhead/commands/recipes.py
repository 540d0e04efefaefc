"""``polyhead recipes``: list the recipes and studies that come with Polyhead (imports no YAML and no torch)."""

from pathlib import Path

from polyhead.cli import Parser
from polyhead.paths import shipped, studies


def headline(path: Path) -> str:
    """Return the comment in the first line of a recipe."""
    with path.open(encoding="utf-8") as file:
        return file.readline().lstrip("#").strip()


def main(argv: list[str]) -> int:
    """Print the recipes and return the exit code."""
    description = "List the recipes and studies that come with Polyhead, with one line each."
    Parser(prog="polyhead recipes", description=description).parse_args(argv)
    recipe_files, study_files = shipped(), studies()
    width = max(map(len, [*recipe_files, *study_files]))
    for name, path in recipe_files.items():
        print(f"{name:<{width}}  {headline(path)}")
    print("\ntrain one: polyhead train NAME [key=value ...]; show all its settings: polyhead train NAME --print-config")
    if study_files:
        print("\nstudies (polyhead study NAME):")
        for name, path in study_files.items():
            print(f"{name:<{width}}  {headline(path)}")
    return 0
