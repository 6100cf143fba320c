"""Lasso paths and many Lassos with scikit-learn, celer, skglm and jaxopt, on request.

Each line of input is a JSON object: ``library``, ``data`` (an .npz file with x, y and alphas),
``tolerance`` and ``output`` (where the coefficients go, .npy, features by strengths). What a
library compiles is compiled before it is timed, and the data are in the order of memory, or on the
device, that it wants. Each line of output is a JSON object with the
``seconds`` and ``cpu`` of the path. Standalone: it imports nothing of this project, and each
library only when it is asked for.

    echo '{"library": "celer", "data": "d.npz", "tolerance": 1e-4, "output": "w.npy"}' |
        python peers/lasso_paths.py
"""

import json
import sys
import time
import warnings

import numpy as np

MOST = 100_000  # iterations of scikit-learn and jaxopt: none that counts stops for them


def sklearn(x, y, alphas, tolerance):
    from sklearn.linear_model import lasso_path

    return lasso_path(x, y, alphas=alphas, tol=tolerance, max_iter=MOST)[1]


def celer(x, y, alphas, tolerance):
    from celer import celer_path

    return celer_path(x, y, pb="lasso", alphas=alphas, tol=tolerance, max_iter=1000)[1]


def skglm(x, y, alphas, tolerance):
    from skglm.datafits import Quadratic
    from skglm.penalties import L1
    from skglm.solvers import AndersonCD

    solver = AndersonCD(tol=tolerance * float(alphas[0]), fit_intercept=False, max_iter=1000)
    return solver.path(x, y, Quadratic(), L1(1.0), alphas=alphas)[1]


def jaxopt_path(x, y, alphas, tolerance):
    """Each strength from the solution at the one before, as one program, compiled once."""
    import jax
    from jax import numpy as jnp
    from jaxopt import ProximalGradient, prox

    jax.config.update("jax_enable_x64", x.dtype == np.float64)
    arrays = [jnp.asarray(np.ascontiguousarray(a)) for a in (x, y, alphas)]

    def loss(w, data):
        return 0.5 * jnp.mean((data[0] @ w - data[1]) ** 2)

    def path(x, y, alphas):
        solver = ProximalGradient(loss, prox.prox_lasso, maxiter=MOST, tol=tolerance)

        def step(w, alpha):
            w = solver.run(w, alpha, (x, y)).params
            return w, w

        return jax.lax.scan(step, jnp.zeros(x.shape[1], x.dtype), alphas)[1]

    key = (x.shape, x.dtype.str, tolerance)
    if key not in PROGRAMS:
        PROGRAMS[key] = jax.jit(path).lower(*arrays).compile()
    return lambda: np.asarray(PROGRAMS[key](*arrays)).T


PROGRAMS = {}


def joblib_loop(x, y, alphas, tolerance):
    """One Lasso for each problem, on all cores; x is [problems, examples, features]."""
    from joblib import Parallel, delayed
    from sklearn.linear_model import Lasso

    def fit(x, y, alpha):
        model = Lasso(alpha=alpha, tol=tolerance, max_iter=MOST, fit_intercept=False)
        return model.fit(x, y).coef_

    return np.stack(Parallel(n_jobs=-1)(map(delayed(fit), x, y, alphas)))


LIBRARIES = {f.__name__: f for f in (sklearn, celer, skglm, joblib_loop)}


def prepared(library, x, y, alphas, tolerance, warm):
    """What is to be timed, compiled."""
    if library == "jaxopt":
        return jaxopt_path(x, y, alphas, tolerance)
    if (library, x.dtype.str) not in warm:
        warm.add((library, x.dtype.str))
        some = x[:2] if x.ndim == 3 else np.asfortranarray(x[:50, :20])
        LIBRARIES[library](some, y[: len(some)], alphas[:2], 1e-2)
    return lambda: LIBRARIES[library](x, y, alphas, tolerance)


def answer(request, warm):
    data = np.load(request["data"])
    x, y, alphas = data["x"], data["y"], data["alphas"]
    problem = (x if x.ndim == 3 else np.asfortranarray(x), y, alphas, request["tolerance"])
    run = prepared(request["library"], *problem, warm)
    started = time.perf_counter(), time.process_time()
    found = run()
    ended = time.perf_counter(), time.process_time()
    np.save(request["output"], found)
    return {"seconds": ended[0] - started[0], "cpu": ended[1] - started[1]}


def main():
    warnings.simplefilter("ignore")  # of convergence: the gap is computed from what comes back
    warm = set()
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), warm)), flush=True)


if __name__ == "__main__":
    main()
