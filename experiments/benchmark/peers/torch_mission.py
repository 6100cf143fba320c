"""The tutorial's program in PyTorch, with a DataLoader over MNIST image by image.

The dataset does what torchvision's `MNIST` and `ToTensor` do to each image, so that the time it
takes is the time such a program takes; torchvision itself is not needed. Standalone: it imports
nothing of this project. The last line printed is one JSON object with the measured seconds.

    python peers/torch_mission.py --threads 1 --workers 0
"""

# ruff: noqa: E402 (the clock starts before the imports that it measures)

import time

STARTED = time.perf_counter()

import argparse
import gzip
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

IMPORT_SECONDS = time.perf_counter() - STARTED
MNIST = Path(__file__).parents[2] / "assets" / "mnist"
BATCH_SIZE = 64


class ToTensor:
    """A PIL image to a float tensor [channels, height, width] with values in [0, 1]."""

    def __call__(self, image: Image.Image) -> Tensor:
        pixels = torch.from_numpy(np.array(image, np.uint8, copy=True))
        channels_last = pixels.view(image.height, image.width, len(image.getbands()))
        return channels_last.permute(2, 0, 1).contiguous().to(torch.float32).div(255)


class MNISTImages(Dataset):
    """One split of MNIST, each item made anew: array, PIL image, transform."""

    def __init__(self, split: str, transform: ToTensor) -> None:
        images = gzip.decompress((MNIST / f"{split}-images-idx3-ubyte.gz").read_bytes())
        labels = gzip.decompress((MNIST / f"{split}-labels-idx1-ubyte.gz").read_bytes())
        self.images = torch.frombuffer(bytearray(images[16:]), dtype=torch.uint8).view(-1, 28, 28)
        self.labels = torch.frombuffer(bytearray(labels[8:]), dtype=torch.uint8).long()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.images[index].numpy())
        return self.transform(image), int(self.labels[index])


class SimpleNet(nn.Module):
    """784 → 128 → ReLU → 10."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 128)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = x.view(-1, 784)
        return self.fc2(self.relu(self.fc1(x)))


def train(
    model: nn.Module,
    loader: DataLoader,
    criterion: nn.Module,
    optimizer: torch.optim.Optimizer,
    device: str,
) -> float:
    """One epoch; returns the mean over batches of the data loss."""
    model.train()
    running_loss = 0.0
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    return running_loss / len(loader)


def evaluate(model: nn.Module, loader: DataLoader, device: str) -> float:
    """The percentage of images classified correctly."""
    model.eval()
    correct = 0
    total = 0
    with torch.no_grad():
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            predicted = model(images).argmax(dim=1)
            correct += (predicted == labels).sum().item()
            total += labels.size(0)
    return 100 * correct / total


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="threads of one operation")
    parser.add_argument("--workers", type=int, default=0, help="processes that load images")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weight-decay", type=float, default=1e-4)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)

    started = time.perf_counter()
    transform = ToTensor()
    train_set = MNISTImages("train", transform)
    test_set = MNISTImages("t10k", transform)
    data_seconds = time.perf_counter() - started
    train_loader = DataLoader(train_set, BATCH_SIZE, shuffle=True, num_workers=options.workers)
    test_loader = DataLoader(test_set, BATCH_SIZE, shuffle=False, num_workers=options.workers)

    model = SimpleNet().to(options.device)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, weight_decay=options.weight_decay)
    epoch_seconds, train_seconds, losses, accuracies = [], [], [], []
    for epoch in range(1, options.epochs + 1):
        started = time.perf_counter()
        losses.append(train(model, train_loader, criterion, optimizer, options.device))
        train_seconds.append(time.perf_counter() - started)
        accuracies.append(evaluate(model, test_loader, options.device))
        epoch_seconds.append(time.perf_counter() - started)
        print(f"Epoch {epoch}, Average Loss: {losses[-1]:.4f}")
        print(f"Test Accuracy: {accuracies[-1]:.2f}%", flush=True)

    result = {
        "epoch_seconds": epoch_seconds,
        "evaluate_included": True,
        "train_seconds": train_seconds,
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
