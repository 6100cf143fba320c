"""Several trainings of the tutorial's network in PyTorch as one, by `torch.func.vmap`.

Every step computes the gradients of all models on one batch at once, everything in memory. Each
model has its own weight decay; the test images are classified once, at the end. Standalone: it
imports nothing of this project. The last line printed is one JSON object; its seconds begin when
the data is there, and ``epoch`` is what 60,000 images take for one model.

    python peers/torch_vmap.py --models 8 --threads 2
"""

import argparse
import gzip
import json
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.functional import cross_entropy

MNIST = Path(__file__).parents[2] / "assets" / "mnist"
BATCH_SIZE = 64


def load(split: str) -> tuple[Tensor, Tensor]:
    """Images float32 [n, 784] in [0, 1] and labels int64 [n]."""
    images = gzip.decompress((MNIST / f"{split}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((MNIST / f"{split}-labels-idx1-ubyte.gz").read_bytes())
    pixels = torch.frombuffer(bytearray(images[16:]), dtype=torch.uint8).view(-1, 784)
    classes = torch.frombuffer(bytearray(labels[8:]), dtype=torch.uint8)
    return pixels.float().div_(255), classes.long()


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def logits(params: dict[str, Tensor], images: Tensor) -> Tensor:
    return functional_call(SKELETON, params, (images,))


def loss(params: dict[str, Tensor], images: Tensor, labels: Tensor) -> Tensor:
    return cross_entropy(logits(params, images), labels)


SKELETON = network().to("meta")
GRADIENTS = vmap(grad(loss), in_dims=(0, None, None))


@torch.no_grad()
def step(params: dict[str, Tensor], decay: Tensor, rate: float, batch: tuple[Tensor, ...]) -> None:
    """One step of SGD of every model, in place."""
    gradients = GRADIENTS(params, *batch)
    for name, weight in params.items():
        shrink = 1 - rate * decay.view(-1, *[1] * (weight.ndim - 1))
        weight.mul_(shrink).sub_(gradients[name], alpha=rate)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2, help="threads of one operation")
    parser.add_argument("--models", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--examples", type=int, default=60_000)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    images, labels = (part[: options.examples].to(options.device) for part in load("train"))
    test_images, test_labels = (part.to(options.device) for part in load("t10k"))
    started = time.perf_counter()
    params, _ = stack_module_state([network() for _ in range(options.models)])
    params = {name: weight.detach().to(options.device) for name, weight in params.items()}
    decay = torch.logspace(-6, -2, options.models, device=options.device)
    for _ in range(options.epochs):
        for index in torch.randperm(len(labels), device=labels.device).split(BATCH_SIZE):
            step(params, decay, options.learning_rate, (images[index], labels[index]))
    with torch.no_grad():
        predicted = vmap(logits, in_dims=(0, None))(params, test_images).argmax(-1)
    accuracies = 100 * (predicted == test_labels).double().mean(1).cpu()
    seconds = time.perf_counter() - started
    per_epoch = seconds / options.models / options.epochs * 60_000 / options.examples
    result = {"seconds": seconds, "epoch": per_epoch, "accuracies": accuracies.tolist()}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
