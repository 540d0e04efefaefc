"""One module brings a modality and a kind of its own, and takes them through everything that a run can do.

Nothing in the package knows them: recipes name them by class path, with ``--allow``. The modality is hard on purpose:
sequences of different length, as a dictionary of two tensors, with a vocabulary that is fitted on the training texts
only. So is the kind: it predicts two numbers, lower scores are better, and its dummy baseline is not at 0.
"""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import yaml
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

import polyhead
from polyhead import checkpoint
from polyhead.contracts import classes
from polyhead.contracts.analyzed import Cases
from polyhead.contracts.explained import Mistake
from polyhead.contracts.kind import Targets, Tested
from polyhead.contracts.modality import Change, EvalTransform, Modality, Partner, Source, TrainTransform
from polyhead.contracts.network import Backbone, Head
from polyhead.contracts.operating import Conf
from polyhead.contracts.reader import Reader
from polyhead.contracts.score import Columns, Score
from polyhead.kinds.statistics import StatisticsKind, TestedStatistics
from polyhead.metrics import store
from polyhead.nets.model import Model
from polyhead.nets.pyramids import pool
from polyhead.types import (
    Batch,
    Entry,
    InputSpec,
    LossTerm,
    Marks,
    Meta,
    Pyramid,
    PyramidSpec,
    Sample,
    ShownClass,
    Size,
    TaskInfo,
)
from polyhead.workflows.explain import Explainer

pytestmark = pytest.mark.slow  # commands in processes of their own

ANIMALS = {"ant": 1.0, "bee": 2.0, "cat": 5.0, "dog": 7.0, "emu": 9.0, "fox": 6.0}
"""Words and their weights."""
FILLERS = ("a", "the", "big", "small", "old", "and", "sees", "hears", "near", "far")


class Texts(Reader):
    """Texts about animals; the targets are the sum of the animals' weights and the number of different animals."""

    kind = f"{__name__}.TwoNumbers"
    modality = f"{__name__}.Words"

    def __init__(self, count: int, seed: int = 0, longest: int = 12) -> None:
        rng = random.Random(seed)
        words = [*ANIMALS, *FILLERS]
        self.texts = [" ".join(rng.choices(words, k=rng.randint(1, longest))) for _ in range(count)]
        self.names, self.categories = ["weight", "animals"], ["weight", "animals"]
        self.problems, self.skipped = [], []
        self.license = "CC0"
        self.seed = seed

    def __len__(self) -> int:
        return len(self.texts)

    def entry(self, index: int) -> Entry:
        return Entry(f"{self.seed}-{range(len(self))[index]:04d}", bytes=len(self.texts[index]))

    def raw(self, index: int) -> str:
        return self.texts[index]

    def target(self, index: int) -> "Pair":
        animals = [word for word in self.texts[index].split() if word in ANIMALS]
        return Pair(torch.tensor([sum(map(ANIMALS.__getitem__, animals)), float(len(set(animals)))]))


class Pair(NamedTuple):
    """Two numbers: target and prediction."""

    values: Float[Tensor, "2"]


class PairBatch(NamedTuple):
    """The numbers of a batch."""

    values: Float[Tensor, "b 2"]


class TwoNumbers(StatisticsKind):
    """The kind of a task whose head predicts two numbers."""

    title = "two numbers"
    annotations = "two numbers for each text"
    target = Pair
    prediction = Pair
    scores = (Score("mae", "MAE", best=0.0), Score("within", "within 1"))
    measures = scores
    extras = ()

    def collate(self, targets: Sequence[Pair]) -> PairBatch:
        return PairBatch(torch.stack([target.values for target in targets]))

    def example(self, names: Sequence[str], size: Size) -> Pair:
        return Pair(torch.zeros(2))

    def restore(self, prediction: Pair, meta: Meta) -> Pair:
        return Pair(meta.values(prediction.values.cpu().float()))

    def gather(self, targets: Mapping[str, Pair], names: Sequence[str]) -> Float[np.ndarray, "n 2"]:
        return np.stack([target.values.double().numpy() for target in targets.values()])

    def shown(self, targets: Targets) -> list[set[ShownClass]]:
        return [{("animals", int(row[1]))} for row in targets.gathered]

    def statistics(self, targets: Targets, predictions: Mapping[str, Pair]) -> Float[np.ndarray, "n k"]:
        found = np.stack([predictions[each].values.double().numpy() for each in targets.ids])
        return numbers_of(targets.gathered, found)

    def measure(self, score: str, sums: Float[np.ndarray, "b k"]) -> Float[np.ndarray, " b"]:
        result: np.ndarray = sums[:, 0 if score == "mae" else 1] / sums[:, 2]
        return result

    def dummy(self, train: Targets, targets: Targets) -> float:
        constant = np.broadcast_to(np.median(train.gathered, axis=0), targets.gathered.shape)
        return float(self.measure("mae", numbers_of(targets.gathered, constant).sum(axis=0, keepdims=True))[0])

    def save(self, path: Path, targets: Targets, predictions: Mapping[str, Pair]) -> None:
        found = np.stack([predictions[each].values.numpy() for each in targets.ids]).astype(np.float32)
        store.write(path, self.name, targets.names, targets.ids, found=found, target=targets.gathered)

    def load(self, path: Path, task: str) -> Tested:
        table = store.read(path, {"found": ("f", (2,)), "target": ("f", (2,))})
        statistics = numbers_of(table["target"], table["found"].astype(np.float64))
        return TestedStatistics(self, task, table["names"].tolist(), table["ids"].tolist(), statistics, table["target"])

    def columns(self, prediction: Pair) -> Columns:
        return Columns(prediction.values.numpy(), np.arange(2))

    def describe(self, prediction: Pair, names: Sequence[str]) -> str:
        return ", ".join(f"{name} {value:.1f}" for name, value in zip(names, prediction.values.tolist(), strict=True))

    def marks(
        self, prediction: Pair, names: Sequence[str], title: str = "", first: int = 0, by_class: bool = True
    ) -> Marks:
        return Marks(title, notes=[self.describe(prediction, names)])

    def target_marks(self, target: Pair, names: Sequence[str]) -> Marks:
        return self.marks(target, names)

    def mistakes(self, target: Pair, prediction: Pair, names: Sequence[str], conf: Conf) -> list[Mistake]:
        found = []
        for number, (real, value) in enumerate(zip(target.values.tolist(), prediction.values.tolist(), strict=True)):
            if (error := abs(real - value)) > 1:
                caption = f"{names[number]} {value:.1f} instead of {real:.1f}"
                found.append(Mistake(f"wrong {names[number]}", caption, error / (1 + error), number))
        return found

    def cases(self, tested: TestedStatistics) -> list[Cases]:
        samples, wrong = np.arange(len(tested.ids)), tested.statistics[:, 1] == 0
        return [Cases("numbers beyond 1", "texts", samples, wrong, np.zeros_like(samples), {})]


def numbers_of(target: np.ndarray, found: np.ndarray) -> Float[np.ndarray, "n k"]:
    """Return of each sample the error, whether both numbers are within 1, and 1."""
    error = np.abs(target - found).mean(axis=1)
    within = (np.abs(target - found) <= 1).all(axis=1)
    return np.stack([error, within, np.ones(len(target))], axis=1).astype(np.float64)


class Words(Modality):
    """Texts as sequences of word numbers; 0 pads, 1 is a word that no training text has."""

    def __init__(self, drop: float = 0.1) -> None:
        self.drop = drop
        self.vocabulary: list[str] = []

    def fit(
        self, inputs: Iterable[str], size: Size | None, transforms: Any, earlier: Mapping[str, Any] | None = None
    ) -> None:
        words = sorted({word for text in inputs for word in text.split()})
        self.restore({"vocabulary": words} if earlier is None else earlier)

    def state(self) -> dict[str, Any]:
        return {"vocabulary": self.vocabulary}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.vocabulary = list(state["vocabulary"])
        self.train, self.eval = DropWords(self.drop), Whole()

    def spec(self) -> InputSpec:
        return InputSpec(self.key, info={"words": len(self.vocabulary) + 2})

    def decode(self, raw: str) -> Tensor:
        number = {word: index for index, word in enumerate(self.vocabulary, 2)}
        return torch.tensor([number.get(word, 1) for word in raw.split()], dtype=torch.int64)

    def meta(self, sample_id: str, decoded: Any) -> Meta:
        return Meta(sample_id)

    def collate(self, inputs: Sequence[Tensor]) -> dict[str, Tensor]:
        words = nn.utils.rnn.pad_sequence(list(inputs), batch_first=True)  # [b, t]
        return {"words": words, "real": words > 0}

    def lengths(self, inputs: Iterable[str]) -> list[int]:
        return [len(text.split()) for text in inputs]

    def facts(self, decoded: Tensor) -> dict[str, float]:
        return {"words": float(len(decoded)), "unknown words": float((decoded == 1).sum())}

    def changes(self) -> dict[str, Change]:
        return {"reversed": lambda decoded, _: decoded.flip(0)}

    def sources(self, source: Any) -> Iterator[Source]:
        for entry in source if isinstance(source, list) else [source]:
            lines = Path(entry).read_text(encoding="utf-8").splitlines() if Path(entry).is_file() else [str(entry)]
            yield from (Source(f"{entry}:{number}", line) for number, line in enumerate(lines, 1))

    def save(self, raw: str, folder: Path, name: str) -> dict[str, Any]:
        return {"text": raw}

    def load(self, entry: Mapping[str, Any], folder: Path) -> str:
        return str(entry["text"])


class DropWords(TrainTransform):
    """Replaces random words by the unknown one."""

    def __init__(self, drop: float) -> None:
        self.drop = drop

    def __call__(self, sample: Sample, partner: Partner | None = None) -> Sample:
        dropped = torch.rand(sample.input.shape) < self.drop
        return sample._replace(input=sample.input.masked_fill(dropped, 1))


class Whole(EvalTransform):
    """Leaves a text as it is."""

    def __call__(self, sample: Sample) -> Sample:
        return sample


class Embed(Backbone):
    """Word embeddings and a convolution; one level ``[b, c, t]`` with a mask."""

    def __init__(self, spec: InputSpec, width: int) -> None:
        super().__init__()
        self.words = nn.Embedding(spec.info["words"], width)
        self.drop = nn.Dropout(0.1)
        self.norm = nn.BatchNorm1d(width)
        self.channels, self.strides = [width], [1]

    def forward(self, inputs: dict[str, Tensor]) -> Pyramid:
        level = self.norm(self.words(inputs["words"]).transpose(1, 2))  # [b, t] -> [b, c, t]
        return Pyramid([self.drop(level)], None, inputs["real"])


class PairHead(Head):
    """Mean pooling and a linear layer."""

    kind = f"{__name__}.TwoNumbers"

    def __init__(self, pyramid: PyramidSpec, task: TaskInfo) -> None:
        super().__init__()
        self.names = task.names
        self.linear = nn.Linear(pyramid.channels[-1] + 1, 2)

    def forward(self, pyramid: Pyramid) -> PairBatch:
        pooled = pool(pyramid.levels[-1], pyramid.mask)  # [b, c]
        assert pyramid.mask is not None
        length = pyramid.mask.sum(dim=1, keepdim=True).to(pooled.dtype)  # [b, 1]
        return PairBatch(self.linear(torch.cat([pooled * length, length], dim=1)).float())

    def losses(self, raw: PairBatch, batch: Batch, progress: float = 0.0) -> dict[str, LossTerm]:
        return {"error": LossTerm(F.l1_loss(raw.values, batch.target.values, reduction="sum"), raw.values.numel())}

    def decode(self, raw: PairBatch) -> list[Pair]:
        return [Pair(values) for values in raw.values]


def toy(width: int = 8) -> Model:
    """Build the network of this module."""

    def backbone(spec: InputSpec) -> Backbone:
        return Embed(spec, width)

    return Model(backbone, [], PairHead, None)


RECIPE: dict[str, Any] = {
    "model": {"class_path": f"{__name__}.toy", "init_args": {}},
    "data": {
        "animals": {
            "reader": f"{__name__}.Texts",
            "count": 120,
            "val": {"count": 60, "seed": 1},
            "test": {"count": 80, "seed": 2},
            "batch": 8,
            "workers": 0,
            "license": "CC0",
        }
    },
    "stages": [{"epochs": 6, "lr": 0.02, "warmup": 0}],
    "precision": "32-true",
}


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run polyhead in a folder, where recipes may import from this module."""
    return subprocess.run(
        [sys.executable, "-m", "polyhead", *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def environment() -> dict[str, str]:
    """Return the environment of a command: this module can be imported."""
    package, tests = Path(polyhead.__file__).parents[1], Path(__file__).parents[1]
    return {**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{tests}", "OMP_NUM_THREADS": "1"}


ALLOW = ("--allow", __name__.partition(".")[0])


def succeed(folder: Path, *words: str) -> str:
    """Run a command that must succeed, and return what it printed."""
    result = command(folder, *words, *ALLOW)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run of one task: ``runs/toy``."""
    made = tmp_path_factory.mktemp("own")
    (made / "toy.yaml").write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
    succeed(made, "train", "toy.yaml")
    return made


def test_training_beats_the_dummy_baseline_and_reports_the_skill(folder: Path) -> None:
    numbers = json.loads((folder / "runs/toy/results.json").read_text())["test"]["tasks"]["animals"]
    assert numbers["metric"] == "MAE"
    assert numbers["interval"][1] < numbers["dummy_baseline"]["score"], "lower is better"
    verdict = (folder / "runs/toy/verdict.txt").read_text()
    assert "the model is better, and its whole interval is below the baseline" in verdict
    header = (folder / "runs/toy/results.csv").read_text().splitlines()[0]
    assert {"val/animals/mae", "val/animals/within", "val/animals/skill"} <= {*header.split(",")}


def test_the_best_epoch_is_the_one_with_the_lowest_score(folder: Path) -> None:
    rows = polyhead.Run(folder / "runs/toy")
    with rows.results_csv.open() as file:
        found = list(csv.DictReader(file))
    best = min(range(len(found)), key=lambda epoch: float(found[epoch]["val/animals/mae"]))
    assert checkpoint.load(rows.best).epoch == best


def test_the_vocabulary_is_that_of_the_training_texts(folder: Path) -> None:
    state = checkpoint.load(folder / "runs/toy/weights/best.pt").tasks["animals"]["modality"]["state"]
    assert state == {"vocabulary": sorted({word for text in Texts(120).texts for word in text.split()})}


def test_evaluate_repeats_the_scores(folder: Path) -> None:
    before = json.loads((folder / "runs/toy/results.json").read_text())["test"]["tasks"]["animals"]
    printed = json.loads(succeed(folder, "evaluate", "runs/toy", "--json", "-"))["tasks"]["animals"]
    assert printed["score"] == before["score"]
    assert printed["interval"] == before["interval"]


def test_padded_texts_predict_what_they_predict_alone(folder: Path) -> None:
    classes.allow([ALLOW[1]])
    predictor = polyhead.load(folder / "runs/toy")
    texts = ["ant", "the big dog sees the old cat and a bee near the far fox", "far far far", "emu emu"]
    together = predictor.predict(texts, batch=4)
    for text, result in zip(texts, together, strict=True):
        (alone,) = predictor.predict([text])
        torch.testing.assert_close(result.prediction.values, alone.prediction.values, atol=1e-5, rtol=0)


def test_predict_reads_a_file_of_texts(folder: Path) -> None:
    (folder / "texts.txt").write_text("the ant\na cat and a dog\n", encoding="utf-8")
    printed = succeed(folder, "predict", "runs/toy", "texts.txt", "--json", "found.json", "--csv", "found.csv")
    found = json.loads((folder / "found.json").read_text())
    assert [each["labels"] for each in found] == [["weight", "animals"]] * 2
    assert len((folder / "found.csv").read_text().splitlines()) == 1 + 4
    assert "2 inputs" in printed


def test_explain_gives_a_value_for_each_word(folder: Path) -> None:
    printed = succeed(folder, "explain", "runs/toy", "texts.txt", "--json", "why.json")
    assert "4 predictions explained" in printed
    assert "trust not measured" in printed
    found = json.loads((folder / "why.json").read_text())
    assert [each["item"].split()[0] for each in found] == ["weight", "animals"] * 2
    assert all(each["trust"] is None and each["box"] is None for each in found)
    classes.allow([ALLOW[1]])
    explainer = Explainer(polyhead.load(folder / "runs/toy"))
    words = "the ant and a bee"
    explanation = explainer.explain(explainer.run(explainer.modality.decode(words)), 0)
    assert explanation.values.shape == (5,)
    assert explanation.values.max() == 1
    assert explanation.plot() is None


def test_mistakes_are_ranked_and_explained_without_drawings(folder: Path) -> None:
    printed = succeed(folder, "mistakes", "runs/toy", "--most", "2", "--split", "val")
    table = json.loads((folder / "runs/toy/mistakes/mistakes.json").read_text())
    kinds = table["tasks"]["animals"]["types"]
    assert table["tasks"]["animals"]["images"] == 60
    assert "wrong weight" in kinds
    assert f"animals: {sum(kinds.values())} mistakes in 60 val images" in printed
    worst = [each for each in table["mistakes"] if each["type"] == "wrong weight"]
    assert [each["severity"] for each in worst] == sorted((each["severity"] for each in worst), reverse=True)
    assert all(each["file"] is None and each["explanation"]["item"].startswith("weight") for each in worst)
    assert all(each["caption"] in printed for each in worst)
    assert [path.name for path in (folder / "runs/toy/mistakes").iterdir()] == ["mistakes.json"]


def test_errors_depend_on_the_facts_of_the_modality(folder: Path) -> None:
    printed = succeed(folder, "errors", "runs/toy", "--split", "val", "--robustness")
    entry = json.loads((folder / "runs/toy/errors/errors.json").read_text())["tasks"]["animals"]
    wrong = entry["wrong"]["numbers beyond 1"]
    assert wrong["cases"] == entry["images"] == 60
    assert f"numbers beyond 1: {wrong['fraction'][0]:.3f}" in printed
    assert "words" in entry["curves"]
    assert entry["gains"]["types"] == {}
    assert [row["change"] for row in entry["robustness"]] == ["", "reversed"]
    assert "changed by reversed" in printed


def test_a_report_shows_the_numbers_of_the_run(folder: Path) -> None:
    printed = succeed(folder, "report", "runs/toy")
    assert "wrote runs/toy/report.ipynb and runs/toy/report.html" in printed
    numbers = json.loads((folder / "runs/toy/results.json").read_text())["test"]["tasks"]["animals"]
    page = (folder / "runs/toy/report.html").read_text(encoding="utf-8")
    assert f"{numbers['score']:.3f} [{numbers['interval'][0]:.3f}, {numbers['interval'][1]:.3f}]" in page
    assert "wrong weight" in page, "its mistakes are listed, although they cannot be drawn"
    assert "not answered: " in command(folder, "report", "runs/toy", "--check", *ALLOW).stdout


def test_explain_takes_the_texts_of_the_run_without_a_source(folder: Path) -> None:
    printed = succeed(folder, "explain", "runs/toy", "--split", "val", "--json", "split.json")
    assert printed.splitlines()[-1] == "50 predictions of 50 images of the val split explained"
    assert len(json.loads((folder / "split.json").read_text())) == 50


def test_compare_says_which_run_has_the_lower_score(folder: Path) -> None:
    succeed(folder, "train", "toy.yaml", "epochs=1", "name=short")
    table = succeed(folder, "compare", "long=runs/toy", "short=runs/short", "--json", "table.json")
    short = json.loads((folder / "table.json").read_text())["rows"][1]
    assert short["difference"][0] > 0, "the shorter training has the larger error"
    assert short["relative"][0] < 0, "and less skill"
    assert "MAE" in table


def test_a_killed_training_resumes_bit_for_bit(folder: Path) -> None:
    changes = ("epochs=3", "stages.0.ema=0.9")
    succeed(folder, "train", "toy.yaml", *changes, "name=whole")
    killed(folder, "train", "toy.yaml", *changes, "name=killed")
    succeed(folder, "train", "--resume", "runs/killed")
    for name in ("best", "last"):
        one, other = (checkpoint.load(folder / f"runs/{run}/weights/{name}.pt").state for run in ("whole", "killed"))
        assert all(torch.equal(one[key], other[key]) for key in one)


SAVING = """
import sys
from polyhead import cli
from polyhead.engine import fit
fit.fit.__kwdefaults__["save_seconds"] = 0.0  # after every step
sys.exit(cli.main(sys.argv[1:]))
"""


def killed(folder: Path, *words: str) -> None:
    """Start a training, and kill it when it has saved a state within an epoch."""
    run = folder / "runs/killed"
    process = subprocess.Popen(  # pylint: disable=consider-using-with  # it is killed
        [sys.executable, "-c", SAVING, *words, *ALLOW],
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not (run / "resume.ckpt").is_file():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert "finished" not in json.loads((run / "manifest.json").read_text())


def test_extend_keeps_the_vocabulary_and_measures_forgetting(folder: Path) -> None:
    result = command(
        folder,
        "extend",
        "runs/toy",
        "--task",
        "more",
        "--data",
        f"reader={__name__}.Texts",
        "count=80",
        "val={count: 40, seed: 4}",
        "test={count: 40, seed: 5}",
        "batch=8",
        "workers=0",
        "license=CC0",
        *ALLOW,
        "--",
        "epochs=3",
    )
    assert result.returncode == 0, result.stderr[-3000:]
    extended = checkpoint.load(folder / "runs/toy_more/weights/best.pt").tasks
    earlier = checkpoint.load(folder / "runs/toy/weights/best.pt").tasks["animals"]["modality"]
    assert extended["animals"]["modality"] == extended["more"]["modality"] == earlier
    (drop,) = json.loads((folder / "runs/toy_more/results.json").read_text())["forgetting"]
    assert drop["task"] == "animals"
    assert drop["skill"] is not None
    assert "skill" in result.stdout
