"""``polyhead extend``: add a task to a trained run without the data of its earlier tasks."""

import argparse
from collections.abc import Sequence

from polyhead.cli import Parser
from polyhead.config import overrides
from polyhead.contracts.classes import allow
from polyhead.data.io.yaml_files import yaml_value
from polyhead.errors import PolyheadError

_EPILOG = """\
The earlier tasks are protected by distillation and by replaying the exemplars
that the run has stored (exemplars/). How much they forget is measured on
held-out images that the run has stored (probe/). The original data is not
needed.

  polyhead extend runs/demo --task shapes \\
    --data reader=scenes domain=shapes count=500 size=160 -- stages.0.epochs=4

Arguments after -- are overrides of the recipe, see 'polyhead train --help'. A
unified model needs the kind of the new head: model.heads.shapes=segment (or
detect, classify).
"""


def parser() -> Parser:
    """Return the parser of the arguments before ``--``."""
    command = Parser(
        prog="polyhead extend",
        usage="polyhead extend RUN --task NAME --data KEY=VALUE ... [-- key=value ...]",
        description="Add a task to a trained run, and report how much the earlier tasks forget.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("run", metavar="RUN", help="the run folder that 'polyhead train' printed")
    command.add_argument("--task", metavar="NAME", required=True, help="name of the new task")
    command.add_argument(
        "--data", metavar="KEY=VALUE", nargs="+", required=True, help="settings of its data, as in a recipe"
    )
    command.add_allow()
    return command


def main(argv: Sequence[str]) -> int:
    """Extend a run and return the exit code."""
    words = list(argv)
    end = words.index("--") if "--" in words else len(words)
    given = parser().parse_args(words[:end])
    allow(given.allow)
    rest, changes = overrides.separate(words[end + 1 :], ())
    if rest:
        raise PolyheadError(f"{rest[0]!r} after -- is not an override. Write KEY=VALUE.")
    from polyhead.workflows.extend import extend

    run = extend(given.run, given.task, settings(given.data), changes)
    print(f"next: polyhead predict {run.quoted} IMAGE   or: polyhead report {run.quoted}")
    return 0


def settings(words: Sequence[str]) -> dict[str, object]:
    """Parse words ``key=value`` with YAML values to a mapping.

    Raises:
        PolyheadError: when a word has another form, or its value is not valid YAML.
    """
    result: dict[str, object] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise PolyheadError(f"--data: expected KEY=VALUE, such as reader=coco, got {word!r}")
        result[name] = yaml_value(value, word)
    return result
