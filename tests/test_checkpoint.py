"""Weights files: what is saved is loaded again, and other files are refused with a clear message."""

import pickle
import random
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from polyhead import checkpoint
from polyhead.checkpoint import Checkpoint
from polyhead.errors import PolyheadError

REMEDY = "Use weights/best.pt of a run of 'polyhead train'."


def example() -> Checkpoint:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    return Checkpoint(
        state=model.state_dict(),
        model={"class_path": "polyhead.models.ssd300", "init_args": {"weights": None, "size": 300}},
        tasks={
            "a": {
                "names": ["cat", "dog"],
                "categories": [17, "d"],
                "kind": "detection",
                "modality": {"name": "image", "state": {"size": [300, 300], "fit": "stretch"}},
            }
        },
        stage=1,
        epoch=7,
        score=0.5,
        seed=3,
    )


@pytest.fixture
def best(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "x" / "weights"
    folder.mkdir(parents=True)
    checkpoint.save(folder / "best.pt", example())
    return folder / "best.pt"


def refusal(path: Path) -> str:
    with pytest.raises(PolyheadError) as caught:
        checkpoint.load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_saved_checkpoint_is_loaded_unchanged(tmp_path: Path) -> None:
    given = example()
    checkpoint.save(tmp_path / "best.pt", given)
    found = checkpoint.load(tmp_path / "best.pt")
    assert found[1:] == given[1:]
    assert all(torch.equal(found.state[name], value) for name, value in given.state.items())
    assert [path.name for path in tmp_path.iterdir()] == ["best.pt"]


def test_a_mapping_can_be_saved_but_unknown_entries_raise_an_error(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "best.pt", {"state": {}, "stage": 2})
    assert checkpoint.load(tmp_path / "best.pt").stage == 2
    with pytest.raises(TypeError, match="stge"):
        checkpoint.save(tmp_path / "best.pt", {"state": {}, "stge": 2})


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    assert refusal(path) == f"weights file {path} does not exist. {REMEDY}"


def test_the_message_for_a_run_without_best_lists_its_weights(best: Path) -> None:
    run = best.parent.parent
    best.rename(best.with_name("last.pt"))
    assert refusal(best) == f"run {run} has no weights/best.pt, only last.pt. Use {best.with_name('last.pt')}."


def test_the_message_for_a_run_without_weights_says_how_to_resume(best: Path) -> None:
    run = best.parent.parent
    best.unlink()
    assert refusal(best) == (
        f"run {run} has no weights yet because its first epoch did not finish. Resume it with "
        f"'polyhead train --resume {run}'."
    )


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.9, 0.999])
def test_truncated_file(best: Path, fraction: float) -> None:
    content = best.read_bytes()
    size = int(fraction * len(content))
    best.write_bytes(content[:size])
    message = f"{best} is damaged or truncated ({size} bytes). Copy it again, or use another file of its folder."
    assert refusal(best) == message


def test_a_damaged_file_raises_no_other_error(best: Path) -> None:
    content = best.read_bytes()
    draw = random.Random(0)
    refused = 0
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(20):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        best.write_bytes(damaged)
        try:
            checkpoint.load(best)
        except PolyheadError:
            refused += 1
    assert refused > 10


class Evil:
    """Creates a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("kind", ["pickle", "text", "object", "list"])
def test_other_files_are_refused(tmp_path: Path, kind: str) -> None:
    path, trace = tmp_path / "x.pt", tmp_path / "trace"
    if kind == "pickle":
        path.write_bytes(pickle.dumps({"a": Evil(trace)}))
    elif kind == "text":
        path.write_text("hello\n" * 10)
    elif kind == "object":
        torch.save({"format": 1, "state": Evil(trace)}, path)
    else:
        torch.save([1, 2], path)
    assert refusal(path).startswith(f"{path} is not a Polyhead weights file: it ")
    assert refusal(path).endswith(REMEDY)
    assert not trace.exists()


def test_a_lightning_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "resume.ckpt"
    torch.save({"pytorch-lightning_version": "2.6.6", "state_dict": {}}, path)
    assert refusal(path) == (
        f"{path} is a Lightning checkpoint for resuming a run, not a weights file. Use weights/best.pt of its run."
    )


def test_a_bare_state_dict(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save(nn.Linear(2, 2).state_dict(), path)
    assert refusal(path).startswith(
        f"{path} is a bare state dict of 2 tensors: it does not contain the model and the class names."
    )


def test_a_newer_format(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"format": 3}, path)
    message = f"{path} was written by a newer Polyhead (format 3, this version reads up to 2). Upgrade polyhead."
    assert refusal(path) == message


def test_format_1_describes_tasks_of_images(tmp_path: Path) -> None:
    """Each task has its own fit; in the first files, one fit is for all tasks."""
    path = tmp_path / "x.pt"
    names = {"names": ["cat", "dog"], "categories": [17, "d"]}
    content = {"format": 1, **example()._asdict()}
    content["tasks"] = {"a": {**names, "fit": "letterbox"}, "b": names}
    content["eval"] = {"size": [300, 200], "fit": "stretch"}
    torch.save(content, path)
    found = checkpoint.load(path)
    assert found.tasks == {
        task: {**names, "modality": {"name": "image", "state": {"size": [300, 200], "fit": fit}}}
        for task, fit in (("a", "letterbox"), ("b", "stretch"))
    }
    assert (found.model, found.stage, found.epoch, found.score, found.seed) == (*example()[1:2], *example()[3:])


@pytest.mark.parametrize("form", [1, 2])
def test_missing_entries(form: int, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    content = {"format": form, **example()._asdict()}
    del content["tasks"], content["state"]
    torch.save(content, path)
    lacking = "state, tasks, eval" if form == 1 else "state, tasks"
    assert refusal(path) == f"{path} is an incomplete weights file: it lacks {lacking}. {REMEDY}"


def test_no_format_number(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"epoch": 3}, path)
    assert refusal(path) == f"{path} is not a Polyhead weights file: it has no format number. {REMEDY}"


def test_fill_refuses_tensors_that_do_not_fit() -> None:
    model, other = nn.Linear(2, 2), nn.Linear(2, 2)
    checkpoint.fill(model, other.state_dict(), Path("x.pt"))
    assert torch.equal(model.weight, other.weight)
    state = {"weight": torch.zeros(3, 2), "extra": torch.zeros(1)}
    with pytest.raises(PolyheadError) as caught:
        checkpoint.fill(model, state, Path("x.pt"))
    faults = "bias is missing, extra is not in the model, weight has shape (3, 2) instead of (2, 2)"
    assert str(caught.value) == f"x.pt: the tensors do not fit the model: {faults}. {REMEDY}"
    assert torch.equal(model.weight, other.weight)


NAMES = st.sampled_from("abcd")
STATES = st.dictionaries(NAMES, st.sampled_from([(2,), (1, 2), ()]).map(torch.zeros))


@given(STATES, STATES)
def test_compare_puts_every_tensor_that_does_not_fit_in_one_list(
    state: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]
) -> None:
    missing, unexpected, reshaped = differences = checkpoint.compare(state, expected)
    assert sorted(missing + unexpected) == sorted(state.keys() ^ expected.keys())
    assert all(name in expected for name in missing)
    assert all(state[name].shape != expected[name].shape for name in reshaped)
    fitting = {name for name in state if name in expected and state[name].shape == expected[name].shape}
    assert fitting.isdisjoint(reshaped)
    assert fitting.union(*differences) == state.keys() | expected.keys()


def crafted(path: Path, **changes: object) -> str:
    """Return the message for a file that torch has saved with other entries."""
    torch.save({**torch.load(path, weights_only=True), **changes}, path)
    return refusal(path)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"state": [1]}, "state: expected a mapping, got a list"),
        ({"tasks": ["a"]}, "tasks: expected a mapping, got a list"),
        ({"tasks": {"a": "x"}}, "tasks.a: expected a mapping, got text"),
        ({"tasks": {"a": {}}}, "tasks.a: names is missing"),
        ({"tasks": {"a": {"names": "cat"}}}, "tasks.a.names: expected a list, got text"),
        ({"model": "ssd300"}, "model: expected a mapping, got text"),
        ({"model": {"class_path": 3}}, "model.class_path: expected text, got a whole number"),
        ({"stage": "0"}, "stage: expected a whole number, got text"),
        ({"score": "x"}, "score: expected a number or null, got text"),
        ({"state": {"a": "x"}}, "a is not a tensor"),
        ({"state": {"a": torch.zeros(2, 2).to_sparse()}}, "a is not a plain tensor"),
        ({"state": {"a": torch.empty(2, device="meta")}}, "a is not a plain tensor"),
        ({"state": {"a": torch.zeros(1)}}, "the checksum of its tensors is wrong"),
        (
            {"state": {"a": torch.tensor([float("nan")])}},
            "the checksum of its tensors is wrong, and not finite or not real numbers are a",
        ),
    ],
)
def test_other_entries_are_named(best: Path, changes: dict[str, object], what: str) -> None:
    assert crafted(best, **changes) == (
        f"{best} is damaged or truncated ({what}). Copy it again, or use another file of its folder."
    )


@pytest.mark.parametrize("form", [-1, 0, True, "2"])
def test_a_format_that_is_no_number(best: Path, form: object) -> None:
    assert crafted(best, format=form) == f"{best} is not a Polyhead weights file: it has no format number. {REMEDY}"


def test_a_file_without_a_checksum_is_loaded(best: Path) -> None:
    """Older versions have written none."""
    content = torch.load(best, weights_only=True)
    del content["checksum"]
    torch.save({**content, "state": {"a": torch.ones(1)}}, best)
    assert checkpoint.load(best).state == {"a": torch.ones(1)}


def test_the_message_about_best_names_the_command_that_writes_it_again(best: Path) -> None:
    run = best.parent.parent
    (run / "resume.ckpt").touch()
    assert crafted(best, stage=None).endswith(f" 'polyhead train --resume {run}' writes it again.")


@pytest.mark.parametrize(
    ("weight", "what"),
    [
        (torch.zeros(2, 2, dtype=torch.int64), "weight is torch.int64 instead of torch.float32"),
        (torch.zeros(2, 2, dtype=torch.complex64), "weight is torch.complex64 instead of torch.float32"),
        (torch.full((2, 2), float("nan")), "it holds weights that are not finite: weight"),
        (torch.tensor([[0, 0], [0, float("inf")]]), "it holds weights that are not finite: weight"),
    ],
)
def test_weights_that_are_not_numbers_of_a_model_are_named(weight: torch.Tensor, what: str) -> None:
    model = nn.Linear(2, 2)
    before = model.weight.detach().clone()
    with pytest.raises(PolyheadError, match=what):
        checkpoint.fill(model, {**model.state_dict(), "weight": weight}, Path("x.pt"))
    assert torch.equal(model.weight, before)
    checkpoint.fill(model, {**model.state_dict(), "weight": torch.ones(2, 2).half()}, Path("x.pt"))
    assert torch.equal(model.weight, torch.ones(2, 2)), "weights may be stored in another precision"


def test_a_model_may_have_values_that_are_not_finite(tmp_path: Path) -> None:
    """Masks of attention have some."""
    model = nn.Module()
    model.register_buffer("mask", torch.full((2, 2), float("-inf")).triu(1))
    checkpoint.fill(model, model.state_dict(), tmp_path / "x.pt")


def test_no_model_is_built_that_is_much_larger_than_its_file() -> None:
    with (
        pytest.raises(
            PolyheadError, match=r"x.pt is damaged .*its model has more parameters than the file: Linear.weight"
        ),
        checkpoint.built_for({"a": torch.zeros(1)}, Path("x.pt")),
    ):
        nn.Linear(5000, 5000)
    nn.Linear(5000, 5000)  # nothing is left of the check
    with checkpoint.built_for({"a": torch.zeros(1)}, Path("x.pt")), torch.device("meta"):
        nn.Linear(5000, 5000)  # takes no memory
    with (
        pytest.raises(PolyheadError, match=r"its model cannot be built, ZeroDivisionError"),
        checkpoint.built_for({}, Path("x.pt")),
    ):
        raise ZeroDivisionError
