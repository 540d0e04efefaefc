"""A model card has what the run states, says what it does not state, and huggingface_hub reads it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders.shown_run import CLOSED, OPEN, score, shown_run
from huggingface_hub import ModelCard, ModelCardData

from polyhead import checkpoint
from polyhead.run import Run, write_json
from polyhead.workflows.card.model import model_card_text, write_model_card
from polyhead.workflows.card.model_facts import model_facts

DATA_CARD = """# Data card: street

## Biases

- car has 90% of the objects

> **Question:** Which places are missing?

## Limitations

- left out: /home/ann/bad.jpg: cut
- val has only 4 samples

## Maintenance

- by ann
"""
NUMBERS = {
    "street": score(
        "street",
        interval=[0.4, 0.6],
        level=0.9,
        intervals={"ap50": [0.5, 0.4, 0.6], "ap": [0.3, 0.2, 0.4]},
        dummy_baseline={"name": "mean box", "score": 0.01},
    ),
    "food": score("food", interval=[None, None]),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shown_run(tmp_path_factory.mktemp("model_card") / "two", food=CLOSED)
    (folder / "results.json").write_text(json.dumps({"test": {"tasks": NUMBERS}}))
    (folder / "data_card.md").write_text(DATA_CARD)
    manifest = Run(folder).read_manifest()
    del manifest["extends"]  # the license of an earlier run is not known
    write_json(folder / "manifest.json", manifest)
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Run:
    return Run(shutil.copytree(made, tmp_path / "two"))


def card_of(run: Run) -> tuple[str, Any]:
    """Return the text of the card of a run, and its front matter as huggingface_hub reads it."""
    text = write_model_card(run).read_text(encoding="utf-8")
    return text, ModelCard(text).data


def test_the_scores_are_read_by_the_hub_with_their_intervals(run: Run) -> None:
    text, data = card_of(run)
    results = {(each.dataset_name, each.metric_type): each for each in data.eval_results}
    assert {*results} == {("street", "ap50"), ("street", "ap"), ("food", "ap50")}
    main = results["street", "ap50"]
    assert (main.metric_value, main.task_type, main.dataset_split) == (0.5, "object-detection", "test")
    assert main.metric_name == "AP50 (90% interval 0.400 to 0.600, n = 4)"
    assert main.metric_args == {
        "split": "test",
        "n": 4,
        "seed": 0,
        "protocol": "of street",
        "dummy_baseline": 0.01,
        "interval": [0.4, 0.6],
        "level": 0.9,
    }
    assert "interval" not in results["food", "ap50"].metric_args
    assert "| street | test | 4 | AP50 | 0.500 | 0.400 to 0.600 (90%) | 0.010 (mean box) |" in text


def test_the_front_matter_is_the_same_after_a_round_trip(run: Run) -> None:
    text, data = card_of(run)
    assert data.pipeline_tag == "object-detection"
    assert data.library_name == "polyhead"
    assert data.datasets == ["street", "food"]
    assert (data.license, data.license_name) == ("other", "see-the-model-card")
    front = yaml.safe_load(text.split("---\n")[1])
    assert data.to_dict() == front
    again = ModelCard.from_template(ModelCardData(**front), template_str="---\n{{ card_data }}\n---\n")
    assert again.data.to_dict() == front


def test_a_card_says_what_is_not_stated(run: Run) -> None:
    text, _ = card_of(run)
    missing = text.partition("## Not stated")[2]
    assert "the interval of the score of food" in missing
    assert "the dummy baseline of food" in missing
    assert "what the data of food does not show" in missing
    assert "street" not in missing
    run.results_json.unlink()
    run.update_manifest(data={})
    text, data = card_of(run)
    assert "Not measured." in text
    assert "the license of the data of street, food" in text
    assert data.license == "unknown"
    assert data.eval_results is None


def test_a_card_has_the_limits_of_its_data_without_private_paths(run: Run) -> None:
    text, _ = card_of(run)
    assert "car has 90% of the objects" in text
    assert "val has only 4 samples" in text
    assert "1 sentence of the data card with paths left out" in text
    for absent in ("ann", "Question", "secret", "image-of-bob", "anns-laptop"):
        assert absent not in text


def test_pretrained_weights_are_named(run: Run) -> None:
    weights = checkpoint.load(run.best)
    model = {**weights.model, "init_args": {**weights.model["init_args"], "weights": "hub", "backbone": "resnet18"}}
    checkpoint.save(run.best, weights._replace(model=model))
    text, data = card_of(run)
    assert data.base_model == ["timm/resnet18.a1_in1k"]
    assert "Pretrained weights: timm's resnet18 (apache-2.0)." in text


def test_settings_are_those_of_the_recipe(run: Run) -> None:
    run.config.write_text(
        "seed: 0\nstages:\n- {tasks: null, epochs: 7, lr: 0.002}\n- {tasks: [food], epochs: 2, lr: 0.1}\n"
    )
    text, _ = card_of(run)
    assert "| 1 | all | 7 | 0.002 |" in text
    assert "| 2 | food | 2 | 0.1 |" in text


def test_val_scores_are_not_taken_for_those_of_test(run: Run) -> None:
    run.results_json.write_text(json.dumps({"val": {"tasks": NUMBERS}}))
    text, data = card_of(run)
    assert {each.dataset_split for each in data.eval_results} == {"val"}
    assert "a score of street on test data; val was used to select the epoch" in text


def test_an_edited_card_stays_and_another_is_written_again(run: Run) -> None:
    before, _ = card_of(run)
    run.update_results(test={"tasks": {"street": {**NUMBERS["street"], "score": 0.75}}})
    after, _ = card_of(run)
    assert before != after
    assert "0.750" in after
    path = run.folder / "model_card.md"
    path.write_text(after.replace("# two", "# My model"))
    assert "# My model" in write_model_card(run).read_text()


def test_an_open_license_of_all_data_is_that_of_the_weights(run: Run) -> None:
    run.update_manifest(data={task: {"license": OPEN} for task in ("street", "food")})
    text = model_card_text(model_facts(run))
    assert ModelCard(text).data.get("license") == "cc-by-4.0"
    assert "Not all of these licenses" not in text
