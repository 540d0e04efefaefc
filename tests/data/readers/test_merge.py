"""Merged data sets: shared classes, partial labels, splits, and recipes."""

from pathlib import Path

import pytest
import torch
from builders.class_folders import class_folders
from builders.colored_images import same

from polyhead.config import recipe
from polyhead.data.loading.source import Source
from polyhead.data.readers.folder import Folder
from polyhead.data.readers.merge import Merge
from polyhead.data.synthetic.scenes import Scenes
from polyhead.errors import PolyheadError
from polyhead.workflows.tasks import open_tasks


def both(count: int = 12, **settings: object) -> Merge:
    parts = {"a": Scenes(count, "shapes", size=48, mixed="signs"), "b": Scenes(count, "signs", size=48, mixed="shapes")}
    return Merge(parts, **settings)  # type: ignore[arg-type]


def test_every_image_keeps_its_target_under_merged_names() -> None:
    merged = both()
    assert len(merged) == 24
    indices = [(part, inner) for part in ("a", "b") for inner in range(12)]
    for index, (part, inner) in enumerate(indices):
        own, target, sample = merged.parts[part].target(inner), merged.target(index), merged[index]
        assert merged.entry(index).id == sample.meta.id == f"{part}/{merged.parts[part].entry(inner).id}"
        names = [merged.parts[part].names[label] for label in own.labels]
        assert [merged.names[label] for label in target.labels] == names
        assert torch.equal(target.boxes, own.boxes)
        annotated = [name for name, yes in zip(merged.names, target.annotated, strict=True) if yes]
        assert annotated == merged.parts[part].names
        assert same(sample.target, target)


def test_without_partial_labels_all_classes_count_as_annotated_in_training_only() -> None:
    merged = both(partial=False)
    assert all(merged[index].target.annotated.all() for index in (0, 20))
    assert not any(merged.target(index).annotated.all() for index in (0, 20))


def test_shared_and_renamed_classes_are_one() -> None:
    first, second = Scenes(3, "shapes", size=48), Scenes(3, "signs", size=48)
    one, two = first.names[0], second.names[1]
    merged = Merge({"a": first, "b": second, "c": Scenes(3, "shapes", seed=9, size=48)}, {two: one})
    assert merged.names == [*first.names, *(name for name in second.names if name != two)]
    assert merged.target(3).annotated[0]
    with pytest.raises(PolyheadError, match="merge: classes: no part has a class 'tv'; choose from"):
        Merge({"a": first}, {"tv": "television"})
    with pytest.raises(PolyheadError, match="parts is empty"):
        Merge({})


def test_classes_of_images_are_merged_by_name(tmp_path: Path) -> None:
    root = class_folders(tmp_path)
    merged = Merge({"a": Folder(root, classes=["cat", "dog"]), "b": Folder(root, classes=["dog", "cat"])})
    assert (merged.kind, merged.names, len(merged)) == ("classification", ["cat", "dog"], 16)
    for index in range(16):
        _, name, _ = merged.entry(index).id.split("/")
        assert merged.names[int(merged.target(index).label)] == name
        assert same(merged[index].target, merged.target(index))


def test_parts_of_different_kinds_raise(tmp_path: Path) -> None:
    parts = {"a": Scenes(3, size=48), "b": Folder(class_folders(tmp_path))}
    with pytest.raises(PolyheadError, match=r"merge: expected parts of one kind, got classification, detection\. Give"):
        Merge(parts)


def test_a_merged_reader_is_split_as_its_parts_are() -> None:
    merged = open_tasks({"all": Source(both(20))}, (48, 48), 3)["all"]
    alone = open_tasks({name: Source(part) for name, part in both(20).parts.items()}, (48, 48), 3)
    for split in ("train", "val", "test"):
        assert set(merged.ids(split)) == {
            f"{name}/{image_id}" for name, task in alone.items() for image_id in task.ids(split)
        }


def test_folds_test_every_image_once_for_every_seed() -> None:
    def folds(seed: int) -> list[set[str]]:
        sources = [Source(both(12), split={"folds": 3, "fold": fold}) for fold in range(3)]
        opened = [open_tasks({"all": source}, (48, 48), seed)["all"] for source in sources]
        assert all(len(task.ids("val")) > 0 for task in opened)
        return [set(task.ids("test")) for task in opened]

    tested = folds(0)
    assert sum(map(len, tested)) == 24
    assert len(set.union(*tested)) == 24
    assert folds(1) == tested
    with pytest.raises(PolyheadError, match="split: fold must be an integer from 0 to 2, got 3"):
        open_tasks({"all": Source(both(12), split={"folds": 3, "fold": 3})}, (48, 48), 0)
    with pytest.raises(
        PolyheadError, match=r"data\.all: split: with folds, each fold is tested once, but test has a reader"
    ):
        open_tasks({"all": Source(both(12), test=both(3), split={"folds": 3, "fold": 0})}, (48, 48), 0)


def test_a_recipe_names_the_parts_in_short_form(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    part = "{reader: scenes, count: 4, size: 48, domain: %s}"
    file.write_text(
        "model: ssd300\n"
        f"data: {{all: {{reader: merge, parts: {{a: {part % 'shapes'}, b: {part % 'signs'}}}, partial: false,"
        " split: {folds: 3, fold: 0}}}\n"
        "stages: [{epochs: 1}]\n"
    )
    config = recipe.load(file)
    again = tmp_path / "again.yaml"
    again.write_text(recipe.dump(config))
    assert {**recipe.load(again), "name": "r"} == config
    reader = recipe.sources(config)["all"].reader
    assert isinstance(reader, Merge)
    assert len(reader) == 8
    assert not reader.partial
    file.write_text(file.read_text().replace("reader: scenes", "reader: scene", 1))
    with pytest.raises(PolyheadError, match=r"data\.all\.reader\.parts\.a: unknown data format 'scene'; did you mean"):
        recipe.load(file)
