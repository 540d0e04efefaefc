"""What ``polyhead data get`` unpacks is what the recipes read: archives with the layout of the real ones."""

import hashlib
import io
import json
from pathlib import Path

import pytest
from builders.archives import tar, tar_gz, zipped
from builders.file_server import Server
from PIL import Image

from polyhead import cli
from polyhead.config import recipe
from polyhead.contracts.coco_names import COCO_NAMES
from polyhead.data import catalog
from polyhead.data.catalog import CATALOG
from polyhead.data.loading.overlap import overlapping_splits
from polyhead.data.readers.voc import CLASSES
from polyhead.data.splits.make import SPLITS
from polyhead.paths import RECIPES
from polyhead.workflows.tasks import open_tasks

OBJECT = """<annotation><object><name>cat</name><difficult>0</difficult>
<bndbox><xmin>2</xmin><ymin>2</ymin><xmax>6</xmax><ymax>6</ymax></bndbox></object></annotation>"""


def image(gray: int, form: str, mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (12, 10), (gray, 9, 9) if mode == "RGB" else 1).save(stream, form)
    return stream.getvalue()


def voc(split: str, numbers: range) -> bytes:
    """Return an archive of one split of PASCAL VOC 2007."""
    members = {f"ImageSets/Main/{split}.txt": "".join(f"{number:06d}\n" for number in numbers).encode()}
    for number in numbers:
        members[f"JPEGImages/{number:06d}.jpg"] = image(number, "JPEG")
        members[f"Annotations/{number:06d}.xml"] = OBJECT.encode()
    return tar({f"VOCdevkit/VOC2007/{name}": content for name, content in members.items()})


def penn_fudan() -> bytes:
    """Return an archive with the names of all images."""
    lists = [RECIPES / "penn_fudan" / f"{split}.txt" for split in SPLITS]
    members = {"readme.txt": b"", "added-object-list.txt": b""}
    for number, name in enumerate(name for path in lists for name in path.read_text(encoding="utf-8").split()):
        members[f"PNGImages/{name}.png"] = image(number, "PNG")
        members[f"PedMasks/{name}_mask.png"] = image(number, "PNG", "L")
    return zipped({f"PennFudanPed/{name}": content for name, content in members.items()})


def coco128() -> bytes:
    """Return an archive without class names, in which one image has no label file and one label file no image."""
    members = {"LICENSE": b"", "README.txt": b"", "labels/train2017/000000000656.txt": b"22 0.5 0.5 0.2 0.2\n"}
    for number in range(40):
        members[f"images/train2017/{number:012d}.jpg"] = image(number, "JPEG")
        if number:
            members[f"labels/train2017/{number:012d}.txt"] = f"{number} 0.5 0.5 0.2 0.2\n".encode()
    return zipped({f"coco128/{name}": content for name, content in members.items()})


def md5_of(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    ("name", "recipes", "archives", "counts"),
    [
        ("voc2007", ["yolox_voc", "ssd_voc"], [voc("trainval", range(40)), voc("test", range(40, 50))], [36, 4, 10]),
        ("penn_fudan", ["yolox_nano_penn_fudan", "ssd_penn_fudan"], [penn_fudan()], [100, 20, 50]),
        ("coco128", ["coco128"], [coco128()], [28, 6, 6]),
    ],
    ids=["voc2007", "penn_fudan", "coco128"],
)
def test_what_is_downloaded_is_what_its_recipe_reads(
    name: str,
    recipes: list[str],
    archives: list[bytes],
    counts: list[int],
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry = CATALOG[name]
    files = dict(zip([entry.url, *entry.others], archives, strict=True))
    server.files = {url.rsplit("/", 1)[-1]: content for url, content in files.items()}
    local = {server.url(file): md5_of(content) for file, content in server.files.items()}
    (url, md5), *others = local.items()
    monkeypatch.setitem(catalog.CATALOG, name, entry._replace(url=url, sha256=None, md5=md5, others=dict(others)))
    assert cli.main(["data", "get", name, "--out", str(tmp_path)]) == 0
    monkeypatch.setenv("POLYHEAD_DATA", str(tmp_path))
    for each in recipes:
        (task,) = open_tasks(recipe.sources(recipe.load(each)), (64, 64), 0).values()
        assert [len(task.readers[split]) for split in SPLITS] == counts
        assert task.names == {"penn_fudan": ["person"], "coco128": COCO_NAMES}.get(name, [*CLASSES])


def test_archives_with_one_annotation_file_are_split(
    server: Server, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Download, unpack and split: each archive has one folder with one annotation file for all of its images."""
    pool = data_root / "coco_mini"
    for name in ("appliance", "food"):
        content = (pool / name / "annotations/instances_train2017.json").read_bytes()
        files = {f"train2017/{image['file_name']}" for image in json.loads(content)["images"]}
        archive = CATALOG[name].url.rsplit("/", 1)[-1]
        top = archive.removesuffix(".tar.gz")
        annotations = f"{top}/annotations/instances_train2017.json"
        server.files[archive] = tar_gz(
            {annotations: content, **{f"{top}/{file}": (pool / file).read_bytes() for file in files}}
        )
        monkeypatch.setitem(catalog.CATALOG, name, CATALOG[name]._replace(url=server.url(archive)))
        assert cli.main(["data", "get", name, "--out", str(tmp_path)]) == 0
    monkeypatch.setenv("POLYHEAD_DATA", str(tmp_path))
    tasks = open_tasks(recipe.sources(recipe.load("appliance_food")), (64, 64), 0)
    counts = {name: {part: len(task.readers[part]) for part in SPLITS} for name, task in tasks.items()}
    assert {name: sum(parts.values()) for name, parts in counts.items()} == {"appliance": 90, "food": 113}
    assert all(min(parts.values()) > 5 for parts in counts.values()), counts
    assert not overlapping_splits(tasks)
    assert [len(task.names) for task in tasks.values()] == [5, 10]
