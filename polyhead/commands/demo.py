"""``polyhead demo``: train, evaluate and use a detector on generated images."""

from polyhead.cli import Parser
from polyhead.config import overrides


def main(argv: list[str]) -> int:
    """Run the demo and return the exit code; the demo fails when the detector does not reach its expected score."""
    words, changes = overrides.separate(argv, ("--help", "-h"))
    command = Parser(
        prog="polyhead demo",
        usage="polyhead demo [key=value ...]",
        description="Train, evaluate and use a detector on generated images, offline, in minutes on a laptop.",
        epilog="key=value overrides a setting of the recipe 'demo', for example epochs=2.",
    )
    command.parse_args(words)
    from polyhead.workflows.demo import demo

    demo(changes=tuple(changes))
    return 0
