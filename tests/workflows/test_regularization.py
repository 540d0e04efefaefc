"""The settings of a run against overfitting are named."""

from pathlib import Path

from polyhead.config import recipe
from polyhead.run import Run
from polyhead.workflows.regularization import regularization


def test_settings_are_named_where_they_do_something(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    assert regularization(run, "cifar10", 0) == [], "a run of polyhead.fit has no recipe"
    changes = [
        "model.dropout=0.3",
        "stages.0.weight_decay=0.01",
        "stages.0.ema=0.99",
        "stages.0.patience=3",
        "data.*.transforms=classify",
    ]
    loaded = recipe.load("cifar10_resnet18", changes)
    run.config.write_text(recipe.dump(loaded))
    assert regularization(run, "cifar10", 0) == [
        "transforms classify",
        "weight decay 0.01",
        "dropout 0.3",
        "moving average 0.99",
        "patience 3",
    ]
