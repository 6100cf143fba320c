"""Makes `sklearn_example.npz`: scikit-learn's own run of its example on sparse digits.

The example is *MNIST classification using multinomial logistic + L1*: 5,000 digits, standardised,
``C = 50/5000``, SAGA with ``tol=0.1``. Stored are accuracy on 10,000 others and coefficients
[class, pixel] of that run, and of one that has converged. It takes some minutes:

    python -m experiments.path.make_sklearn_example
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression

from experiments.path.sklearn_example import PULL, REFERENCE, TRAIN, Digits, digits

PUBLISHED, CONVERGED = 0.1, 1e-6
C = PULL / TRAIN
MOST_PASSES = 5000


def run(data: Digits, tolerance: float) -> dict[str, Any]:
    """What scikit-learn finds."""
    settings: Any = {"l1_ratio": 1, "solver": "saga", "max_iter": MOST_PASSES, "random_state": 0}
    started = time.perf_counter()
    model = LogisticRegression(C=C, tol=tolerance, **settings).fit(data.train, data.train_labels)
    score = model.score(data.test, data.test_labels)
    passes, took = int(np.max(model.n_iter_)), time.perf_counter() - started
    print(f"tol {tolerance:g}: {passes} passes, {took:.0f} s, accuracy {score:.4f}, ", end="")
    print(f"zeros {np.mean(model.coef_ == 0):.4f}")
    return {
        "coefficients": model.coef_,
        "intercept": model.intercept_,
        "accuracy": score,
        "passes": passes,
        "tolerance": tolerance,
    }


def main() -> None:
    data = digits()
    published, converged = run(data, PUBLISHED), run(data, CONVERGED)
    np.savez_compressed(
        REFERENCE,
        version=sklearn.__version__,
        **{f"published_{name}": value for name, value in published.items()},
        **{f"converged_{name}": value for name, value in converged.items()},
    )


if __name__ == "__main__":
    main()
