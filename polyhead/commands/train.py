"""``polyhead train``: a recipe becomes a run folder."""

from polyhead.cli import Parser
from polyhead.config import overrides, recipe
from polyhead.errors import PolyheadError

_OWN = ("--resume", "--print-config", "--allow", "--help", "-h")

_EPILOG = """\
key=value (or --key value) changes a setting of the recipe: stages.0.epochs=5, data.person.batch=4, model.size=512.
Short keys: epochs, lr, optimizer, patience (of the only stage), batch, workers (of every task), imgsz (model.size).
"""


def parser() -> Parser:
    """What the command takes beside overrides."""
    command = Parser(
        prog="polyhead train",
        usage="polyhead train RECIPE [key=value ...] | polyhead train --resume RUN",
        description="Train a recipe into a run folder, or go on with a run that was stopped.",
        epilog=_EPILOG,
    )
    command.add_argument("recipe", nargs="?", help="a name that 'polyhead recipes' lists, or a YAML file")
    command.add_argument("--resume", metavar="RUN", help="go on with this run folder where it stopped")
    command.add_argument("--print-config", action="store_true", help="print the resolved recipe and stop")
    command.add_allow()
    return command


def main(argv: list[str]) -> int:
    """Train."""
    words, changes = overrides.separate(argv, _OWN)
    given = parser().parse_args(words)
    recipe.allow(given.allow)
    if given.resume:
        if given.recipe or changes:
            extra = given.recipe or changes[0]
            raise PolyheadError(f"--resume goes on with a run as it was begun; leave out {extra!r}")
        from polyhead.workflows.extend import resume

        run = resume(given.resume)
    elif given.recipe:
        config = recipe.load(given.recipe, changes)
        if given.print_config:
            print(recipe.dump(config), end="")
            return 0
        from polyhead.workflows.train import train

        run = train(config)
    else:
        raise PolyheadError("which recipe? 'polyhead recipes' lists those that ship; or give --resume RUN")
    print(f"next: polyhead predict {run.folder} PICTURE   or: polyhead evaluate {run.folder}")
    return 0
