"""The networks of the main job in PyTorch: the same layers, weights, batches and decay.

What is drawn is drawn by NumPy as the main job draws it, leaf after leaf and epoch after epoch, so
both train the same network on the same batches from the same seed. Written to be fast: data in
memory, an epoch gathered at once, convolutions in channels-last order, attention by PyTorch's own
kernel, the optimizer as one kernel, no number read back before the epoch is over. Standalone: it
imports nothing of this project. The last line printed is one JSON object with the measured seconds.

    python peers/torch_models.py --model cnn --threads 2 --epochs 3
    python peers/torch_models.py --model rnn --compile
    python peers/torch_models.py --model transformer --hidden 8 --logits 2
"""

# ruff: noqa: E402 (the clock starts before the imports that it measures)

import time

STARTED = time.perf_counter()

import argparse
import gzip
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

IMPORT_SECONDS = time.perf_counter() - STARTED
MNIST = Path(__file__).parents[2] / "assets" / "mnist"
BATCH_SIZE, CLASSES, SIDE, GRID, AT_ONCE = 64, 10, 28, 4, 1000


# --- the networks, of images [n, 1, 28, 28] ---


class MLP(nn.Sequential):
    def __init__(self, hidden: int) -> None:
        layers = nn.Linear(SIDE**2, hidden), nn.ReLU(), nn.Linear(hidden, CLASSES)
        super().__init__(nn.Flatten(), *layers)

    def named(self) -> dict[str, nn.Module]:
        return {"fc1": self[1], "fc2": self[3]}


class CNN(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        first, second = hidden // 8, hidden // 4
        self.conv1 = nn.Conv2d(1, first, 3, padding=1)
        self.conv2 = nn.Conv2d(first, second, 3, padding=1)
        self.fc = nn.Linear((SIDE // 4) ** 2 * second, hidden)
        self.output = nn.Linear(hidden, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.output(F.relu(self.fc(x.permute(0, 2, 3, 1).flatten(1))))

    def named(self) -> dict[str, nn.Module]:
        return dict(self.named_children())


class RNN(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.gru = nn.GRU(SIDE, hidden, batch_first=True)
        self.output = nn.Linear(hidden, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.gru(x.squeeze(1))[1].squeeze(0))

    def named(self) -> dict[str, nn.Module]:
        gates = {"gru": Leaves(self.gru.weight_hh_l0, self.gru.bias_hh_l0)}
        rows = {"input": Leaves(self.gru.weight_ih_l0, self.gru.bias_ih_l0)}
        return {**gates, **rows, "output": self.output}


class Leaves(nn.Module):
    """Parameters of a layer that are not called weight and bias."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = weight, bias


class Block(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.heads = math.gcd(4, width)

    def forward(self, x: Tensor) -> Tensor:
        n, patches, width = x.shape
        split = self.qkv(self.norm1(x)).view(n, patches, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*split.unbind())
        x = x + self.out(mixed.transpose(1, 2).reshape(n, patches, width))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x)), approximate="tanh"))


class Transformer(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        width = hidden // 2
        self.patches = nn.Linear((SIDE // GRID) ** 2, width)
        self.positions = nn.Parameter(torch.zeros(GRID**2, width))
        self.block1, self.block2 = Block(width, hidden), Block(width, hidden)
        self.norm, self.output = nn.LayerNorm(width), nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        part = SIDE // GRID
        x = x.view(-1, GRID, part, GRID, part).transpose(2, 3).reshape(-1, GRID**2, part**2)
        x = self.block2(self.block1(self.patches(x) + self.positions))
        return self.output(self.norm(x).mean(1))

    def named(self) -> dict[str, nn.Module]:
        return dict(self.named_children())


NETWORKS = {"mlp": MLP, "cnn": CNN, "rnn": RNN, "transformer": Transformer}


# --- the weights that the main job starts from ---


@torch.no_grad()
def start(model: nn.Module, generator: np.random.Generator) -> None:
    """Layer after layer in the order of their names: uniform ±1/√inputs, biases before weights."""
    named = model.named()
    if isinstance(model, Transformer):
        named["positions"] = None
    for name in sorted(named):
        if name == "positions":
            model.positions.copy_(_tensor(generator.standard_normal(model.positions.shape) * 0.02))
        elif isinstance(named[name], Block):
            _start_block(named[name], generator)
        elif not isinstance(named[name], nn.LayerNorm):
            _start_layer(named[name].weight, named[name].bias, generator)


def _start_block(block: Block, generator: np.random.Generator) -> None:
    """Attention comes first: its layers are key, out, query and value."""
    width = block.out.in_features
    rows = {
        name: slice(i * width, (i + 1) * width) for i, name in enumerate(("query", "key", "value"))
    }
    for name in ("key", "out", "query", "value"):
        layer, part = (block.out, slice(None)) if name == "out" else (block.qkv, rows[name])
        _start_layer(layer.weight[part], layer.bias[part], generator)
    for layer in (block.fc1, block.fc2):
        _start_layer(layer.weight, layer.bias, generator)


def _start_layer(weight: Tensor, bias: Tensor, generator: np.random.Generator) -> None:
    """The main job's kernels are [rows, columns, inputs, outputs] or [inputs, outputs]."""
    bound = weight[0].numel() ** -0.5
    shape = (*weight.shape[2:], weight.shape[1], weight.shape[0])
    bias.copy_(_tensor(generator.uniform(-bound, bound, bias.shape)))
    kernel = _tensor(generator.uniform(-bound, bound, shape))
    weight.copy_(kernel.permute(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))


# --- training ---


def load(split: str, folder: Path) -> tuple[Tensor, Tensor]:
    """Images float32 [n, 1, 28, 28] in [0, 1] and labels int64 [n]."""
    images = gzip.decompress((folder / f"{split}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{split}-labels-idx1-ubyte.gz").read_bytes())
    pixels = torch.frombuffer(bytearray(images[16:]), dtype=torch.uint8).view(-1, 1, SIDE, SIDE)
    classes = torch.frombuffer(bytearray(labels[8:]), dtype=torch.uint8)
    return pixels.float().div_(255), classes.long()


def shuffled(
    images: Tensor, labels: Tensor, seed: int, epoch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of an epoch, gathered at once, each a view; the last one is short."""
    key = [seed >> 32, seed & 0xFFFFFFFF]
    order = torch.from_numpy(np.random.default_rng([*key, epoch]).permutation(len(labels)))
    yield from zip(images[order].split(BATCH_SIZE), labels[order].split(BATCH_SIZE), strict=True)


Step = Callable[[Tensor, Tensor], Tensor]
"""Of images and labels: their data loss before the update."""


def make_step(
    model: nn.Module, forward: nn.Module, options: argparse.Namespace, steps: int
) -> Step:
    """Adam or SGD with decay in the gradient, and the learning rate by a half cosine to 0."""
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[options.optimizer]
    rate, decay = options.learning_rate, options.weight_decay
    optimizer = kind(model.parameters(), lr=rate, weight_decay=decay, fused=True)
    rates = [rate * 0.5 * (1 + math.cos(math.pi * step / steps)) for step in range(steps)]
    count = iter(rates if options.schedule == "cosine" else [rate] * steps)

    def step(images: Tensor, labels: Tensor) -> Tensor:
        optimizer.param_groups[0]["lr"] = next(count)
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(forward(images), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


@torch.no_grad()
def evaluate(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The percentage of images classified correctly."""
    pieces = zip(images.split(AT_ONCE), labels.split(AT_ONCE), strict=True)
    right = [(model(some).argmax(dim=1) == wanted).sum() for some, wanted in pieces]
    return 100 * torch.stack(right).sum().item() / len(labels)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=tuple(NETWORKS), default="mlp")
    parser.add_argument("--threads", type=int, default=2, help="threads of one operation")
    parser.add_argument("--compile", action="store_true", help="forward and backward by inductor")
    parser.add_argument("--logits", type=int, help="print those of so many test images, no more")
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--optimizer", choices=("sgd", "adam"), default="adam")
    parser.add_argument("--schedule", choices=("constant", "cosine"), default="cosine")
    parser.add_argument("--learning-rate", type=float, default=0.001)
    parser.add_argument("--weight-decay", type=float, default=1e-4)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=Path, default=MNIST, help="folder of the four idx files")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)

    started = time.perf_counter()
    images, labels = load("train", options.images)
    test = load("t10k", options.images)
    data_seconds = time.perf_counter() - started

    model = NETWORKS[options.model](options.hidden)
    start(model, np.random.default_rng(options.seed))
    model = model.to(memory_format=torch.channels_last) if options.model == "cnn" else model
    count = sum(weight.numel() for weight in model.parameters())
    # By a shape of its own the short last batch is a second program.
    forward = torch.compile(model, dynamic=False) if options.compile else model
    steps = -(-len(labels) // BATCH_SIZE) * options.epochs
    step = make_step(model, forward, options, steps)
    if options.logits:
        found = model(test[0][: options.logits]).tolist()
        print(json.dumps({"parameters": count, "logits": found}))
        return

    epoch_seconds, losses, accuracies = [], [], []
    for epoch in range(options.epochs):
        started = time.perf_counter()
        found = [step(*batch) for batch in shuffled(images, labels, options.seed, epoch)]
        losses.append(torch.stack(found).double().mean().item())
        accuracies.append(evaluate(forward, *test))
        epoch_seconds.append(time.perf_counter() - started)
        print(f"Epoch {epoch + 1}, Average Loss: {losses[-1]:.4f}")
        print(f"Test Accuracy: {accuracies[-1]:.2f}%", flush=True)

    result = {
        "epoch_seconds": epoch_seconds,
        "evaluate_included": True,
        "import_seconds": IMPORT_SECONDS,
        "data_seconds": data_seconds,
        "parameters": count,
        "accuracy": accuracies[-1],
        "loss": losses[-1],
        "accuracies": accuracies,
        "losses": losses,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
