"""Write the files of a study's finished runs without any training."""

import torch
from builders.split_targets import split_targets

from polyhead.config import recipe
from polyhead.run import Run, write_json, write_text
from polyhead.types import Boxes, Detections
from polyhead.workflows.study import Plan


def pretend(plan: Plan, names: tuple[str, ...] = ("a", "b")) -> None:
    """Write the files of finished runs; the predictions of each row are worse than those of the row before."""
    for row, seeds in enumerate(plan.values()):
        for member in (member for seed in seeds for member in seed):
            run = Run.create(member.folder.parent, member.folder.name)
            write_text(run.config, recipe.dump(member.config))
            for task in member.config["data"]:
                targets, predictions = {}, {}
                for index in range(6):
                    generator = torch.Generator().manual_seed(index)
                    boxes = torch.tensor([[5.0, 5, 30, 30], [40, 40, 60, 62]])
                    flags = torch.zeros(2, dtype=torch.bool)
                    labels = torch.tensor([0, 1])
                    targets[f"p{index}"] = Boxes(boxes, labels, flags, torch.ones(2), torch.ones(2).bool(), (64, 64))
                    noise = (1 + 4 * row) * torch.randn(2, 4, generator=generator)
                    predictions[f"p{index}"] = Detections(boxes + noise, torch.rand(2, generator=generator), labels)
                split = split_targets("detection", [f"{task} {name}" for name in names], targets)
                split.kind.save(run.predictions_path("test", task), split, predictions)
            write_json(run.results_json, {"test": {"tasks": {}}})
            run.update_manifest(finished="2026-01-01T00:00:00+0000")
