"""Train one stage with Lightning."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.utilities import CombinedLoader

from polyhead import checkpoint
from polyhead.contracts.sizes import side_at
from polyhead.engine import memory
from polyhead.engine.continual import ContinualLoss
from polyhead.engine.learner import Learner
from polyhead.errors import PolyheadError
from polyhead.run import Run


@contextmanager
def _silence_lightning() -> Iterator[None]:
    """Silence Lightning's own log lines, and its warnings about choices that are intended here."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)  # tips, and what our own progress shows
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")  # one per core is right
        warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")  # its logger is not used
        warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")  # frozen parts
        warnings.filterwarnings("ignore", message=".*have no `val_dataloader`.*")  # of a search for a learning rate
        warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")  # Lightning 2.6.6 on torch 2.15
        yield


@_silence_lightning()
def fit_stage(
    learner: Learner,
    run: Run,
    precision: str,
    callbacks: list[Callback],
    state: Path | None = None,
    *,
    validate: bool = True,
) -> None:
    """Train one stage.

    Args:
        learner: the module.
        run: the run folder.
        precision: one of Lightning's names.
        callbacks: Lightning callbacks.
        state: the saved state to resume from; None trains from the start of the stage.
        validate: whether to validate.
    """
    stage, tasks = learner.stage, learner.tasks
    trainer = Trainer(
        accelerator="auto",
        devices=1,
        plugins=[LightningEnvironment()],  # else it would take the settings of SLURM, MPI and others for its own
        precision=precision,  # type: ignore[arg-type]  # checked by resolve()
        max_epochs=stage.epochs,
        check_val_every_n_epoch=stage.val_every,
        accumulate_grad_batches=stage.accumulate,
        gradient_clip_val=stage.grad_clip_norm,
        callbacks=callbacks,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=run.folder,
    )

    def position() -> int:
        """Return the index of the next batch of the stage."""
        return int(trainer.fit_loop.total_batch_idx) + 1

    mix_until = round(stage.mix_fraction * learner.steps * stage.epochs)
    steps, number, side = learner.steps, learner.number, side_at(stage.sizes, learner.seed, learner.number)
    loaders = {name: tasks[name].train(steps, position, number, mix_until, side) for name in learner.trained}
    for loss in stage.continual:
        loaders |= loss.replay_loaders(learner.earlier, steps, position, number, learner.seed, side)
    record_replay(run, learner.number, stage.continual)
    try:
        trainer.fit(
            learner,
            CombinedLoader(loaders, "max_size"),
            [task.evaluation("val") for task in tasks.values()] if validate else None,
            ckpt_path=state,
            weights_only=True,
        )
    except SystemExit as stop:  # raised by Lightning on Ctrl-C
        raise KeyboardInterrupt from stop
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, MemoryError) as error:
        if memory.is_full(error):
            batches = ", ".join(f"data.{name}.batch={tasks[name].batch}" for name in learner.trained)
            raise PolyheadError(
                f"stage {learner.number}, step {trainer.global_step}: the memory is full ({batches}). Start a new run "
                "with half the batch and accumulate=2, which updates the weights as often, with batch=auto, or with "
                "smaller images (imgsz)."
            ) from error
        if "DataLoader worker" in str(error):
            raise PolyheadError(
                f"a loader process was killed or has ended ({str(error).strip()}), perhaps because the memory is full. "
                f"Set fewer workers, or a smaller batch or cache. Resume with 'polyhead train --resume {run.quoted}'."
            ) from error
        if state is None or learner.started:
            raise
        raise checkpoint.damaged(state, f"{type(error).__name__}: {' '.join(str(error).split()):.200}") from error


def record_replay(run: Run, number: int, losses: Sequence[ContinualLoss]) -> None:
    """Write to the manifest how many images and bytes of each earlier task a stage replays."""
    replayed = {task: exemplars for loss in losses for task, exemplars in loss.replay_summary().items()}
    if replayed:
        entry = {task: {"images": len(each.indices), "bytes": each.bytes} for task, each in replayed.items()}
        run.update_manifest(replayed={**run.read_manifest().get("replayed", {}), f"stage{number}": entry})
