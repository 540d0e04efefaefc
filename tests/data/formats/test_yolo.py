"""YOLO's layouts as people keep them."""

import json
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders.folder_cases import Box, Case, Expected, Variant, check_case, variants

from polyhead.data.formats.left_out import left_out
from polyhead.data.formats.recognize import recognize
from polyhead.data.readers.yolo import Yolo

Annotated = dict[str, list[Box]]


def line(box: Box, classes: Sequence[str], size: tuple[int, int]) -> str:
    """Return the label line of a box."""
    (name, (x1, y1, x2, y2)), (width, height) = box, size
    numbers = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height
    return " ".join([str(classes.index(name)), *(f"{number:.8f}" for number in numbers)])


def outline(box: Box, classes: Sequence[str], size: tuple[int, int], extra: int = 1) -> str:
    """Return the label line of an outline with this bounding box: its corners, and points on its left side."""
    (name, (x1, y1, x2, y2)), (width, height) = box, size
    points = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)] + [(x1, y2 - (y2 - y1) * n / (extra + 1)) for n in range(extra)]
    return " ".join([str(classes.index(name)), *(f"{x / width:.8f} {y / height:.8f}" for x, y in points)])


Line = Callable[[Box, Sequence[str], tuple[int, int]], str]


def write_split(
    variant: Variant, classes: Sequence[str], images: str, labels: str, form: Line = line, least: int = 0
) -> Annotated:
    """Write images and label files to two folders; return the boxes."""
    annotated: Annotated = {}
    for stem in variant.stems():
        size = variant.image(f"{images}/{stem}{variant.suffix()}")
        annotated[stem] = variant.boxes(size, classes, least=least)
        variant.write(f"{labels}/{stem}.txt", "".join(form(box, classes, size) + "\n" for box in annotated[stem]))
    return annotated


def write_yaml(variant: Variant, classes: Sequence[str], name: str = "data.yaml", **values: object) -> None:
    """Write data.yaml with the names as a list or by number."""
    names = variant.random.choice([list(classes), dict(enumerate(classes))])
    variant.write(name, yaml.safe_dump({**values, "nc": len(classes), "names": names}, allow_unicode=True))


def valid(variant: Variant) -> str:
    return variant.random.choice(["valid", "val"])


def roboflow(variant: Variant, form: Line = line) -> tuple[list[str], dict[str, Annotated]]:
    """Write Roboflow's folders and data.yaml."""
    classes, folder = variant.classes(), valid(variant)
    targets = {
        split: write_split(variant, classes, f"{name}/images", f"{name}/labels", form, least=1)
        for split, name in (("train", "train"), ("val", folder))
    }
    write_yaml(variant, classes, train="../train/images", val=f"../{folder}/images", test="../test/images")
    variant.write("README.dataset.txt", "# helmets > 2024\nhttps://example.com\n")
    variant.write("README.roboflow.txt", "1 2 3 4 5\n")
    return classes, targets


def roboflow_export(variant: Variant) -> Expected:
    """Write data.yaml that names a test split which is not there."""
    return Expected("yolo", *roboflow(variant), notes=["names '../test/images' for test, .* test is split off from tr"])


def parent_of_a_faulty_set(variant: Variant) -> Expected:
    """Write a data set with a faulty data.yaml into a subfolder."""
    write_split(variant, ["a"], "export/train/images", "export/train/labels")
    fault = variant.random.choice(["names: [", "train: ../train/images\n", "names: [a, a]\n", "names: a\n"])
    variant.write("export/data.yaml", fault)
    return Expected(message=r"export/data\.yaml|export: ")


def some_outlines(variant: Variant) -> Expected:
    count = iter(range(1000))

    def form(box: Box, classes: Sequence[str], size: tuple[int, int]) -> str:
        number = next(count)
        return line(box, classes, size) if number % 3 else outline(box, classes, size, variant.random.randint(1, 9))

    return Expected("yolo", *roboflow(variant, form), notes=[r"train: \d+ of \d+ objects are outlines: .*yolo_masks"])


def segmentation(variant: Variant) -> Expected:
    classes, targets = roboflow(variant, outline)
    count = sum(map(len, targets["train"].values()))
    return Expected("yolo", classes, targets, [f"train: {count} of {count} objects are outlines: their bounding boxes"])


def rotated(variant: Variant) -> Expected:
    """Write four corners for each object, as the OBB export does."""
    note = "objects are rotated boxes or outlines of four points: their bounding boxes"
    return Expected("yolo", *roboflow(variant, partial(outline, extra=0)), notes=[note])


def predictions(variant: Variant) -> Expected:
    """Write lines with a confidence, as predictions are saved."""

    def form(*args: object) -> str:
        return f"{line(*args)} 0.75"  # type: ignore[arg-type]

    return Expected("yolo", *roboflow(variant, form), notes=["objects have a sixth number, .*: it is not used"])


def keypoints(variant: Variant) -> Expected:
    """Write four keypoints behind each box: the columns could also be an outline, but data.yaml has their shape."""

    def form(*args: object) -> str:
        return f"{line(*args)} " + " ".join(["0.5 0.5 2"] * 4)  # type: ignore[arg-type]

    classes, targets = roboflow(variant, form)
    write_yaml(variant, classes, train="train/images", kpt_shape=[4, 3])
    return Expected("yolo", classes, {"train": targets["train"]}, ["have keypoints: only their boxes are read"])


def whole_numbers_as_floats(variant: Variant) -> Expected:
    def form(*args: object) -> str:
        number, rest = line(*args).split(" ", 1)  # type: ignore[arg-type]
        return f"{number}.000000 {rest}"

    return Expected("yolo", *roboflow(variant, form))


def no_valid(variant: Variant) -> Expected:
    """Name a validation split that is not there; there may be one of another name."""
    classes, targets = roboflow(variant)
    write_yaml(variant, classes, train="../train/images", val="../validate/images")
    note = "names '../validate/images' for val, which does not exist: "
    if variant.random.random() < 0.5:
        return Expected("yolo", classes, targets, [note + "val(id)?/images is read"])
    for path in variant.folder.iterdir():
        if path.name in ("val", "valid"):
            shutil.rmtree(path)
    return Expected("yolo", classes, {"train": targets["train"]}, [note + "val is split off from train"])


def elsewhere(variant: Variant) -> Expected:
    """Write data.yaml with the paths of another machine, or with the name of its own folder."""
    classes, targets = roboflow(variant)
    start = variant.random.choice(
        ["/content/drive/My Drive/helmets", "C:\\Users\\me\\helmets", f"../{variant.folder.name}", "/home/test/dev/x"]
    )
    folder = next(path.name for path in variant.folder.iterdir() if path.name in ("val", "valid"))
    separator = "\\" if "\\" in start else "/"
    places = {key: separator.join([start, name, "images"]) for key, name in (("train", "train"), ("val", folder))}
    if variant.random.random() < 0.3:
        places = {key: [place] for key, place in places.items()}  # type: ignore[misc]
    write_yaml(variant, classes, variant.random.choice(["data.yaml", "helmets.yaml", "custom.yml"]), **places)
    for other in variant.folder.glob("data.yaml"):
        if "test" in yaml.safe_load(other.read_text("utf-8")):
            other.unlink()
    return Expected(
        "yolo", classes, targets, [rf"written for another place: of this folder, train/images, {folder}/im"]
    )


def path_of_ultralytics(variant: Variant) -> Expected:
    """Write data.yaml with ``path``, and images/train2017."""
    classes, year = variant.classes(), variant.random.choice(["", "2017"])
    sub = variant.random.choice(["", "helmets/"])
    targets = {
        split: write_split(variant, classes, f"{sub}images/{split}{year}", f"{sub}labels/{split}{year}", least=1)
        for split in ("train", "val")
    }
    base = variant.random.choice(["../datasets/helmets", "helmets", "./helmets", "/data/helmets"])
    write_yaml(variant, classes, path=base, train=f"images/train{year}", val=f"images/val{year}", test=None)
    return Expected("yolo", classes, targets)


def lists(variant: Variant) -> Expected:
    """Write lists of images with relative paths or those of another machine."""
    classes, targets = variant.classes(), {}
    start = variant.random.choice(["", "./", "/data/x/", "data/", "C:\\x\\"])
    for split in ("train", "val"):
        targets[split] = write_split(variant, classes, f"images/{split}", f"labels/{split}", least=1)
        paths = sorted((variant.folder / "images" / split).iterdir())
        variant.write(f"{split}.txt", "".join(f"{start}images/{split}/{path.name}\n" for path in paths))
    write_yaml(variant, classes, train=f"{start}train.txt", val=f"{start}val.txt")
    return Expected("yolo", classes, targets)


def labelimg(variant: Variant) -> Expected:
    """Write images and labels to one folder each, and classes.txt among the labels, at the root or beside the images.

    The list beside the images may be an older, shorter one.
    """
    classes = variant.classes(3)
    image_folder, label_folder = variant.letters("images"), variant.letters("labels")
    annotated = write_split(variant, classes, image_folder, label_folder, least=1)
    places = [label_folder, ".", image_folder]
    chosen = variant.random.sample(places, variant.random.randint(1, 2))
    variant.write(f"{chosen[0]}/classes.txt", "\n".join(classes) + variant.random.choice(["", "\n", "\n\n"]))
    if len(chosen) > 1:
        variant.write(f"{chosen[1]}/classes.txt", "\n".join(classes[:2]))
    return Expected("yolo", classes, {"train": annotated})


def beside(variant: Variant) -> Expected:
    """Write images, labels and classes.txt to one folder: the root, images, or a folder for each split."""
    classes = variant.classes()
    folders = variant.random.choice([{"train": "."}, {"train": "images"}, {"train": "train", "val": "valid"}])
    name = variant.random.choice(["classes.txt", "_darknet.labels", "obj.names"])
    targets = {}
    for split, folder in folders.items():
        targets[split] = write_split(variant, classes, folder, folder, least=1)
        variant.write(f"{folder}/{name}", "\n".join(classes))
    variant.write("notes.txt", "labeled on Monday\n")
    return Expected("yolo", classes, targets)


def splits_on_one_side(variant: Variant) -> Expected:
    """Write folders for the splits of the images only, or of the labels only, or in another order."""
    classes, targets = variant.classes(), {}
    images, labels = variant.random.choice(
        [("images/{}", "labels"), ("images", "labels/{}"), ("images/{}", "{}/labels"), ("{}", "labels/{}")]
    )
    for split, folder in (("train", "Train"), ("val", "validation"), ("test", "testing")):
        targets[split] = write_split(variant, classes, images.format(folder), labels.format(folder.lower()), least=1)
        stems = list(targets[split])
        for stem in stems:  # names are unique
            moved = f"{stem}-{split}"
            targets[split][moved] = targets[split].pop(stem)
            for path in [path for path in variant.folder.rglob("*.*") if path.stem == stem]:
                path.rename(path.with_name(moved + path.suffix))
    variant.write("classes.txt", "\n".join(classes))
    return Expected("yolo", classes, targets)


def cvat(variant: Variant) -> Expected:
    """Write CVAT's YOLO 1.1, or what tutorials of darknet write."""
    classes, targets = variant.classes(), {}
    data = variant.random.choice(["", "data/"])
    subsets = {"train": "train", "val": "valid"} if variant.random.random() < 0.5 else {"train": "train"}
    entries = {}
    for split, name in subsets.items():
        folder = f"obj_{name}_data"
        targets[split] = write_split(variant, classes, data + folder, data + folder, least=1)
        paths = sorted(path for path in (variant.folder / data / folder).iterdir() if path.suffix != ".txt")
        variant.write(f"{data}{name}.txt", "".join(f"data/{folder}/{path.name}\n" for path in paths))
        entries[name] = f"data/{name}.txt"
    lines = {"classes": len(classes), **entries, "names": "data/obj.names", "backup": "backup/"}
    variant.write(f"{data}obj.data", "".join(f"{key} = {value}\n" for key, value in lines.items()))
    variant.write(f"{data}obj.names", "\n".join(classes) + "\n")
    return Expected("yolo", classes, targets)


def cvat_ultralytics(variant: Variant) -> Expected:
    """Write CVAT's Ultralytics YOLO: a list in data.yaml whose lines begin with data/."""
    classes = variant.classes()
    annotated = write_split(variant, classes, "images/train", "labels/train", least=1)
    paths = sorted((variant.folder / "images/train").iterdir())
    variant.write("train.txt", "".join(f"data/images/train/{path.name}\n" for path in paths))
    write_yaml(variant, classes, path=".", train="train.txt")
    return Expected("yolo", classes, {"train": annotated})


def label_studio(variant: Variant) -> Expected:
    """Write Label Studio's export."""
    classes = sorted(variant.classes())
    annotated = write_split(variant, classes, "images", "labels", least=1)
    variant.write("classes.txt", "\n".join(classes) + "\n")
    categories = [{"id": number, "name": name} for number, name in enumerate(classes)]
    variant.write("notes.json", json.dumps({"categories": categories, "info": {"contributor": "Label Studio"}}))
    return Expected("yolo", classes, {"train": annotated})


def one_bad_line(variant: Variant) -> Expected:
    """Write one box without area; the image is left out if the user wants that."""
    classes, targets = roboflow(variant)
    stem = variant.random.choice(list(targets["train"]))
    with (variant.folder / f"train/labels/{stem}.txt").open("a", encoding="utf-8") as file:
        file.write(variant.random.choice(["0 0.5 0.5 0 0\n", "0 0.5 0.5 0.1\n", "7 .5 .5 .1 .1\n", "0 1.5 .5 .1 .1\n"]))
    (problem,) = recognize(variant.folder).splits["train"].problems
    assert f"{stem}.txt: line {len(targets['train'].pop(stem)) + 1}" in problem.where
    return Expected("yolo", classes, targets, settings={"on_bad": "skip", "cap": 0.5}, ask="yolo")


def most_without_labels(variant: Variant) -> Expected:
    """Delete most label files."""
    classes, targets = roboflow(variant)
    stems = list(targets["train"])
    for stem in stems[1:]:
        (variant.folder / f"train/labels/{stem}.txt").unlink()
        targets["train"][stem] = []
    note = f"train: {len(stems) - 1} of {len(stems)} images have no label file and count as images without objects"
    return Expected("yolo", classes, targets, [note])


def no_class_file(variant: Variant) -> Expected:
    """Write images and labels only."""
    classes = ["a", "b", "c", "d", "e"]
    places = variant.random.choice([("images", "labels"), (".", "."), ("train/images", "train/labels")])
    annotated = write_split(variant, classes, *places, least=1)
    numbers = sorted({classes.index(name) for boxes in annotated.values() for name, _ in boxes})
    listed = ", ".join(map(str, numbers))
    return Expected(
        message=rf"{len(annotated)} images have a YOLO label file, .*with the classes {listed}, but "
        rf"no file names them\. Add classes\.txt with one class name per line \({numbers[-1] + 1} lines"
    )


def classes_that_differ(variant: Variant) -> Expected:
    write_split(variant, ["a", "b"], "images", "labels", least=1)
    variant.write("classes.txt", "a\nb\n")
    variant.write("labels/classes.txt", "b\na\n")
    return Expected(message=r"labels/classes\.txt: names other classes than .*classes\.txt; delete the one")


def beside_a_faulty_yaml(variant: Variant) -> Expected:
    """Write a sound data set of another format, and a data.yaml that is faulty."""
    classes = variant.classes()
    documents: dict[str, list[Any]] = {"images": [], "annotations": []}
    annotated: Annotated = {}
    for number, stem in enumerate(variant.stems()):
        size = variant.image(f"train/{stem}.jpg")
        annotated[stem] = variant.boxes(size, classes)
        documents["images"].append({"id": number, "file_name": f"{stem}.jpg", "width": size[0], "height": size[1]})
        for name, (x1, y1, x2, y2) in annotated[stem]:
            entry = {"id": len(documents["annotations"]), "image_id": number, "category_id": classes.index(name)}
            documents["annotations"].append(entry | {"bbox": [x1, y1, x2 - x1, y2 - y1]})
    categories = [{"id": number, "name": name} for number, name in enumerate(classes)]
    variant.write("annotations/instances_train.json", json.dumps({**documents, "categories": categories}))
    variant.write("data.yaml", variant.random.choice(["names: [", "path: x\n", "names: [a, a]", "names: 3", "- 1"]))
    return Expected("coco", classes, {"train": annotated}, [r"not used as yolo: .*data\.yaml"])


def visdrone(variant: Variant) -> Expected:
    """Write the labels that ultralytics makes from VisDrone's own annotations, which are kept beside them."""
    classes, targets = variant.classes(), {}
    for split in ("train", "val"):
        folder = f"VisDrone2019-DET-{split}"
        targets[split] = write_split(variant, classes, f"{folder}/images", f"{folder}/labels")
        for stem in targets[split]:
            variant.write(f"{folder}/annotations/{stem}.txt", "35,2,18,12,1,5,0,0\n")
    entries = {split: f"VisDrone2019-DET-{split}/images" for split in targets}
    write_yaml(variant, classes, "VisDrone.yaml", path="VisDrone", **entries)
    return Expected("yolo", classes, targets)


def other_yaml_files(variant: Variant) -> Expected:
    """Write hidden and other YAML files that have ``names``."""
    classes = variant.classes()
    annotated = write_split(variant, classes, "images", "labels", least=1)
    variant.write(".pre-commit-config.yaml", "names: [black, ruff]\n")
    variant.write("project.yaml", "names: my project\n")
    write_yaml(variant, classes, "coco8.yaml")
    return Expected("yolo", classes, {"train": annotated})


def class_folders_with_labels(variant: Variant) -> Expected:
    """Write label files beside the images of class folders; nothing names the classes."""
    for folder in ("cat", "dog"):
        write_split(variant, ["a", "b", "c"], folder, folder, least=1)
    return Expected(message="label files of YOLO are beside the images in folders, .* Add classes.txt with one class")


def class_folders_with_labels_and_names(variant: Variant) -> Expected:
    classes = variant.classes()
    boxes: dict[str, tuple[str, list[Box]]] = {}
    for folder in ("cat", "dog"):
        boxes |= {stem: (folder, found) for stem, found in write_split(variant, classes, folder, folder).items()}
    if len(boxes) < sum(path.suffix == ".txt" for path in variant.folder.rglob("*")):  # the same random names
        return no_class_file(Variant(variant.random.randrange(1000), variant.folder / "images"))
    variant.write("classes.txt", "\n".join(classes))
    return Expected("yolo", classes, {"train": {stem: found for stem, (_, found) in boxes.items()}})


def one_of_the_splits(variant: Variant) -> Expected:
    """Give a setting that tells the splits apart: there is one split then."""
    classes, targets = roboflow(variant)
    split = variant.random.choice(sorted(targets))
    if len(targets) == 1:
        return Expected("yolo", classes, targets, ask="yolo", settings={"split": split})
    note = f"only what split names is read, as train; the folder has {', '.join(targets)}"
    return Expected("yolo", classes, {"train": targets[split]}, [note], ask="yolo", settings={"split": split})


CASES = [
    roboflow_export, parent_of_a_faulty_set, some_outlines, segmentation, rotated, predictions, keypoints,
    whole_numbers_as_floats, no_valid, elsewhere, path_of_ultralytics, lists, labelimg, beside, splits_on_one_side,
    cvat, cvat_ultralytics, label_studio, one_bad_line, most_without_labels, no_class_file, classes_that_differ,
    beside_a_faulty_yaml, visdrone, other_yaml_files, class_folders_with_labels, class_folders_with_labels_and_names,
    one_of_the_splits,
]  # fmt: skip


@variants
@pytest.mark.parametrize("case", CASES)
def test_folders(case: Case, seed: int, tmp_path: Path) -> None:
    check_case(case, seed, tmp_path)


def test_a_link_out_of_the_folder_is_followed_and_named(tmp_path: Path) -> None:
    write_split(Variant(0, tmp_path / "outside"), ["a"], "images", "labels")
    folder = tmp_path / "inside"
    folder.mkdir()
    (folder / "images").symlink_to(tmp_path / "outside" / "images")
    (folder / "data.yaml").write_text("train: images\nnames: [a]\n")
    found = Yolo(folder)
    assert len(found) == len(list((tmp_path / "outside" / "images").iterdir()))
    layout = recognize(folder)
    (note,) = [line for line in left_out(folder, layout) if "symbolic" in line]
    assert note == f"1 symbolic link out of {folder} followed: images -> {tmp_path / 'outside' / 'images'}"
