"""Makes `sklearn_example.npz`: scikit-learn's own run of its example on sparse digits.

The example is *MNIST classification using multinomial logistic + L1*: 5,000 digits, standardised,
``C = 50/5000``, SAGA with ``tol=0.1``. Stored are accuracy on 10,000 others and coefficients
[class, pixel] of that run, and of one that goes on from there to smaller and
smaller tolerances until it has converged; each is stored when it is reached. Some minutes:

    python -m experiments.path.make_sklearn_example
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from experiments.path.sklearn_example import PULL, REFERENCE, TRAIN, digits

PUBLISHED, CONVERGED = 0.1, (1e-2, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5)
SETTINGS: Any = {"C": PULL / TRAIN, "l1_ratio": 1, "solver": "saga", "random_state": 0}
MOST_PASSES = 5000


def main() -> None:
    data, passes = digits(), 0
    found: dict[str, Any] = {"version": sklearn.__version__}
    model = LogisticRegression(**SETTINGS, max_iter=MOST_PASSES, warm_start=True)
    for tolerance in (PUBLISHED, *CONVERGED):
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            model.set_params(tol=tolerance).fit(data.train, data.train_labels)
        passes += int(np.max(model.n_iter_))
        kind = "published" if tolerance == PUBLISHED else "converged"
        score = model.score(data.test, data.test_labels)
        reached = {
            "coefficients": model.coef_,
            "intercept": model.intercept_,
            "accuracy": score,
            "passes": passes,
            "tolerance": tolerance,
        }
        found |= {f"{kind}_{name}": value for name, value in reached.items()}
        np.savez_compressed(REFERENCE, **found)
        zeros = np.mean(model.coef_ == 0)
        print(f"tol {tolerance:g}: {passes:,} passes, accuracy {score:.4f}, zeros {zeros:.4f}")


if __name__ == "__main__":
    main()
