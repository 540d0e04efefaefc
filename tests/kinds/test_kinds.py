"""What holds for every kind of task, and how stored files and runs name their kinds."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders import broken_kinds
from builders.box_cases import random_case
from builders.error_kind import MeanError, Number, Values
from builders.fitted_images import decoded, image_modality
from builders.subclasses import concrete_subclasses
from builders.toy_parts import Squares, Tints
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from polyhead import kinds
from polyhead.contracts import classes
from polyhead.contracts.kind import Kind, Targets, reduced
from polyhead.contracts.reader import Reader
from polyhead.data.synthetic.scenes import Scenes
from polyhead.errors import PolyheadError
from polyhead.kinds import KINDS, kind_of, kinds_of_run, stored_kind
from polyhead.metrics import store
from polyhead.plotting import draw
from polyhead.run import Run, plain, write_rows
from polyhead.types import Boxes, ClassLabel, Detections, Labels, Mask, Sample

READERS: dict[str, Reader] = {
    "detection": Squares(30),
    "segmentation": Scenes(30, size=32, target="masks"),
    "classification": Tints(30),
}
NUMBERS = {f"n{index}": Number(torch.tensor(float(index % 7))) for index in range(30)}
ALL = [*KINDS, "builders.error_kind.MeanError"]


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classes, "ALLOWED", ["polyhead", "builders"])


def targets_of(name: str) -> Targets:
    """Return the targets of 30 samples."""
    if name in READERS:
        return Targets.of(kind_of(name), READERS[name])
    return Targets(kind_of(name), ["age"], [*NUMBERS], [*NUMBERS.values()].__getitem__)


def predicted(target: Any, names: list[str], generator: torch.Generator | None = None) -> Any:
    """Return the prediction that is equal to a target; with a generator, a third of the predictions are wrong."""
    wrong = generator is not None and float(torch.rand((), generator=generator)) < 1 / 3
    match target:
        case Boxes():
            boxes = target.boxes + 20 * wrong
            return Detections(boxes, torch.rand(len(boxes), generator=generator), target.labels)
        case Mask():
            known = target.classes.where(target.classes < 255, 0)
            return Mask((known + 1) % len(names) if wrong else known)
        case ClassLabel():
            return Labels(torch.eye(len(names))[(int(target.label) + wrong) % len(names)])
        case _:
            return Values(target.value[None] + 3.5 * wrong)


def predictions_of(targets: Targets, seed: int | None = 0) -> dict[str, Any]:
    """Return reduced predictions; those without a seed are perfect."""
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    found = {each: predicted(targets[each], targets.names, generator) for each in targets.ids}
    return {each: reduced(targets, each, prediction) for each, prediction in found.items()}


def equal(one: Any, other: Any) -> bool:
    """Return whether two targets have the same values of the same types."""
    pairs = list(zip(one, other, strict=True))
    return type(one) is type(other) and all(
        mine.dtype == theirs.dtype and torch.equal(mine, theirs) if isinstance(mine, torch.Tensor) else mine == theirs
        for mine, theirs in pairs
    )


@pytest.mark.parametrize("name", ALL)
def test_a_kind_is_found_by_its_name(name: str) -> None:
    kind = kind_of(name)
    assert kind.name == name
    assert kind.main == kind.scores[0]
    assert kind.main.name in {score.name for score in kind.measures}, "a baseline is compared by the main score"
    assert all(each.title for each in (*kind.scores, *kind.measures))


def test_every_kind_of_the_package_has_a_short_name() -> None:
    found = concrete_subclasses(Kind, kinds)  # type: ignore[type-abstract]  # its subclasses are listed
    assert found == sorted((type(kind_of(name)) for name in KINDS), key=lambda kind: kind.__name__)


def test_kinds_of_other_packages_must_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classes, "ALLOWED", ["polyhead"])
    with pytest.raises(PolyheadError, match=r"kind 'builders.*package 'builders' is not allowed"):
        kind_of("builders.error_kind.MeanError")
    with pytest.raises(PolyheadError, match="there is no kind 'detecton'; did you mean 'detection'"):
        kind_of("detecton")
    with pytest.raises(PolyheadError, match="expected a class derived from Kind"):
        kind_of("polyhead.types.Boxes")


@pytest.mark.parametrize("name", ALL)
def test_targets_are_stored_and_loaded_without_loss(name: str, tmp_path: Path) -> None:
    targets = targets_of(name)
    for number, sample_id in enumerate(targets.ids):
        entry = targets.kind.save_target(targets[sample_id], tmp_path, f"{number:03d}")
        assert {path.name for path in tmp_path.glob(f"{number:03d}.*")} == {*entry.get("files", ())}
        again = targets.kind.load_target(json.loads(json.dumps(entry)), tmp_path)
        assert equal(again, targets[sample_id])


def test_random_boxes_are_stored_and_loaded_without_loss(tmp_path: Path) -> None:
    """Also where an image has no object, and where some classes are not annotated or ignored."""
    kind = kind_of("detection")
    for seed in range(3):
        for target in random_case(seed).targets.values():
            partial = target._replace(annotated=torch.tensor([True, False, True, False]))
            assert equal(
                kind.load_target(json.loads(json.dumps(kind.save_target(partial, tmp_path, "a"))), tmp_path), partial
            )


@pytest.mark.parametrize("name", ALL)
def test_the_example_is_a_target_and_can_be_collated(name: str) -> None:
    targets = targets_of(name)
    example = targets.kind.example(targets.names, (32, 32))
    assert isinstance(example, targets.kind.target)
    several = [example, targets[targets.ids[0]], targets[targets.ids[1]]]
    batch = targets.kind.collate(several)
    assert {column.shape[0] for column in batch} == {3}
    shared = {*batch._fields} & {*example._fields} if hasattr(batch, "_fields") else set()
    assert all(getattr(batch, field).dtype == getattr(example, field).dtype for field in shared)


@pytest.mark.parametrize("name", ALL)
def test_stored_predictions_have_the_scores_of_the_report(name: str, tmp_path: Path) -> None:
    targets, path = targets_of(name), tmp_path / "deep" / "test.a.npz"
    found = predictions_of(targets)
    kind, report = targets.kind, targets.kind.report(targets, found, targets)
    kind.save(path, targets, found)
    assert stored_kind(path).name == store.kind_name(path) == name
    tested = stored_kind(path).load(path, "a")
    assert (tested.kind.name, tested.task, tested.names, tested.ids) == (name, "a", targets.names, targets.ids)
    whole = np.ones((1, 30), dtype=np.int64)
    main = kind.main
    assert kind.score(targets, found)[main.name] == pytest.approx(report["score"])
    assert tested.bootstrap(tested)(main.name, whole)[0] == pytest.approx(report["score"])
    assert {score.name for score in kind.scores} == {*kind.score(targets, found)}
    for measure in kind.measures:
        assert not np.isnan(tested.bootstrap(tested)(measure.name, whole)).any()
    assert tested.counts().images == 30
    assert tested.differences(tested) == []


@pytest.mark.parametrize("name", ALL)
def test_resamples_are_in_the_order_of_the_reference(name: str, tmp_path: Path) -> None:
    """A run may have been tested on the same samples in another order."""
    targets, backwards = targets_of(name), targets_of(name)
    backwards.ids.reverse()
    found = predictions_of(targets)
    targets.kind.save(tmp_path / "a.npz", targets, found)
    read = backwards.read
    backwards.read = lambda index: read(29 - index)
    targets.kind.save(tmp_path / "b.npz", backwards, {each: found[each] for each in backwards.ids})
    one, other = (targets.kind.load(tmp_path / f"{file}.npz", "t") for file in "ab")
    assert other.ids == one.ids[::-1]
    weights = np.arange(30)[None] % 4
    main = targets.kind.main.name
    expected = one.bootstrap(one)(main, weights)
    np.testing.assert_allclose(other.bootstrap(one)(main, weights), expected)
    assert abs(other.bootstrap(other)(main, weights) - expected).max() > 1e-6
    assert one.differences(other) == []


@pytest.mark.parametrize("name", ALL)
def test_a_report_is_complete_and_can_be_written(name: str) -> None:
    targets = targets_of(name)
    report = targets.kind.report(targets, predictions_of(targets), targets, "somewhere")
    assert {"metric", "score", "interval", "level", "protocol", "classes", "dummy_baseline"} <= report.keys()
    assert report["metric"] == targets.kind.main.title
    assert report["interval"][0] <= report["score"] <= report["interval"][1]
    assert report["interval"][0] < report["interval"][1]
    assert report["dummy_baseline"]["score"] == pytest.approx(targets.kind.dummy(targets, targets))
    assert ("somewhere" in report["dummy_baseline"]["name"]) == targets.kind.uses_frequencies
    assert {*targets.kind.extras} <= report.keys()
    assert all(targets.kind.counted in each for each in report["classes"].values())
    json.dumps(plain(report), allow_nan=False)
    assert all(isinstance(sentence, str) for sentence in targets.kind.facts(report))


@pytest.mark.parametrize("name", ALL)
def test_predictions_equal_to_the_targets_have_the_best_score(name: str) -> None:
    targets = targets_of(name)
    kind = targets.kind
    assert kind.score(targets, predictions_of(targets, None))[kind.main.name] == pytest.approx(kind.main.best)
    wrong = kind.score(targets, predictions_of(targets))[kind.main.name]
    skill = kind.main.skill(wrong, kind.dummy(targets, targets))
    assert 0 < skill < 1


@pytest.mark.parametrize("name", ALL)
def test_an_interrupted_file_and_files_of_other_kinds_are_refused(name: str, tmp_path: Path) -> None:
    targets, path = targets_of(name), tmp_path / "a.npz"
    targets.kind.save(path, targets, predictions_of(targets))
    for other in ALL:
        if other != name:
            with pytest.raises(
                PolyheadError, match=r"a\.npz' is damaged .*Write it again with 'polyhead evaluate RUN'"
            ):
                kind_of(other).load(path, "a")
    with path.open("r+b") as file:
        file.truncate(100)
    for load in (stored_kind, lambda path: targets.kind.load(path, "a")):
        with pytest.raises(PolyheadError, match="is damaged"):
            load(path)
        with pytest.raises(PolyheadError, match="does not exist"):
            load(tmp_path / "none.npz")


@pytest.mark.parametrize("name", KINDS)
def test_files_of_older_runs_are_recognized_without_the_column_kind(name: str, tmp_path: Path) -> None:
    targets, path = targets_of(name), tmp_path / "a.npz"
    targets.kind.save(path, targets, predictions_of(targets))
    with np.load(path) as archive:
        columns: Mapping[str, Any] = {column: archive[column] for column in archive.files if column != "kind"}
    assert len(columns) == len(store.columns(path)) - 1
    before = targets.kind.load(path, "a")
    np.savez(path, **columns)
    assert store.kind_name(path) is None
    assert stored_kind(path).name == name
    assert stored_kind(path).load(path, "a").counts() == before.counts()


def test_a_file_without_known_columns_has_no_kind(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", names=np.array(["a"]), ids=np.array(["x"]))
    with pytest.raises(PolyheadError, match=r"a\.npz' is damaged \(it has no predictions of a known kind\)"):
        stored_kind(tmp_path / "a.npz")


def test_a_run_names_the_kinds_of_its_tasks(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    assert kinds_of_run(run) == {}
    rows: list[dict[str, Any]] = [
        {"stage": 0, "val/food/box": 1.0, "val/food/ap50": "", "val/food/ap": 0.1, "lr": 0.1},
        {"stage": 1, "train/times/class": 0.3, "val/times/accuracy": 0.2, "val/seg/pixel_accuracy": 0.5},
        {"stage": 1, "val/seg/miou": 0.5, "val/new/class": 2.0},
    ]
    write_rows(run.results_csv, rows)
    older = {task: kind.name for task, kind in kinds_of_run(run).items()}
    assert older == {"food": "detection", "times": "classification", "seg": "segmentation"}
    run.update_manifest(kinds={"food": "classification", "age": "builders.error_kind.MeanError"})
    stored = kinds_of_run(run)
    assert {task: kind.name for task, kind in stored.items()} == run.read_manifest()["kinds"]
    assert isinstance(stored["age"], MeanError)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([*KINDS]), st.integers(0, 29), st.sampled_from(["stretch", "letterbox"]), st.integers(0, 1000))
def test_restore_inverts_the_transforms_of_evaluation(name: str, index: int, fit: str, seed: int) -> None:
    """The target on the canvas, taken for a prediction, comes back as the target of the original sample."""
    sample, names = decoded(READERS[name], index), READERS[name].names
    kind, modality = kind_of(name), image_modality((64 + seed % 40, 64 + seed % 17))
    modality.restore(modality.state() | {"fit": fit})
    on_canvas = modality.eval(sample)
    assert on_canvas.input.shape[1:] == modality.size
    check_restored(kind, on_canvas, sample, names)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([*KINDS]), st.integers(0, 29), st.integers(0, 1000))
def test_restore_inverts_flips(name: str, index: int, seed: int) -> None:
    sample, names = decoded(READERS[name], index), READERS[name].names
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        trained = image_modality((80, 96)).train(sample)
    check_restored(kind_of(name), trained, sample, names)


def check_restored(kind: Kind, moved: Sample, original: Sample, names: list[str]) -> None:
    """Check that the transformed target, restored, is the original target."""
    restored = kind.restore(predicted(moved.target, names), moved.meta)
    expected = predicted(original.target, names)
    if isinstance(expected, Detections):
        assert (restored.boxes - expected.boxes).abs().max() < 1e-3
        assert torch.equal(restored.labels, expected.labels)
    elif isinstance(expected, Mask):
        assert torch.equal(restored.classes, expected.classes)
    else:
        assert torch.equal(restored.scores, expected.scores)


@pytest.mark.parametrize("name", ALL)
def test_targets_and_predictions_can_be_drawn_and_described(name: str) -> None:
    targets = targets_of(name)
    kind, image = targets.kind, Image.new("RGB", (32, 32), (120, 120, 120))
    for sample_id in targets.ids[:3]:
        prediction = predicted(targets[sample_id], targets.names)
        assert kind.describe(prediction, targets.names)
        columns = kind.columns(prediction)
        assert len(columns.scores) == len(columns.classes)
        for marks in (
            kind.marks(prediction, targets.names, "task", 3),
            kind.target_marks(targets[sample_id], targets.names),
        ):
            assert np.array(draw.draw(image, [marks])).shape[1] == 32
        assert kind.marks(prediction, targets.names, "task").title == "task"


@pytest.mark.parametrize("name", ALL)
def test_a_perfect_prediction_has_no_mistakes(name: str) -> None:
    targets = targets_of(name)
    for sample_id in targets.ids:
        perfect = predicted(targets[sample_id], targets.names)
        assert targets.kind.mistakes(targets[sample_id], perfect, targets.names, 0.0) == []


@pytest.mark.parametrize("name", ALL)
def test_mistakes_are_in_words_and_of_what_is_predicted(name: str) -> None:
    targets, generator = targets_of(name), torch.Generator().manual_seed(0)
    kind, names = targets.kind, targets.names
    assert kind.finds_mistakes
    found = 0
    for sample_id in targets.ids:
        prediction = predicted(targets[sample_id], names, generator)
        numbers = {item.number for item in kind.items(prediction, names)}
        for mistake in kind.mistakes(targets[sample_id], prediction, names, 0.25):
            found += 1
            assert 0 <= mistake.severity <= 1
            assert mistake.type
            assert mistake.type == mistake.type.lower()
            assert len(mistake.caption.splitlines()) == 1
            assert mistake.number is None or mistake.number in numbers
    assert found > 5


@pytest.mark.parametrize("name", KINDS)
def test_what_is_visible_has_the_order_and_the_numbers_of_what_is_restored(name: str) -> None:
    """Also where some boxes are beside the image, on the border of the canvas."""
    kind, modality = kind_of(name), image_modality((64, 96))
    modality.restore(modality.state() | {"fit": "letterbox"})
    sample, names = decoded(READERS[name], 0), READERS[name].names
    on_canvas = modality.eval(sample)
    prediction = predicted(on_canvas.target, names)
    if isinstance(prediction, Detections):
        beside = torch.tensor([[0.0, 0.0, 5.0, 5.0], [90.0, 20.0, 96.0, 60.0]])
        boxes = torch.cat([beside[:1], prediction.boxes, beside[1:]])
        count = len(boxes)
        prediction = Detections(boxes, torch.linspace(0.9, 0.1, count), torch.zeros(count, dtype=torch.int64))
    visible = kind.visible(prediction, on_canvas.meta)
    restored = kind.restore(prediction, on_canvas.meta)
    assert equal(kind.restore(visible, on_canvas.meta), restored)
    assert len(kind.items(visible, names)) == len(kind.items(restored, names))
    if isinstance(prediction, Detections):
        assert len(visible.boxes) == len(prediction.boxes) - 2
        assert torch.equal(visible.scores, restored.scores)


@pytest.mark.parametrize("name", ALL)
def test_every_sample_has_its_classes_and_may_have_content(name: str) -> None:
    targets = targets_of(name)
    assert len(targets.kind.shown(targets)) == len(targets.kind.has_content(targets)) == len(targets) == 30
    assert targets.kind.can_be_scored(targets)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (broken_kinds.Rounded, test_targets_are_stored_and_loaded_without_loss),
        (broken_kinds.UnnamedFile, test_targets_are_stored_and_loaded_without_loss),
        (broken_kinds.OneScore, test_stored_predictions_have_the_scores_of_the_report),
        (broken_kinds.OtherMeasure, test_stored_predictions_have_the_scores_of_the_report),
        (broken_kinds.NotMeasured, test_stored_predictions_have_the_scores_of_the_report),
        (broken_kinds.OwnOrder, test_resamples_are_in_the_order_of_the_reference),
    ],
)
def test_a_broken_kind_is_found_by_what_it_stores(
    broken: type[Kind], check: Callable[[str, Path], None], tmp_path: Path
) -> None:
    with pytest.raises(AssertionError):
        check(broken().name, tmp_path)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (broken_kinds.AlwaysWrong, test_a_perfect_prediction_has_no_mistakes),
        (broken_kinds.Unlimited, test_mistakes_are_in_words_and_of_what_is_predicted),
        (broken_kinds.NothingToExplain, test_mistakes_are_in_words_and_of_what_is_predicted),
        (broken_kinds.OtherExample, test_the_example_is_a_target_and_can_be_collated),
        (broken_kinds.NoInterval, test_a_report_is_complete_and_can_be_written),
        (broken_kinds.OtherBest, test_predictions_equal_to_the_targets_have_the_best_score),
        (broken_kinds.NoDummy, test_predictions_equal_to_the_targets_have_the_best_score),
        (broken_kinds.Untitled, test_targets_and_predictions_can_be_drawn_and_described),
        (broken_kinds.MoreScores, test_targets_and_predictions_can_be_drawn_and_described),
        (broken_kinds.ShowsLess, test_every_sample_has_its_classes_and_may_have_content),
    ],
)
def test_a_broken_kind_is_found(broken: type[Kind], check: Callable[[str], None]) -> None:
    with pytest.raises(AssertionError):
        check(broken().name)


def test_a_kind_that_reads_the_files_of_others_is_found(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        test_an_interrupted_file_and_files_of_other_kinds_are_refused(broken_kinds.ReadsEverything().name, tmp_path)
