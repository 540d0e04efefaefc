"""``polyhead extend``: a trained model learns one more task, without the data of the older ones."""

import argparse
from collections.abc import Sequence

import yaml

from polyhead.cli import Parser
from polyhead.config import overrides, recipe
from polyhead.errors import PolyheadError

_EPILOG = """\
The older tasks are kept by distillation and by replaying what the run has kept of them (memory/); what that has cost
them is told on pictures that were held out (probe/). Neither needs the old data.

  polyhead extend runs/demo --task shapes --data reader=scenes domain=shapes count=500 size=160 -- stages.0.epochs=4

What stands behind -- changes the recipe; 'polyhead train --help' tells the form. A unified model wants to know what the
new head is: model.heads.shapes=segment (or detect, classify).
"""


def main(argv: Sequence[str]) -> int:
    """Extend a run."""
    words = list(argv)
    at = words.index("--") if "--" in words else len(words)
    changes = words[at + 1 :]
    command = Parser(
        prog="polyhead extend",
        usage="polyhead extend RUN --task NAME --data KEY=VALUE ... [-- key=value ...]",
        description="Teach a trained model one more task, and tell what that costs the older ones.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("run", metavar="RUN", help="the folder that 'polyhead train' printed")
    command.add_argument("--task", metavar="NAME", required=True, help="name of the new task")
    command.add_argument("--data", metavar="KEY=VALUE", nargs="+", required=True, help="its data, as in a recipe")
    command.add_allow()
    given = command.parse_args(words[:at])
    recipe.allow(given.allow)
    rest, extra = overrides.separate(changes, ())
    if rest:
        raise PolyheadError(f"{rest[0]!r} behind -- is no override; write KEY=VALUE")
    from polyhead.workflows.extend import extend

    run = extend(given.run, given.task, settings(given.data), extra)
    print(f"next: polyhead predict {run.folder} PICTURE   or: polyhead evaluate {run.folder}")
    return 0


def settings(words: Sequence[str]) -> dict[str, object]:
    """``key=value`` words as a mapping; values are YAML."""
    found: dict[str, object] = {}
    for word in words:
        name, given, value = word.partition("=")
        if not given or not name:
            raise PolyheadError(f"--data: expected KEY=VALUE, such as reader=coco, got {word!r}")
        try:
            found[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise PolyheadError(f"--data: {word!r} is no valid value: {' '.join(str(error).split())}") from error
    return found
