"""``polyhead recipes``: the recipes and studies that ship, with the first line of each (no YAML, no torch)."""

from pathlib import Path

from polyhead.cli import Parser
from polyhead.paths import shipped, studies


def headline(path: Path) -> str:
    """The comment in the first line of a recipe."""
    with path.open(encoding="utf-8") as file:
        return file.readline().lstrip("#").strip()


def main(argv: list[str]) -> int:
    """List the recipes."""
    Parser(prog="polyhead recipes", description="List the recipes with one line each.").parse_args(argv)
    recipes, compared = shipped(), studies()
    width = max(map(len, [*recipes, *compared]))
    for name, path in recipes.items():
        print(f"{name:<{width}}  {headline(path)}")
    print("\npolyhead train NAME [key=value ...] trains one; polyhead train NAME --print-config shows all of it")
    if compared:
        print("\nstudies (polyhead study NAME):")
        for name, path in compared.items():
            print(f"{name:<{width}}  {headline(path)}")
    return 0
