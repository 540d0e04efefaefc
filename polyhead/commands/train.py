"""``polyhead train``: train the model of a recipe into a run folder, or resume a run."""

import argparse
from pathlib import Path

from polyhead.cli import Parser
from polyhead.commands.habits import data_setting, is_run, not_a_recipe
from polyhead.config import overrides, recipe
from polyhead.contracts.classes import allow
from polyhead.errors import PolyheadError
from polyhead.run import Run

_OWN = ("--resume", "--new-schedule", "--lr-find", "--print-config", "--allow", "--help", "-h")

_EPILOG = """\
key=value (or --key value) overrides a setting of the recipe, for example:

  stages.0.epochs=5   data.person.batch=4   model.size=512

Short keys: epochs, lr, optimizer, patience, weight_decay (for recipes with
one stage), batch, workers, transforms (of all tasks), imgsz (model.size),
dropout (model.dropout, of classifiers).
"""


def parser() -> Parser:
    """Return the argument parser; overrides are separated before."""
    command = Parser(
        prog="polyhead train",
        usage="polyhead train RECIPE|FOLDER [--lr-find] [key=value ...] | "
        "polyhead train --resume RUN [epochs=N | --new-schedule [key=value ...]]",
        description="Train the model of a recipe into a run folder, or resume a run that was interrupted. For a folder "
        "of data, write a recipe first, as 'polyhead init FOLDER' does.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("recipe", nargs="?", help="a name from 'polyhead recipes', a YAML file, or a data folder")
    command.add_argument(
        "--resume",
        metavar="RUN",
        help="resume the training of this run folder; with epochs=N, train a finished run N epochs further",
    )
    command.add_argument(
        "--new-schedule",
        action="store_true",
        help="with --resume: train the rest of the stage with other settings (key=value) and a schedule of its own",
    )
    command.add_argument(
        "--lr-find",
        action="store_true",
        help="do not train: try growing learning rates in 100 steps, plot the losses and suggest one",
    )
    command.add_argument("--print-config", action="store_true", help="print the resolved recipe and exit")
    command.add_allow()
    return command


def main(argv: list[str]) -> int:
    """Train or resume a run, and return the exit code."""
    words, changes = overrides.separate(argv, _OWN)
    given = parser().parse_args(words)
    allow(given.allow)
    if given.new_schedule and not given.resume:
        raise PolyheadError("--new-schedule changes a run that is resumed. Add --resume RUN.")
    if given.resume:
        if given.lr_find:
            raise PolyheadError("--lr-find starts from a recipe, not from a run. Give the recipe instead of --resume.")
        if given.recipe:
            raise PolyheadError(
                f"--resume uses the recipe and settings that the run started with. Remove {given.recipe!r}."
            )
        from polyhead.workflows.extend import resume
        from polyhead.workflows.more_epochs import add_stage, more_epochs
        from polyhead.workflows.new_schedule import new_schedule

        if given.new_schedule:
            print(new_schedule(Run.open(given.resume), changes))
        elif changes:
            epochs = more_epochs(changes)
            print(add_stage(Run.open(given.resume), epochs))
        run = resume(given.resume)
    elif given.recipe:
        config = recipe.load(_recipe(given.recipe), changes, must_exist=not given.print_config)
        if given.print_config:
            print(recipe.dump(config), end="")
            return 0
        if given.lr_find:
            from polyhead.workflows.lr_find import lr_find

            lr_find(config)
            return 0
        from polyhead.workflows.train import train

        run = train(config)
    else:
        raise PolyheadError(
            data_setting(changes)
            or "no recipe given. Name a recipe ('polyhead recipes' lists them) or a data folder, or give --resume RUN."
        )
    print(f"next: polyhead predict {run.quoted} IMAGE   or: polyhead report {run.quoted}")
    return 0


def _recipe(given: str) -> str | Path:
    """Return the recipe to train; the recipe of a data folder is written first, unless it exists."""
    path = Path(given)
    if path.is_file() and (advice := not_a_recipe(path)):
        raise PolyheadError(advice)
    if not path.is_dir() or is_run(path):
        return given
    from polyhead.workflows.init import default_path, init

    recipe_file = default_path(path)
    if recipe_file.exists():
        print(f"the recipe {recipe_file} exists and is used; delete it to have it written anew")
        return recipe_file
    return init(path, recipe_file)
