"""The tutorial's training in PyTorch with everything in memory and no DataLoader.

The same network, initialisation, optimizer and batches as `torch_mission.py`; only the way to the
batches differs. Standalone: it imports nothing of this project. The last line printed is one JSON
object with the measured seconds.

    python peers/torch_tuned.py --threads 1 --fused --pregathered
    python peers/torch_tuned.py --device cuda --fused --graph
"""

# ruff: noqa: E402 (the clock starts before the imports that it measures)

import time

STARTED = time.perf_counter()

import argparse
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

IMPORT_SECONDS = time.perf_counter() - STARTED
MNIST = Path(__file__).parents[2] / "assets" / "mnist"
BATCH_SIZE = 64


def load(split: str) -> tuple[Tensor, Tensor]:
    """Images float32 [n, 784] in [0, 1] and labels int64 [n]."""
    images = gzip.decompress((MNIST / f"{split}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((MNIST / f"{split}-labels-idx1-ubyte.gz").read_bytes())
    pixels = torch.frombuffer(bytearray(images[16:]), dtype=torch.uint8).view(-1, 784)
    classes = torch.frombuffer(bytearray(labels[8:]), dtype=torch.uint8)
    return pixels.float().div_(255), classes.long()


def shuffled(images: Tensor, labels: Tensor, pregathered: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of one epoch in a new order, the last one short."""
    order = torch.randperm(len(labels), device=labels.device)
    if pregathered:
        # One large gather, after which each batch is a contiguous view.
        yield from zip(
            images[order].split(BATCH_SIZE), labels[order].split(BATCH_SIZE), strict=True
        )
    else:
        for index in order.split(BATCH_SIZE):
            yield images[index], labels[index]


Step = Callable[[Tensor, Tensor], Tensor]  # of images and labels; the loss, before the update


def eager_step(model: nn.Module, optimizer: torch.optim.Optimizer) -> Step:
    def step(images: Tensor, labels: Tensor) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def graphed_step(step: Step, images: Tensor, labels: Tensor, model: nn.Module) -> Step:
    """The same as one CUDA graph for whole batches; the weights are as before its warm-up."""
    images, labels = images[:BATCH_SIZE].clone(), labels[:BATCH_SIZE].clone()
    start = [weight.detach().clone() for weight in model.parameters()]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step(images, labels)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step(images, labels)
    with torch.no_grad():
        for weight, value in zip(model.parameters(), start, strict=True):
            weight.copy_(value)

    def replayed(new_images: Tensor, new_labels: Tensor) -> Tensor:
        if len(new_labels) < BATCH_SIZE:
            return step(new_images, new_labels)
        images.copy_(new_images)
        labels.copy_(new_labels)
        graph.replay()
        return loss.clone()

    return replayed


def train(step: Step, batches: Iterator[tuple[Tensor, Tensor]]) -> float:
    """One epoch; returns the mean over batches of the data loss."""
    losses = [step(images, labels) for images, labels in batches]
    return torch.stack(losses).double().mean().item()


@torch.no_grad()
def evaluate(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The percentage of images classified correctly, all in one batch."""
    return 100 * (model(images).argmax(dim=1) == labels).double().mean().item()


def make_optimizer(model: nn.Module, options: argparse.Namespace) -> torch.optim.Optimizer:
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[options.optimizer]
    return kind(
        model.parameters(),
        lr=options.learning_rate,
        weight_decay=options.weight_decay,
        fused=options.fused,
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="threads of one operation")
    parser.add_argument("--fused", action="store_true", help="the optimizer as one kernel")
    parser.add_argument("--pregathered", action="store_true", help="gather each epoch once")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--graph", action="store_true", help="a step as one CUDA graph")
    parser.add_argument("--optimizer", choices=("sgd", "adam"), default="sgd")
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weight-decay", type=float, default=1e-4)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)

    started = time.perf_counter()
    images, labels = (part.to(options.device) for part in load("train"))
    test_images, test_labels = (part.to(options.device) for part in load("t10k"))
    data_seconds = time.perf_counter() - started

    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)).to(options.device)
    step = eager_step(model, make_optimizer(model, options))
    if options.graph:
        step = graphed_step(step, images, labels, model)
    epoch_seconds, losses, accuracies = [], [], []
    for epoch in range(1, options.epochs + 1):
        started = time.perf_counter()
        losses.append(train(step, shuffled(images, labels, options.pregathered)))
        accuracies.append(evaluate(model, test_images, test_labels))
        epoch_seconds.append(time.perf_counter() - started)
        print(f"Epoch {epoch}, Average Loss: {losses[-1]:.4f}")
        print(f"Test Accuracy: {accuracies[-1]:.2f}%", flush=True)

    result = {
        "epoch_seconds": epoch_seconds,
        "evaluate_included": True,
        "import_seconds": IMPORT_SECONDS,
        "data_seconds": data_seconds,
        "accuracy": accuracies[-1],
        "loss": losses[-1],
        "accuracies": accuracies,
        "losses": losses,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
