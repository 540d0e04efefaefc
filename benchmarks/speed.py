"""Time and memory of Polyhead's SSD and of torchvision's on the same backbone, random weights, in one run.

    python benchmarks/speed.py [--backbone resnet50] [--batch 8] [--rounds 15]

A round is one step of each side in turn, so that whatever else the machine does meets all of them. A training step is
forward, loss, backward and AdamW; inference goes from uint8 images to boxes after suppression, with each side's own
thresholds. Untrained networks believe in every box, so the background's bias is set on both sides such that as many
pairs of box and class are above the score threshold as a trained network has. Polyhead's SSD is timed twice: in
float32, as torchvision's is, and in the precision that ``precision: auto`` takes on this hardware.
"""

import argparse
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models.detection.ssd import SSD

from benchmarks.torchvision_ssd import ssd
from polyhead.data.loading.streams import Collate
from polyhead.kinds import kind_of
from polyhead.modalities.image import Image
from polyhead.models import ssd300
from polyhead.nets.backbones.timm import Timm
from polyhead.nets.inference import on_device, predict_batch
from polyhead.nets.model import Model
from polyhead.nets.precision import resolve
from polyhead.rng import derive_seed
from polyhead.types import Batch, Boxes, Meta, Sample, TaskInfo

CLASSES = 20
OBJECTS = 3
ABOVE = 200
"""Pairs of box and class of an image above the score threshold of 0.01."""
WORKS = ("train", "infer")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TYPES = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


class Side(NamedTuple):
    """One side of the comparison: a training step, inference, and a way to give it scores of a trained network."""

    train: Callable[[], Any]
    infer: Callable[[], Any]
    calm: Callable[[], None]


def ours(backbone: str, batch: Batch, size: int, precision: str) -> Side:
    """Return Polyhead's SSD as it trains: channels-last, in a precision of :data:`TYPES`."""
    names = [f"class {number}" for number in range(CLASSES)]
    model: Model = (
        ssd300(backbone, size=size).build({"task": TaskInfo(names)}).to(DEVICE).to(memory_format=torch.channels_last)
    )
    head = model.head("task")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    cast = torch.autocast(DEVICE, dtype=TYPES[precision], enabled=TYPES[precision] is not None)

    def train() -> None:
        model.train()
        with cast:
            terms = head.losses(head(model.trunk(batch.inputs)), batch)
            losses = {name: term.value for name, term in terms.items()}
        step(optimizer, losses)

    def infer() -> Any:
        model.eval()
        return predict_batch(model, batch, {"task": kind_of(head.kind)}, precision)["task"]

    def calm() -> None:
        with torch.no_grad():
            logits = head(model.eval().trunk(batch.inputs)).logits
        layers = [level[-1] for level in head.tower.levels]  # type: ignore[union-attr]  # of a head by contract
        set_background(logits.roll(1, dims=2), [layer.bias.view(-1, 5 + CLASSES)[:, -1] for layer in layers])

    return Side(train, infer, calm)


def theirs(backbone: str, batch: Batch, size: int) -> Side:
    """Return torchvision's SSD with its defaults: float32, channels first."""
    model: SSD = ssd(Timm(backbone), (size, size), CLASSES).to(DEVICE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    pairs = zip(batch.target.boxes, batch.target.labels, strict=True)
    targets = [{"boxes": boxes, "labels": labels + 1} for boxes, labels in pairs]
    inputs = batch.inputs
    assert isinstance(inputs, Tensor)

    def images() -> list[Tensor]:
        return [image.float() / 255 for image in inputs]

    def train() -> None:
        model.train()
        step(optimizer, model(images(), targets))

    @torch.inference_mode()
    def infer() -> Any:
        return model.eval()(images())

    def calm() -> None:
        with torch.no_grad():
            levels = model.eval().backbone(model.transform(images())[0].tensors)
            logits = model.head.classification_head(list(levels.values()))
        layers = model.head.classification_head.module_list
        set_background(logits, [layer.bias.view(-1, 1 + CLASSES)[:, 0] for layer in layers])

    return Side(train, infer, calm)


def step(optimizer: torch.optim.Optimizer, losses: dict[str, Tensor]) -> None:
    """Take one optimizer step on the sum of the losses."""
    optimizer.zero_grad()
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]  # torch has no types here
    optimizer.step()


@torch.no_grad()
def set_background(logits: Tensor, biases: Sequence[nn.Parameter | Tensor]) -> None:
    """Raise the bias of the background until ``ABOVE`` pairs per image have scores above 0.01.

    Args:
        logits: ``[b, n, 1 + classes]``, background first.
        biases: those of the background, written into.
    """
    low, high = -50.0, 50.0
    shift = torch.zeros_like(logits[0, 0])
    for _ in range(30):
        shift[0] = (low + high) / 2
        above = int(((logits + shift).softmax(dim=2)[..., 1:] > 0.01).sum()) / logits.shape[0]
        low, high = (float(shift[0]), high) if above > ABOVE else (low, float(shift[0]))
    for bias in biases:
        bias.add_(high)


def random_batch(count: int, size: int) -> Batch:
    """Return random images with :data:`OBJECTS` random boxes each."""
    draw = torch.Generator().manual_seed(derive_seed("speed"))
    samples = []
    for number in range(count):
        corner = torch.rand(OBJECTS, 2, generator=draw) * 0.6
        sides = 0.1 + torch.rand(OBJECTS, 2, generator=draw) * 0.3
        boxes = torch.cat([corner, corner + sides], dim=1) * size
        labels = torch.randint(CLASSES, (OBJECTS,), generator=draw)
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
        nothing, looked = torch.zeros(OBJECTS, dtype=torch.bool), torch.ones(CLASSES, dtype=torch.bool)
        target = Boxes(boxes, labels, nothing, areas, looked, (size, size))
        image = torch.randint(256, (3, size, size), generator=draw, dtype=torch.uint8)
        samples.append(Sample(image, target, Meta(str(number))))
    batch = Collate(kind_of("detection"), Image())(samples)
    target = type(batch.target)(*(column.to(DEVICE) for column in batch.target))
    return on_device(batch, torch.device(DEVICE))._replace(target=target)


def race(steps: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each side in each round: one step of each side in turn, after two warm-up rounds."""
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 2):
        for name, work in steps.items():
            begun = now()
            work()
            if number > 1:
                taken[name].append(now() - begun)
    return taken


def now() -> float:
    """Return the time in seconds, after all work on a GPU is done."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def peak_megabytes() -> float:
    """Return the peak memory in MB: of the tensors on the GPU if there is one, else of this process."""
    return torch.cuda.max_memory_allocated() / 2**20 if DEVICE == "cuda" else process_megabytes()


def process_megabytes() -> float:
    """Return the peak memory of this process in MB; ``ru_maxrss`` would include that of its parent."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def row(what: str, mine: list[float], other: list[float], unit: float = 1e3) -> str:
    """Return a table row: the medians, their ratio, and the smallest and largest ratio of a round."""
    ratios = [theirs / ours for theirs, ours in zip(other, mine, strict=True)]
    mine_median, other_median = statistics.median(mine), statistics.median(other)
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}" if len(ratios) > 1 else ""
    ratio = other_median / mine_median
    return f"{what:<30}{unit * mine_median:>10.0f}{unit * other_median:>13.0f}{ratio:>9.2f}  {spread}"


def hardware(precision: str) -> str:
    """Return a description of the hardware and the precision."""
    if DEVICE == "cuda":
        name, native = torch.cuda.get_device_name(), torch.cuda.get_device_capability() >= (8, 0)
    else:
        found = torch.cpu.get_capabilities()
        name = str(found.get("cpu_name") or platform.processor() or platform.machine())
        native = any(found.get(kind) for kind in ("avx512_bf16", "amx_bf16"))
    return (
        f"{name}, {torch.get_num_threads()} threads, bf16 {'native' if native else 'not native'}; "
        f"'auto' is {precision}; torch {torch.__version__}"
    )


def main(argv: Sequence[str]) -> int:
    """Time both sides and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--backbone", default="resnet50", help="timm's name of the backbone (default: resnet50)")
    parser.add_argument("--batch", type=int, default=8, help="images a step (default: 8)")
    parser.add_argument("--size", type=int, default=300, help="side of the images in pixels (default: 300)")
    parser.add_argument("--rounds", type=int, default=15, help="timed steps of each side (default: 15)")
    parser.add_argument("--peak", nargs=2, metavar=("SIDE", "WORK"), help="print the peak memory of one side and stop")
    given = parser.parse_args(argv)
    torch.manual_seed(0)
    auto = resolve("auto")
    batch = random_batch(given.batch, given.size)
    makers: dict[str, Callable[[], Side]] = {
        "torchvision": lambda: theirs(given.backbone, batch, given.size),
        "float32": lambda: ours(given.backbone, batch, given.size, "32-true"),
        "as shipped": lambda: ours(given.backbone, batch, given.size, auto),
    }
    if given.peak:
        name, work = given.peak
        run = getattr(makers[name](), work)
        for _ in range(3):
            run()
        print(f"{peak_megabytes():.0f}")
        return 0
    if auto == "32-true":  # what is shipped computes in float32 here: the same contestant
        del makers["as shipped"]
    memory = {(name, work): peak(argv, name, work) for name in makers for work in WORKS}
    sides = {name: make() for name, make in makers.items()}
    print(hardware(auto))
    print(f"SSD on {given.backbone}, {given.size} pixels, batch {given.batch}, {given.rounds} rounds")
    print(f"{'':<30}{'Polyhead':>10}{'torchvision':>13}{'ratio':>9}  least to most of a round")
    for work, title in zip(WORKS, ("training step, ms", "inference, ms"), strict=True):
        if work == "infer":
            for side in sides.values():
                side.calm()
        taken = race({name: getattr(side, work) for name, side in sides.items()}, given.rounds)
        others = taken.pop("torchvision")
        for name, mine in taken.items():
            print(row(f"{title}, {name}", mine, others))
    for (name, work), megabytes in memory.items():
        if name != "torchvision":
            title = f"peak memory, MB, {work}, {name}"
            print(row(title, [megabytes], [memory["torchvision", work]], unit=1))
    if "as shipped" not in makers:
        print("as shipped is the same as float32 on this hardware")
    return 0


def peak(argv: Sequence[str], side: str, work: str) -> float:
    """Return the peak memory of three steps of one side, measured in its own process."""
    command = [sys.executable, __file__, *argv, "--peak", side, work]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
