"""The tutorial's training with scikit-learn's `MLPClassifier`.

The same network, batches, learning rate and epochs as `torch_mission.py`. Three things differ and
cannot be chosen: Glorot initialisation, no decay of biases, and the average loss, which includes
the penalty. Standalone: it imports nothing of this project. The last line printed is one JSON
object with the measured seconds.

    python peers/sklearn_mlp.py --threads 2
"""

# ruff: noqa: E402 (the clock starts before the imports that it measures)

import time

STARTED = time.perf_counter()

import argparse
import gzip
import json
from pathlib import Path

import numpy as np
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

IMPORT_SECONDS = time.perf_counter() - STARTED
MNIST = Path(__file__).parents[2] / "assets" / "mnist"
BATCH_SIZE = 64


def load(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images float32 [n, 784] in [0, 1] and labels uint8 [n]."""
    images = gzip.decompress((MNIST / f"{split}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((MNIST / f"{split}-labels-idx1-ubyte.gz").read_bytes())
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784)
    return pixels.astype(np.float32) / 255, np.frombuffer(labels, np.uint8, offset=8)


def make_model(seed: int, weight_decay: float) -> MLPClassifier:
    return MLPClassifier(
        hidden_layer_sizes=(128,),
        solver="sgd",
        learning_rate_init=0.01,
        momentum=0,
        batch_size=BATCH_SIZE,
        # The penalty is alpha/2·‖w‖² divided by the samples of the batch, so its gradient is
        # alpha·w/64, where PyTorch adds weight_decay·w.
        alpha=weight_decay * BATCH_SIZE,
        # partial_fit starts an integer seed anew each time: every epoch would have the same order.
        random_state=np.random.RandomState(seed),
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="threads of one operation")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weight-decay", type=float, default=1e-4)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    started = time.perf_counter()
    images, labels = load("train")
    test_images, test_labels = load("t10k")
    data_seconds = time.perf_counter() - started

    model = make_model(options.seed, options.weight_decay)
    epoch_seconds, losses, accuracies = [], [], []
    with threadpool_limits(options.threads):
        for epoch in range(1, options.epochs + 1):
            started = time.perf_counter()
            # One epoch each call; fit would go on until its stopping rule and warn at the end.
            model.partial_fit(images, labels, classes=np.arange(10))
            losses.append(float(model.loss_))
            accuracies.append(100 * float(model.score(test_images, test_labels)))
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
