"""``polyhead demo``: the main job on generated pictures."""

from polyhead.cli import Parser
from polyhead.config import overrides


def main(argv: list[str]) -> int:
    """Run the demo; fails when the detector has not learnt."""
    words, changes = overrides.separate(argv, ("--help", "-h"))
    command = Parser(
        prog="polyhead demo",
        usage="polyhead demo [key=value ...]",
        description="Train, measure and use a detector on generated pictures: offline, minutes on a laptop.",
        epilog="key=value changes a setting of the recipe 'demo', for example epochs=2.",
    )
    command.parse_args(words)
    from polyhead.workflows.demo import demo

    demo(changes=tuple(changes))
    return 0
