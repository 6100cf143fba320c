"""Several trainings of the tutorial's network in PyTorch, in single-threaded processes.

What one does today with a grid of settings: one training after another, as many at a time as there
are cores, everything in memory as in `torch_tuned.py`. Each training has its own weight decay and
seed; the test images are classified once, at its end. Standalone: it imports nothing of this
project. The last line printed is one JSON object; its seconds run from the moment when every
process has its data to the end of the last training, and ``epoch`` is what 60,000 images take for
one model.

    python peers/torch_processes.py --processes 2 --models 4 --fused --pregathered
"""

import argparse
import gzip
import json
import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

MNIST = Path(__file__).parents[2] / "assets" / "mnist"
BATCH_SIZE = 64
OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}


def load(split: str) -> tuple[Tensor, Tensor]:
    """Images float32 [n, 784] in [0, 1] and labels int64 [n]."""
    images = gzip.decompress((MNIST / f"{split}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((MNIST / f"{split}-labels-idx1-ubyte.gz").read_bytes())
    pixels = torch.frombuffer(bytearray(images[16:]), dtype=torch.uint8).view(-1, 784)
    classes = torch.frombuffer(bytearray(labels[8:]), dtype=torch.uint8)
    return pixels.float().div_(255), classes.long()


def shuffled(images: Tensor, labels: Tensor, pregathered: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of one epoch in a new order, the last one short."""
    order = torch.randperm(len(labels))
    if pregathered:
        # One large gather, after which each batch is a contiguous view.
        pairs = images[order].split(BATCH_SIZE), labels[order].split(BATCH_SIZE)
        yield from zip(*pairs, strict=True)
    else:
        for index in order.split(BATCH_SIZE):
            yield images[index], labels[index]


def train(options: argparse.Namespace, seed: int, images: Tensor, labels: Tensor) -> nn.Module:
    """One training from its seed, all epochs."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    decay = 10.0 ** (-2 - seed % 5)
    settings = {"lr": options.learning_rate, "weight_decay": decay, "fused": options.fused}
    optimizer = OPTIMIZERS[options.optimizer](model.parameters(), **settings)
    for _ in range(options.epochs):
        for batch, classes in shuffled(images, labels, options.pregathered):
            optimizer.zero_grad(set_to_none=True)
            cross_entropy(model(batch), classes).backward()
            optimizer.step()
    return model


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The percentage of images classified correctly, all in one batch."""
    return 100 * (model(images).argmax(dim=1) == labels).double().mean().item()


def work(options: argparse.Namespace, seeds: list[int], barrier: Barrier, results) -> None:
    """Trains one model for each seed, after all processes are ready."""
    torch.set_num_threads(1)
    images, labels = (part[: options.examples] for part in load("train"))
    test = load("t10k")
    barrier.wait()
    started = time.perf_counter()
    found = [accuracy(train(options, seed, images, labels), *test) for seed in seeds]
    results.put((time.perf_counter() - started, found))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--models", type=int, default=4, help="trainings, of all processes")
    parser.add_argument("--fused", action="store_true", help="the optimizer as one kernel")
    parser.add_argument("--pregathered", action="store_true", help="gather each epoch once")
    parser.add_argument("--optimizer", choices=tuple(OPTIMIZERS), default="sgd")
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--examples", type=int, default=60_000)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(options.processes), context.Queue()
    shares = [list(range(options.models))[i :: options.processes] for i in range(options.processes)]
    workers = [
        context.Process(target=work, args=(options, share, barrier, results)) for share in shares
    ]
    for worker in workers:
        worker.start()
    found = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    seconds = max(took for took, _ in found)
    per_epoch = seconds / options.models / options.epochs * 60_000 / options.examples
    accuracies = [value for _, values in found for value in values]
    print(json.dumps({"seconds": seconds, "epoch": per_epoch, "accuracies": accuracies}))


if __name__ == "__main__":
    main()
