"""``polyhead compare``: scores, intervals and paired differences in one table, and runs that cannot be compared."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from builders.split_targets import split_targets

from polyhead.commands.compare import main
from polyhead.errors import PolyheadError
from polyhead.metrics.coco import coco
from polyhead.metrics.intervals import paired
from polyhead.metrics.labels import labels
from polyhead.metrics.masks import PixelCounts, count_pixels, masks
from polyhead.metrics.masks import paired as paired_masks
from polyhead.metrics.stored_targets import save_targets
from polyhead.run import Run
from polyhead.types import Boxes, ClassLabel, Detections, Labels, Mask

NAMES = ("cat", "dog")


def target(index: int) -> Boxes:
    generator = torch.Generator().manual_seed(index)
    corner = torch.rand(3, 2, generator=generator) * 50
    boxes = torch.cat([corner, corner + 20 + 20 * torch.rand(3, 2, generator=generator)], 1)
    labels = torch.randint(2, (3,), generator=generator)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    flags = torch.zeros(3, dtype=torch.bool)
    return Boxes(boxes, labels, flags, areas, torch.ones(2).bool(), (100, 100))


TARGETS = {f"p{index}": target(index) for index in range(20)}


def detected(noise: float) -> dict[str, Detections]:
    generator = torch.Generator().manual_seed(0)
    return {
        image_id: Detections(
            target.boxes + noise * torch.randn(3, 4, generator=generator),
            torch.rand(3, generator=generator),
            target.labels,
        )
        for image_id, target in TARGETS.items()
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def write(
        name: str,
        predictions: dict[str, Detections],
        targets: Mapping[str, Boxes] = TARGETS,
        names: Sequence[str] = NAMES,
        tasks: tuple[str, ...] = ("pets",),
    ) -> str:
        run = Run.create(tmp_path, name)
        run.config.write_text("seed: 0\n")
        for task in tasks:
            split = split_targets("detection", names, targets)
            split.kind.save(run.predictions_path("test", task), split, predictions)
        return str(run.folder)

    return write


def test_one_table_with_intervals_and_paired_differences(
    write: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = detected(1.0), detected(4.0)
    assert main([write("good", good), write("bad", bad)]) == 0
    head, first, second, note = capsys.readouterr().out.splitlines()
    assert head.split("  ")[0] == "run"
    assert first.split()[:4] == ["good", "1", "20", "60"]
    assert first.endswith("-")
    assert f"{coco(TARGETS, good, NAMES).ap:.3f} [" in first
    assert f"{coco(TARGETS, good, NAMES).ap50:.3f} [" in first
    value, low, high = paired(TARGETS, [bad], [good], NAMES)
    relative = f"{value / coco(TARGETS, good, NAMES).ap:+.1%} ["
    assert f"{value:+.3f} [{low:+.3f}, {high:+.3f}]  " in second
    assert relative in second
    assert note == "[low, high]: 90% interval, 1000 resamples of the images, the same for all runs"


def test_the_dummy_baseline_of_each_task_is_shown(
    write: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [write(name, detected(1.0), tasks=("pets", "food")) for name in ("one", "two")]
    for folder, score in zip(folders, (0.0104, 0.02), strict=True):
        entry = {"metric": "ap50", "score": 0.5, "images": 4}
        dummy = {"pets": score, "food": 0.1}
        tasks = {task: {**entry, "dummy_baseline": {"score": value}} for task, value in dummy.items()}
        Run.open(folder).update_results(test={"tasks": tasks})
    assert main(folders) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "dummy baseline, AP50: pets 0.010 to 0.020, food 0.100"
    assert main([f"{folders[0]},{folders[1]}", "--task", "pets"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "dummy baseline, AP50: pets 0.015"


def test_the_difference_can_be_of_ap50_and_a_single_run_has_none(
    write: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = detected(1.0), detected(8.0)
    folder = write("good", good)
    main([folder, write("bad", bad), "--metric", "ap50"])
    assert f"{paired(TARGETS, [bad], [good], NAMES, 'ap50').value:+.3f} [" in capsys.readouterr().out
    main([folder])
    assert capsys.readouterr().out.splitlines()[1].endswith("-")
    with pytest.raises(PolyheadError, match=r"tasks of detection have no metric 'ap75'; did you mean 'ap"):
        main([folder, "--metric", "ap75"])


def test_rare_classes_are_in_one_mean_and_not_in_the_other(
    write: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Two owls that no run detects."""
    names = (*NAMES, "owl")
    owls = {
        image_id: target._replace(labels=target.labels.clone(), annotated=torch.ones(3).bool())
        for image_id, target in TARGETS.items()
    }
    for image_id in ("p3", "p8"):
        owls[image_id].labels[0] = 2
    good = detected(1.0)
    scores = coco(owls, good, names)
    assert scores.ap_frequent > 1.3 * scores.ap
    assert main([write("good", good, owls, names), write("bad", detected(4.0), owls, names)]) == 0
    head, first, _, note = capsys.readouterr().out.splitlines()
    titles = [title for title in head.split("  ") if title]
    assert [title.strip() for title in titles[4:8]] == ["AP", "AP50", "AP (5+)", "AP50 (5+)"]
    for value in (scores.ap, scores.ap50, scores.ap_frequent, scores.ap50_frequent):
        assert f"{value:.3f} [" in first
    assert note.endswith("; (5+): classes with at least 5 test objects")
    assert main([write("alone", good, owls, names), "--metric", "ap50_frequent"]) == 0
    assert "AP50 (5+) vs. first row" in capsys.readouterr().out


def test_the_order_of_the_images_does_not_matter(write: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    predictions = detected(1.0)
    assert main([write("a", predictions), write("b", predictions, dict(reversed(TARGETS.items())))]) == 0
    assert "+0.000 [+0.000, +0.000]" in capsys.readouterr().out


def test_the_tasks_of_a_run_are_pooled_unless_one_is_chosen(
    write: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write("two", detected(1.0), tasks=("pets", "food"))
    assert main([folder]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:4] == ["two", "1", "40", "120"]
    assert main([folder, "--task", "food"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:4] == ["two", "1", "20", "60"]
    with pytest.raises(PolyheadError, match="no predictions for task 'foot'; did you mean 'food'"):
        main([folder, "--task", "foot"])


def test_seeds_share_a_row_and_single_task_models_are_pooled(
    write: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = detected(1.0), detected(4.0)
    a, b, c = write("a", good), write("b", bad), write("c", bad)
    assert main([f"old={c}", f"new={a},{b}", "--json", str(tmp_path / "t.json")]) == 0
    _, _, second, note = capsys.readouterr().out.splitlines()
    value, low, high = paired(TARGETS, [good, bad], [bad], NAMES)
    assert second.split()[:4] == ["new", "2", "20", "60"]
    assert f"{value:+.3f} [{low:+.3f}, {high:+.3f}]" in second
    assert "sd is between seeds" in note
    spread = abs(coco(TARGETS, good, NAMES).ap - coco(TARGETS, bad, NAMES).ap) / 2**0.5
    assert json.loads((tmp_path / "t.json").read_text())["rows"][1]["spread"] == pytest.approx(spread)
    joint = write("joint", good, tasks=("food", "pets"))
    food, pets = write("food", good, tasks=("food",)), write("pets", bad)
    assert main([joint, f"single={food}+{pets}"]) == 0
    assert capsys.readouterr().out.splitlines()[2].split()[:4] == ["single", "1", "40", "120"]
    with pytest.raises(PolyheadError, match="image 'p0' of task 'pets' was tested twice"):
        main([f"{a}+{b}"])
    with pytest.raises(PolyheadError, match=r"two rows are called 'x'\. Write NAME=RUN"):
        main([f"x={a}", f"x={b}"])


def without(image_id: str) -> dict[str, Boxes]:
    return {name: target for name, target in TARGETS.items() if name != image_id}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"targets": without("p0"), "predictions": {}},
            r"1 image\(s\) were tested by only one of them, such as 'p0'\. Compare runs of",
        ),
        (
            {"targets": {**TARGETS, "p19": TARGETS["p19"]._replace(boxes=TARGETS["p0"].boxes)}},
            r"targets of 1 image\(s\) differ, .* 'p19'",
        ),
        ({"targets": {**TARGETS, "p19": TARGETS["p19"]._replace(size=(9, 9))}}, r"targets of 1 image\(s\) differ"),
        (
            {"targets": {**TARGETS, "p0": TARGETS["p0"]._replace(ignore=torch.ones(3).bool())}},
            "such as those of 'p0'",
        ),
        ({"names": ["cat", "cow"]}, r"their classes are \['cat', 'dog'\] and \['cat', 'cow'\]\. Compare runs of"),
    ],
)
def test_runs_with_different_targets_are_refused(
    write: Callable[..., str], changed: dict[str, Any], message: str
) -> None:
    predictions = detected(1.0)
    other = write("b", **({"predictions": predictions} | changed))
    with pytest.raises(PolyheadError, match=f"runs 'a' and 'b' cannot be compared: .*{message}"):
        main([write("a", predictions), other])


def test_predictions_and_target_of_different_classes_are_refused(write: Callable[..., str]) -> None:
    folder = write("a", detected(1.0))
    save_targets(Run(folder).predictions / "test.pets.target.npz", TARGETS, ["a", "b"])
    with pytest.raises(PolyheadError, match=r"is damaged \(its class names or images are not those of its targets\)"):
        main([folder])


def test_missing_files_are_named(write: Callable[..., str], tmp_path: Path) -> None:
    folder = write("a", detected(1.0))
    with pytest.raises(
        PolyheadError,
        match=r"no stored predictions of split 'val'\. Write them with 'polyhead evaluate .*a --split val'",
    ):
        main([folder, "--split", "val"])
    (Run(folder).predictions / "test.pets.target.npz").unlink()
    with pytest.raises(PolyheadError, match=r"file '.*test\.pets\.target\.npz' does not exist"):
        main([folder])
    with pytest.raises(PolyheadError, match="does not exist"):
        main([str(tmp_path / "nowhere")])


def test_a_row_with_the_same_run_twice_is_refused(write: Callable[..., str]) -> None:
    folder = write("a", detected(1.0))
    with pytest.raises(PolyheadError, match=r"row 'ours': run '.*' is given twice and would be counted twice"):
        main([f"ours={folder},{folder}/"])


@pytest.mark.parametrize("argv", [[], ["a", "--met", "ap"]])
def test_wrong_arguments_refer_to_the_help(argv: list[str]) -> None:
    with pytest.raises(PolyheadError, match=r"\(see 'polyhead compare --help'\)"):
        main(argv)


def counted(noise: float) -> dict[str, PixelCounts]:
    """Return predictions for twenty images of three classes; the targets do not depend on the noise."""
    found = {}
    for index in range(20):
        generator = torch.Generator().manual_seed(index)
        true = torch.randint(3, (8, 8), generator=generator).to(torch.uint8)
        other = torch.randint(3, (8, 8), generator=generator).to(torch.uint8)
        predicted = torch.where(torch.rand(8, 8, generator=generator) < noise, other, true)
        found[f"p{index}"] = count_pixels(Mask(predicted), true, 3)
    return found


def classified(noise: float) -> dict[str, Labels]:
    generator = torch.Generator().manual_seed(3)
    right = torch.eye(2)[[int(target.labels[0]) for target in TARGETS.values()]]
    scores = (1 - noise) * right + noise * torch.rand(20, 2, generator=generator)
    return {image_id: Labels(row) for image_id, row in zip(TARGETS, scores, strict=True)}


CLASSES = {image_id: ClassLabel(target.labels[0]) for image_id, target in TARGETS.items()}


@pytest.fixture
def write_other(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes a run with masks, labels or both."""

    def write(name: str, masks: dict[str, PixelCounts] | None = None, labels: dict[str, Labels] | None = None) -> str:
        run = Run.create(tmp_path, name)
        run.config.write_text("seed: 0\n")
        if masks is not None:
            split = split_targets("segmentation", ["background", "a", "b"], masks)  # only their ids are used
            split.kind.save(run.predictions_path("test", "road"), split, masks)
        if labels is not None:
            split = split_targets("classification", NAMES, CLASSES)
            split.kind.save(run.predictions_path("test", "times"), split, labels)
        return str(run.folder)

    return write


def test_masks_are_compared_by_their_iou(write_other: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = counted(0.2), counted(0.6)
    folders = write_other("good", good), write_other("bad", dict(reversed(bad.items())))
    assert main(list(folders)) == 0
    head, first, second, _ = capsys.readouterr().out.splitlines()
    assert "mIoU vs. first row" in head
    assert "objects" not in head
    assert first.split()[:3] == ["good", "1", "20"]
    assert f"{masks([*good.values()], ['background', 'a', 'b']).miou:.3f} [" in first
    value, low, high = paired_masks([[*bad.values()]], [[*good.values()]])
    assert f"{value:+.3f} [{low:+.3f}, {high:+.3f}]  " in second
    assert main([*folders, "--metric", "pixel_accuracy"]) == 0
    value = paired_masks([[*bad.values()]], [[*good.values()]], "pixel_accuracy").value
    assert f"{value:+.3f} [" in capsys.readouterr().out
    with pytest.raises(
        PolyheadError, match="tasks of segmentation have no metric 'ap50'; choose from miou, pixel_accuracy"
    ):
        main([*folders, "--metric", "ap50"])


def test_an_unfinished_run_is_named(write_other: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    finished, stopped = (write_other(name, counted(0.2)) for name in ("finished", "stopped"))
    for folder in (finished, stopped):
        Run(folder).resume.touch()
    Run(finished).update_manifest(finished="2026-01-01")
    assert main([finished, stopped]) == 0
    (line,) = capsys.readouterr().out.splitlines()[4:]
    warning = "is not finished; evaluating its best checkpoint so far. Resume it with 'polyhead train --resume"
    assert line == f"Run {stopped} {warning} {stopped}'."


def test_labels_are_compared_by_accuracy(
    write_other: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = classified(0.1), classified(0.9)
    main([write_other("good", labels=good), write_other("bad", labels=bad), "--json", str(tmp_path / "t.json")])
    _, first, second, _ = capsys.readouterr().out.splitlines()
    scores = [labels(CLASSES, predictions, NAMES).accuracy for predictions in (good, bad)]
    assert scores[0] == 1
    assert "1.000 [1.000, 1.000]" in first
    assert f"{scores[1] - 1:+.3f} [" in second
    assert json.loads((tmp_path / "t.json").read_text())["metric"] == "accuracy"


def test_tasks_of_different_kinds_need_a_choice(
    write: Callable[..., str], write_other: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    both = write_other("both", counted(0.2), classified(0.1))
    with pytest.raises(
        PolyheadError, match=r"pooled: road \(segmentation\), times \(classification\)\. Choose one with --task"
    ):
        main([both])
    assert main([both, "--task", "road"]) == 0
    assert "mIoU" in capsys.readouterr().out
    boxes = write("boxes", detected(1.0))
    with pytest.raises(
        PolyheadError, match=r"one was tested on detection, the other on segmentation\. Choose a task of"
    ):
        main([boxes, write_other("masks", counted(0.2))])


def test_masks_of_another_target_are_refused(write_other: Callable[..., str]) -> None:
    good = counted(0.2)
    changed = {**good, "p3": PixelCounts(good["p3"].counts + 1)}
    with pytest.raises(PolyheadError, match=r"the targets of 1 image\(s\) differ, such as those of 'p3'"):
        main([write_other("a", good), write_other("b", changed)])
    fewer = {name: found for name, found in good.items() if name != "p7"}
    with pytest.raises(PolyheadError, match=r"1 image\(s\) were tested by only one of them, such as 'p7'"):
        main([write_other("c", good), write_other("d", fewer)])


def test_files_between_the_runs_are_skipped(
    write: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A study writes a table next to its runs: ``polyhead compare runs/lr/*``."""
    runs = [write("a", detected(1.0)), write("b", detected(2.0))]
    table = tmp_path / "table.json"
    table.write_text("{}", encoding="utf-8")
    assert main([*runs, str(table)]) == 0
    assert f"skipped files, which are not runs: {table}" in capsys.readouterr().out.splitlines()[0]
    with pytest.raises(
        PolyheadError, match=r"^expected run folders, got only files \(.*table\.json\)\. Use the folder"
    ):
        main([str(table)])
