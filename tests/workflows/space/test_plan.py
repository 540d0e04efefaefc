"""A plan has every file of a Space with its license, and says what it leaves out."""

import json
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from builders import fake_hub
from builders.shown_run import CLOSED, OPEN, shown_run
from huggingface_hub import SpaceCard

import polyhead
from polyhead.errors import PolyheadError
from polyhead.workflows.space import card
from polyhead.workflows.space.files import grouped
from polyhead.workflows.space.plan import Plan, plan


def paths(planned: Plan) -> list[str]:
    """The files of a plan without Polyhead's source."""
    return [file.path for file in planned.files if not file.path.startswith("polyhead/")]


def content(planned: Plan, path: str) -> bytes:
    return next(file.read() for file in planned.files if file.path == path)


def front_matter(readme: bytes | str) -> dict[str, Any]:
    """Return the settings of a Space, as huggingface_hub reads them."""
    card_data: Any = SpaceCard(readme if isinstance(readme, str) else readme.decode()).data
    settings: dict[str, Any] = card_data.to_dict()
    return settings


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shown_run(tmp_path_factory.mktemp("runs") / "two", food=CLOSED)


@pytest.fixture(scope="module")
def planned(run: Path) -> Plan:
    return plan(run)


def test_the_files_of_a_run(planned: Plan) -> None:
    assert paths(planned) == [
        "README.md",
        "app.py",
        "requirements.txt",
        "runs/two/weights/best.pt",
        "runs/two/manifest.json",
        "runs/two/results.json",
        "runs/two/results.csv",
        "runs/two/verdict.txt",
        "runs/two/plots/results.png",
        "runs/two/samples/street_0.jpg",
        "runs/two/mistakes/mistakes.json",
        "runs/two/mistakes/street.missed.1.jpg",
        "LICENSE.md",
        "space.json",
    ]


def test_nothing_private_is_in_any_file(planned: Plan) -> None:
    for file in planned.files:
        if not file.path.startswith("polyhead/"):
            private = [word for word in (b"/home/", b"anns-laptop", b"secret", b"image-of-bob") if word in file.read()]
            assert private == [], file.path


def test_images_of_data_without_an_open_license_are_included_only_when_asked_for(run: Path, planned: Plan) -> None:
    reason = "the license of its data (no open license, for research only) does not clearly allow passing images on"
    assert planned.left_out == [
        f"samples and mistakes of food: {reason}; if you may, add them with --with-samples",
    ]
    assert [each["task"] for each in json.loads(content(planned, "runs/two/mistakes/mistakes.json"))["mistakes"]] == [
        "street"
    ]
    asked = plan(run, samples=True)
    assert asked.left_out == []
    added = {*paths(asked)} - {*paths(planned)}
    assert added == {"runs/two/samples/food_0.jpg", "runs/two/mistakes/food.missed.1.jpg"}
    assert {file.license for file in asked.files if file.path in added} == {CLOSED}


def test_each_file_has_its_license(planned: Plan) -> None:
    stated = {file.path: file.license for file in planned.files}
    assert stated["runs/two/weights/best.pt"] == (
        f"data: {OPEN}; {CLOSED}; pretrained weights: an earlier run: unknown"
    )
    assert stated["runs/two/samples/street_0.jpg"] == OPEN
    assert stated["polyhead/LICENSE"] == "Apache-2.0"
    table = content(planned, "LICENSE.md").decode()
    assert f"| `runs/two/samples/` | {OPEN} |" in table
    assert "| `polyhead/` | Apache-2.0 |" in table


def test_links_and_files_that_lead_out_of_the_run_are_left_out(tmp_path: Path) -> None:
    run = shown_run(tmp_path / "two")
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"secret")
    (run / "samples" / "street_1.jpg").symlink_to(secret)
    table = run / "mistakes" / "mistakes.json"
    table.write_text(table.read_text().replace("food.missed.1.jpg", "../../secret.jpg"))
    assert b"secret" not in {file.read() for file in plan(run).files}


def test_a_file_that_names_a_path_is_left_out(tmp_path: Path) -> None:
    run = shown_run(tmp_path / "two")
    (run / "verdict.txt").write_text("see /home/ann/x")
    planned = plan(run)
    assert "runs/two/verdict.txt" not in paths(planned)
    assert planned.left_out == ["verdict.txt: it names '/home/ann', which may be private"]


def test_the_source_is_complete_and_has_no_caches(planned: Plan) -> None:
    found = {file.path for file in planned.files if file.path.startswith("polyhead/")}
    assert {"polyhead/__init__.py", "polyhead/recipes/demo.yaml", "polyhead/LICENSE", "polyhead/py.typed"} <= found
    assert not [path for path in found if "__pycache__" in path]
    assert len(found) == next(count for name, count, *_ in grouped(planned.files) if name == "polyhead/")


def test_the_front_matter_is_what_the_hub_expects(planned: Plan) -> None:
    text = content(planned, "README.md").decode()
    assert fake_hub.faults({"content": text, "repoType": "space"}) == []
    matter = front_matter(text)
    assert matter["title"] == "two"
    assert matter["sdk_version"] == card.requirements().splitlines()[0].removeprefix("gradio==")
    assert matter["license"] == "other"
    assert matter["short_description"] == "A network with 2 heads: street, food"
    assert "models" not in matter
    assert "AP50 0.500 on 4 test images" in text


def test_title_and_links(run: Path) -> None:
    links = {"model": "https://huggingface.co/ann/fruit", "code": "https://example.org/x"}
    assert "links={'paper': 'https://example.org/paper'}" in content(plan(run), "app.py").decode()
    planned = plan(run, title="Two: heads", links=links)
    matter = front_matter(content(planned, "README.md"))
    assert (matter["title"], matter["models"]) == ("Two: heads", ["ann/fruit"])
    assert f"links={links!r}" in content(planned, "app.py").decode()
    with pytest.raises(
        PolyheadError, match=r"links\.bad: expected an address such as https://example\.org/code, got 'java"
    ):
        plan(run, links={"bad": "javascript:alert(1)"})


@pytest.mark.usefixtures("weights_root")
def test_official_weights() -> None:
    planned = plan("yolox_nano")
    assert paths(planned)[3:-2] == ["weights/yolox_nano_coco.safetensors"]
    assert "build('yolox_nano'" in content(planned, "app.py").decode()
    assert front_matter(content(planned, "README.md"))["license"] == "apache-2.0"


def test_the_requirements_are_pinned_and_those_of_polyhead() -> None:
    lines = card.requirements().splitlines()
    assert all("==" in line and "+" not in line for line in lines)
    known = (Path(polyhead.__file__).parent.parent / "pyproject.toml").read_text()
    assert [name for name in card.SERVING if f'"{name}' not in known] == []
    assert not [line for line in lines if line.startswith(("lightning", "torchmetrics"))]


def test_without_gradio_the_error_names_the_extra(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(card, "version", missing)
    with pytest.raises(PolyheadError, match=r"gradio is not installed. Install it with: pip install 'polyhead\[app\]'"):
        plan(run)


def test_a_long_description_is_cut() -> None:
    text = card.readme("x", "other", {f"head{n}": ["a"] for n in range(20)}, ["detection"], {}, {})
    assert fake_hub.faults({"content": text, "repoType": "space"}) == []
    assert len(front_matter(text)["short_description"]) <= card.MAX_DESCRIPTION
