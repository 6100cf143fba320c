"""A strength chosen by cross-validation with a PyTorch loop in single-threaded processes.

Folds × strengths × seeds of the mission's network on digits, one training after another, as many at
a time as there are processes. The penalty is λ·Σ‖w‖² of the weights, in the loss: weight_decay = 2λ
of Adam. Written to be fast: data in memory, an epoch gathered at once, Adam as one kernel; weights
and batches drawn by NumPy as the other contenders draw them. With --loader as it is mostly written:
a DataLoader over a TensorDataset, Adam as it is by default, the order by the loader. Standalone: it
imports nothing of this project. The last line printed is one JSON object: the seconds from when
every process has its data to the end of the last training, and the mean held-out loss of each
strength.

    python peers/torch_grid.py --processes 2 --seeds 3
"""

# ruff: noqa: E402 (the clock starts before the imports that it measures)

import time

STARTED = time.perf_counter()

import argparse
import gzip
import itertools
import json
import multiprocessing
from collections.abc import Iterable
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

IMPORT_SECONDS = time.perf_counter() - STARTED
MNIST = Path(__file__).parents[2] / "assets" / "mnist"
BATCH_SIZE = 64
Batches = Iterable[tuple[Tensor, Tensor]]


def load(examples: int) -> tuple[Tensor, Tensor]:
    """The first training images, float32 [n, 784] in [0, 1], and their labels, int64."""
    images = gzip.decompress((MNIST / "train-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((MNIST / "train-labels-idx1-ubyte.gz").read_bytes())
    pixels = torch.frombuffer(bytearray(images[16:]), dtype=torch.uint8).view(-1, 784)[:examples]
    classes = torch.frombuffer(bytearray(labels[8:]), dtype=torch.uint8)[:examples]
    return pixels.float().div_(255), classes.long()


def network(random: np.random.Generator) -> nn.Sequential:
    """784-128-10 from uniform ±√(6/(inputs + outputs)), layer after layer, weights first."""
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    for layer in (model[0], model[2]):
        inputs, outputs = layer.in_features, layer.out_features
        bound = (6 / (inputs + outputs)) ** 0.5
        weight = random.uniform(-bound, bound, (inputs, outputs)).astype(np.float32)
        bias = random.uniform(-bound, bound, outputs).astype(np.float32)
        layer.weight = nn.Parameter(torch.from_numpy(weight.T.copy()))
        layer.bias = nn.Parameter(torch.from_numpy(bias))
    return model


def gathered(images: Tensor, labels: Tensor, random: np.random.Generator) -> Batches:
    """The batches of one epoch, gathered at once; the last one is short."""
    order = torch.from_numpy(random.permutation(len(labels)))
    return zip(images[order].split(BATCH_SIZE), labels[order].split(BATCH_SIZE), strict=True)


def train(
    options: argparse.Namespace, seed: int, strength: float, images: Tensor, labels: Tensor
) -> nn.Module:
    """One training from its seed, all epochs."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    model = network(random)
    groups = [
        {"params": [model[0].weight, model[2].weight], "weight_decay": 2 * strength},
        {"params": [model[0].bias, model[2].bias], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.Adam(groups, lr=0.001, fused=None if options.loader else True)
    loader = DataLoader(TensorDataset(images, labels), BATCH_SIZE, shuffle=True)
    for _ in range(options.epochs):
        for batch, classes in loader if options.loader else gathered(images, labels, random):
            optimizer.zero_grad(set_to_none=True)
            cross_entropy(model(batch), classes).backward()
            optimizer.step()
    return model


def score(options: argparse.Namespace, job: tuple[float, int, int], data: list[Tensor]) -> float:
    """The mean held-out loss of one training."""
    strength, seed, fold = job
    held = torch.arange(len(data[0])) % options.folds == fold
    model = train(options, seed, strength, *(part[~held] for part in data))
    with torch.no_grad():
        images, labels = (part[held] for part in data)
        return cross_entropy(model(images), labels).item()


def work(options: argparse.Namespace, first: int, barrier: Barrier, results) -> None:
    """The share of one process, after all of them are ready."""
    torch.set_num_threads(1)
    data = list(load(options.examples))
    jobs = list(enumerate(grid(options)))[first :: options.processes]
    barrier.wait()
    started = time.perf_counter()
    found = {place: score(options, job, data) for place, job in jobs}
    results.put((time.perf_counter() - started, found))


def grid(options: argparse.Namespace) -> list[tuple[float, int, int]]:
    """(strength, seed, fold) of every training."""
    strengths = np.geomspace(1e-5, 1e-2, options.strengths).tolist()
    return list(itertools.product(strengths, range(options.seeds), range(options.folds)))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--loader", action="store_true", help="as it is mostly written")
    parser.add_argument("--examples", type=int, default=5000)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--strengths", type=int, default=20, help="from 1e-5 to 1e-2")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(options.processes), context.Queue()
    workers = [
        context.Process(target=work, args=(options, first, barrier, results))
        for first in range(options.processes)
    ]
    for worker in workers:
        worker.start()
    found = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    scores = dict(itertools.chain.from_iterable(part.items() for _, part in found))
    table = np.array([scores[place] for place in range(len(scores))])
    losses = table.reshape(options.strengths, -1).mean(axis=1)
    seconds = max(took for took, _ in found)
    times = {"import_seconds": IMPORT_SECONDS, "seconds": seconds}
    print(json.dumps({**times, "losses": losses.tolist()}))


if __name__ == "__main__":
    main()
