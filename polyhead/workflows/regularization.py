"""Name the settings of a run that are to prevent overfitting."""

from collections.abc import Iterator, Mapping
from typing import Any

from polyhead.data.io.yaml_files import load_yaml
from polyhead.engine.stage import Stage
from polyhead.run import Run

DROPOUTS = ("dropout", "drop_rate", "drop_path_rate")
"""Settings of models that are probabilities of dropping something."""


def regularization(run: Run, task: str, stage: int) -> list[str]:
    """Return the settings of a run against overfitting, a text each; empty for a run without a recipe.

    Args:
        run: the run.
        task: the task, for its transforms.
        stage: index of the stage, for its optimizer.
    """
    if not run.config.is_file():
        return []
    config = load_yaml(run.config)  # resolved when the run was started
    if not isinstance(config, dict) or stage >= len(config.get("stages", [])):
        return []
    settings = {**vars(Stage()), **config["stages"][stage]}
    transforms = config["data"][task].get("transforms", "plain")
    name = transforms if isinstance(transforms, str) else transforms.get("preset", transforms.get("class_path"))
    texts = [f"transforms {name}"]
    if settings["weight_decay"]:
        texts.append(f"weight decay {settings['weight_decay']:g}")
    texts += [f"{key} {value:g}" for key, value in _dropouts(config["model"])]
    if settings["ema"]:
        texts.append(f"moving average {settings['ema']:g}")
    if settings["patience"] is not None:
        texts.append(f"patience {settings['patience']}")
    return texts


def _dropouts(settings: Any) -> Iterator[tuple[str, float]]:
    """Yield the settings of a model that drop something."""
    if isinstance(settings, Mapping):
        for key, value in settings.items():
            if key in DROPOUTS and isinstance(value, int | float) and value:
                yield key, value
            yield from _dropouts(value)
