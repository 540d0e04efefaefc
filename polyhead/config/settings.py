"""The settings of a recipe besides its model, data and stages."""

from dataclasses import dataclass, field
from typing import Literal

from polyhead.config.names import check_links, check_run_name
from polyhead.engine.tracker_names import tracker_names
from polyhead.errors import SettingError


@dataclass
class Settings:
    """The settings of a recipe besides ``model``, ``data`` and ``stages``.

    Attributes:
        seed: the seed of all random choices. Runs with the same seed are identical on the same type of CPU with the
            same number of threads; on a GPU, the order of some sums is not deterministic.
        precision: ``auto``, or a precision name of Lightning.
        name: name of the run folder; the name of the recipe file when None.
        runs: the folder in which run folders are created.
        exemplar_mib: MiB of exemplars that the run stores per task and split for 'polyhead extend'; 0 stores none. If
            None, a run of several tasks stores 16 MiB, and a run of one task none.
        max_parameters: maximum number of parameters of the model. A larger model is refused before training.
        max_drop: the fraction of its score that an earlier task may lose. Training in several stages reports the drop
            of each task since the stage that trained it, and whether it exceeds this limit. It is also the default of
            ``--max-drop`` in 'polyhead evaluate --baseline', and the limit for the earlier tasks in 'polyhead extend'.
        mirror: a folder, or a URL that fsspec knows (``s3://bucket/folder``), to which the changed files of the run are
            copied after each epoch and at the end; None copies nothing.
        operating: what the operating point of each task is chosen for, on val: ``f1`` for the best F1, or
            ``{precision: 0.9}`` for a precision of what is shown (``docs/evaluate.md``).
        links: addresses by title, such as ``code: https://...``, which the app, the Space and the model card show.
        logger: the experiment tracker that the training is logged to, or a list of them: ``tensorboard``, ``wandb``,
            ``mlflow`` or ``trackio`` (``docs/training.md``); None logs to none.
    """

    seed: int = 0
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    name: str | None = None
    runs: str = "runs"
    exemplar_mib: float | None = None
    max_parameters: int | None = None
    max_drop: float | None = None
    mirror: str | None = None
    operating: str | dict[str, float] = "f1"
    links: dict[str, str] = field(default_factory=dict)
    logger: str | list[str] | None = None

    def __post_init__(self) -> None:
        check_run_name(self.name, self.runs)
        check_links(self.links)
        self.precision_goal()
        tracker_names(self.logger)
        if self.max_drop is not None and not 0 <= self.max_drop <= 1:
            raise SettingError(f"max_drop must be between 0 and 1, got {self.max_drop:g}")
        if self.exemplar_mib is not None and self.exemplar_mib < 0:
            raise SettingError(f"exemplar_mib must be 0 or more, got {self.exemplar_mib:g}")
        if self.max_parameters is not None and self.max_parameters <= 0:
            raise SettingError(f"max_parameters must be positive, got {self.max_parameters}")

    def precision_goal(self) -> float | None:
        """Return the precision that operating points are chosen for; None for the best F1.

        Raises:
            SettingError: if it is not a precision.
        """
        if self.operating == Settings.operating:
            return None
        precision = self.operating.get("precision", 0.0) if isinstance(self.operating, dict) else 0.0
        if len(self.operating) != 1 or not 0 < precision < 1:
            raise SettingError(
                f"operating: expected f1, or {{precision: P}} with P between 0 and 1, got {self.operating}"
            )
        return precision
