"""A strength chosen by cross-validation with scikit-learn's `GridSearchCV(MLPClassifier)`.

Folds × strengths × seeds of the mission's network on digits, by Adam. The penalty is λ·Σ‖w‖² of the
weights beside the mean over a batch; scikit-learn has α/2·‖w‖² beside its sum, so that α = 2·λ·64
(in a short last batch, which it divides by its own size, the penalty is larger). Its draws are its
own, from the distributions that the other contenders draw from. Standalone: it imports nothing of
this project. The last line printed is one JSON object: the seconds of the search, and the mean
held-out loss of each strength.

    python peers/sklearn_grid.py --jobs 2 --seeds 3
"""

# ruff: noqa: E402 (the clock starts before the imports that it measures)

import time

STARTED = time.perf_counter()

import argparse
import gzip
import json
import warnings
from pathlib import Path

import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier

IMPORT_SECONDS = time.perf_counter() - STARTED
MNIST = Path(__file__).parents[2] / "assets" / "mnist"
BATCH_SIZE = 64


def load(examples: int) -> tuple[np.ndarray, np.ndarray]:
    """The first training images, float32 [n, 784] in [0, 1], and their labels."""
    images = gzip.decompress((MNIST / "train-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((MNIST / "train-labels-idx1-ubyte.gz").read_bytes())
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784)[:examples]
    return pixels.astype(np.float32) / 255, np.frombuffer(labels, np.uint8, offset=8)[:examples]


def splits(examples: int, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Every so many-th image is held out."""
    held = [np.arange(fold, examples, folds) for fold in range(folds)]
    return [(np.setdiff1d(np.arange(examples), part), part) for part in held]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--examples", type=int, default=5000)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--strengths", type=int, default=20, help="from 1e-5 to 1e-2")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    return parser.parse_args()


def main() -> None:
    warnings.simplefilter("ignore")  # that so many epochs do not converge
    options = arguments()
    started = time.perf_counter()
    images, labels = load(options.examples)
    data_seconds = time.perf_counter() - started

    model = MLPClassifier(
        hidden_layer_sizes=(128,),
        solver="adam",
        learning_rate_init=0.001,
        batch_size=BATCH_SIZE,
        max_iter=options.epochs,
        n_iter_no_change=options.epochs + 1,
    )
    strengths = np.geomspace(1e-5, 1e-2, options.strengths)
    grid = {"alpha": 2 * BATCH_SIZE * strengths, "random_state": list(range(options.seeds))}
    search = GridSearchCV(
        model,
        grid,
        scoring="neg_log_loss",
        cv=splits(options.examples, options.folds),
        n_jobs=options.jobs,
        refit=False,
    )
    started = time.perf_counter()
    search.fit(images, labels)
    seconds = time.perf_counter() - started
    losses = -search.cv_results_["mean_test_score"].reshape(options.strengths, options.seeds)
    times = {"import_seconds": IMPORT_SECONDS, "data_seconds": data_seconds, "seconds": seconds}
    print(json.dumps({**times, "losses": losses.mean(axis=1).tolist()}))


if __name__ == "__main__":
    main()
