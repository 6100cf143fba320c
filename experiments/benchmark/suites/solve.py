"""Solutions: Lasso paths against scikit-learn, celer, skglm and jaxopt, and many Lassos at once.

Every contender follows the same 100 strengths, each with a tolerance of its own at which the
duality gap is below one target at all of them. The gap is computed here, by one formula in float64,
from the coefficients that each returns, as scikit-learn measures it: beside ‖y‖²/n. The peers run
in one process, which waits while others run; what they and this project compile is compiled before.
Peers that take long run in one round, beside the path.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console

from experiments.benchmark.suites import PEERS, ROOT, Recorder
from experiments.benchmark.tables import Column, Target, as_json, table, target_table
from experiments.benchmark.timing import Sample, Timings, interleave
from experiments.config import ConfigError
from experiments.formatting import in_seconds
from jaxreg import l1, path, solve

PACKAGES = ()
MODULES = ("sklearn", "celer", "skglm", "jaxopt", "joblib")  # of the peers' environment
OURS, GRAM = "jaxreg path", "jaxreg path, through the Gram matrix"
NAMES = {
    "scikit-learn lasso_path": "sklearn",
    "celer": "celer",
    "skglm": "skglm",
    "jaxopt ProximalGradient": "jaxopt",
}
SKLEARN, CELER, SKGLM, JAXOPT = NAMES
MANY, LOOP = "jaxreg solve, vmap", "scikit-learn Lasso, joblib"
BEHIND = (SKLEARN, JAXOPT, LOOP)  # are to be
GAP = 1e-4  # beside ‖y‖²/n
COUNT, PROBLEMS = 100, 64


@dataclasses.dataclass(frozen=True)
class Case:
    """A problem, and the tolerance with which each contender reaches the gap."""

    examples: int
    features: int
    correlation: float
    ratio: float  # of the last strength to the first
    tolerances: Mapping[str, float]
    once: Mapping[str, float]  # of those that run in one round
    dtype: str = "float64"

    def data(self, quick: bool) -> dict[str, np.ndarray]:
        """Neighbouring features are correlated, 50 are relevant, noise is a third of the signal."""
        n, p = (max(size // (50 if quick else 1), 60) for size in (self.examples, self.features))
        random = np.random.default_rng(0)
        x = random.standard_normal((n, p))
        for j in range(1, p if self.correlation else 0):
            x[:, j] = self.correlation * x[:, j - 1] + (1 - self.correlation**2) ** 0.5 * x[:, j]
        w = np.zeros(p)
        w[random.choice(p, 50, replace=False)] = random.standard_normal(50)
        noise = random.standard_normal(n)
        y = x @ w + np.linalg.norm(x @ w) / np.linalg.norm(noise) / 3 * noise
        x, y = x.astype(self.dtype), y.astype(self.dtype)
        top = np.max(np.abs(x.T @ y)) / n
        alphas = np.geomspace(top, self.ratio * top, 5 if quick else COUNT, dtype=self.dtype)
        return {"x": x, "y": y, "alphas": alphas}


CASES = {
    "dense, 2,000 × 5,000": Case(
        *(2000, 5000, 0.0, 0.01),
        {OURS: 4e-5, SKLEARN: 1e-4, CELER: 1e-4},
        {OURS: 4e-5, SKGLM: 3e-5, JAXOPT: 3e-4},
    ),
    "correlated, 2,000 × 5,000": Case(
        *(2000, 5000, 0.95, 0.01),
        {OURS: 5e-6, SKLEARN: 1e-4, CELER: 1e-4},
        {OURS: 5e-6, SKGLM: 3e-5, JAXOPT: 3e-5},
    ),
    "tall, 100,000 × 200": Case(
        *(100_000, 200, 0.0, 0.001),
        {GRAM: 4e-5, SKLEARN: 1e-4},
        {GRAM: 4e-5, OURS: 4e-5, CELER: 1e-4, JAXOPT: 1e-4},
    ),
    "dense, 2,000 × 5,000, float32": Case(
        *(2000, 5000, 0.0, 0.01), {OURS: 4e-5, SKLEARN: 1e-4}, {}, "float32"
    ),
}


def run(
    repeats: int, quick: bool, console: Console, record: Recorder, *, peers: Path | None = None
) -> dict[str, object]:
    """Measures, prints the tables, and returns what is to be saved.

    Args:
      repeats: rounds, in each of which every contender runs once.
      quick: small problems and five strengths: shows that it works.
      console: where to print.
      record: called with each sample as soon as it is there.
      peers: the interpreter that has the peers; this one if None.

    Raises:
      ConfigError: if a peer is not installed there.
    """
    python = str(peers or sys.executable)
    check(python)
    results: dict[str, Any] = {"gap": GAP}
    with tempfile.TemporaryDirectory() as folder, served(python, Path(folder)) as ask:
        for name, case in CASES.items():
            solvers = _paths(case.data(quick), ask)
            results[name] = _measured(name, solvers, case.tolerances, repeats, console, record)
            if case.once:
                beside = f"{name}, one round"
                results[beside] = _measured(beside, solvers, case.once, 1, console, record)
        solvers = _many(ask)
        tolerances = {MANY: 1e-4, LOOP: 1e-4}
        name = f"{PROBLEMS} Lassos, 500 × 100"
        results[name] = _measured(name, solvers, tolerances, repeats, console, record)
    return results


def check(python: str) -> None:
    """Stops before anything runs if a peer is missing.

    Raises:
      ConfigError: naming what to install.
    """
    program = f"import importlib.util as u; print(*[n for n in {MODULES} if not u.find_spec(n)])"
    missing = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True)
    if missing.stdout.strip():
        raise ConfigError(
            f"--suite solve: expected {', '.join(MODULES)} to be installed for {python}, but "
            f"{', '.join(missing.stdout.split())} is missing; make an environment, "
            f"pip install scikit-learn celer skglm jaxopt, and name its Python by --peers"
        )


# --- measuring ---

Answer = tuple[np.ndarray, Sample]
Solver = Callable[[float], Answer]  # of a tolerance: coefficients [strengths, features], times
Ask = Callable[[str, Mapping[str, np.ndarray], float], Answer]


@dataclasses.dataclass(frozen=True)
class Solvers:
    """The contenders for one problem, and the gap of what they return."""

    solvers: Mapping[str, Solver]
    gap: Callable[[np.ndarray], float]

    def sample(self, name: str, tolerance: float) -> Sample:
        found, times = self.solvers[name](tolerance)
        return {**times, "gap": self.gap(found)}


def _measured(
    name: str,
    solvers: Solvers,
    tolerances: Mapping[str, float],
    rounds: int,
    console: Console,
    record: Recorder,
) -> dict[str, object]:
    """Samples in turns, and the table of them."""
    contenders = {c: functools.partial(solvers.sample, c, t) for c, t in tolerances.items()}

    def on_sample(contender: str, sample: Sample) -> None:
        record({"event": "sample", "problem": name, "contender": contender, **sample})
        seconds = in_seconds(sample["seconds"], 3)
        console.print(f"{name}: {contender}: {seconds}, gap {sample['gap']:.1e}", style="dim")

    timings = interleave(contenders, rounds, on_sample=on_sample)
    ours = next(iter(tolerances))
    columns = (
        Column("time", "seconds"),
        Column("to jaxreg", "seconds", ours),
        Column("of all cores", "cpu"),
    )
    targets = [Target("seconds", slower, ours, 1.0) for slower in BEHIND if slower in tolerances]
    console.print(table(f"{name}: {_reached(timings)}", timings, columns))
    if targets:
        console.print(target_table(timings, targets))
    return {"tolerances": dict(tolerances), **as_json(timings, columns, targets)}


def _reached(timings: Timings) -> str:
    """Whether all contenders have the gap that they are compared at."""
    worst = {name: max(timings.values("gap", name)) for name in timings.samples}
    above = [f"{name} {gap:.1e}" for name, gap in worst.items() if gap > GAP]
    return f"gap above {GAP:g}: {', '.join(above)}" if above else f"gap at most {GAP:g}"


def duality_gaps(x: Any, y: Any, alphas: Any, coefficients: Any) -> np.ndarray:
    """Of ½‖y − Xw‖²/n + α‖w‖₁ for each strength, beside ‖y‖²/n.

    The dual point is the residual, shrunk until no feature correlates with it by more than α.
    """
    x, y, alphas, w = (np.asarray(a, np.float64) for a in (x, y, alphas, coefficients))
    left = y[:, None] - x @ w.T
    shrink = np.minimum(1, alphas * len(y) / np.max(np.abs(x.T @ left), axis=0))
    primal = 0.5 * np.sum(left**2, axis=0) + len(y) * alphas * np.abs(w).sum(axis=1)
    dual = shrink * (y @ left) - 0.5 * shrink**2 * np.sum(left**2, axis=0)
    return (primal - dual) / (y @ y)


@contextmanager
def served(python: str, folder: Path) -> Iterator[Ask]:
    """The peers as a process that answers requests."""
    command = [python, str(PEERS / "lasso_paths.py")]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        requests, answers = process.stdin, process.stdout
        assert requests is not None
        assert answers is not None

        def ask(library: str, data: Mapping[str, np.ndarray], tolerance: float) -> Answer:
            given, output = folder / "data.npz", folder / "coefficients.npy"
            np.savez(given, x=data["x"], y=data["y"], alphas=data["alphas"])
            request = {"library": library, "tolerance": tolerance}
            request |= {"data": str(given), "output": str(output)}
            print(json.dumps(request), file=requests, flush=True)
            line = answers.readline()
            if not line:
                raise RuntimeError(f"{library}: expected an answer, but {command} has ended")
            return np.load(output), json.loads(line)

        yield ask
        requests.close()


# --- contenders ---


def squares(w: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    """½‖Xw − y‖²/n."""
    return 0.5 * jnp.mean((x @ w - y) ** 2)


def through_gram(w: jax.Array, gram: jax.Array, pull: jax.Array) -> jax.Array:
    """The same but for a constant, from XᵀX/n and Xᵀy/n."""
    return 0.5 * w @ (gram @ w) - pull @ w


def _paths(data: Mapping[str, np.ndarray], ask: Ask) -> Solvers:
    x, y, alphas = data["x"], data["y"], data["alphas"]

    def of_peer(library: str, tolerance: float) -> Answer:
        found, times = ask(library, data, tolerance)
        return found.T, times

    peers = {name: functools.partial(of_peer, library) for name, library in NAMES.items()}
    given = *_on_device(x, y), alphas
    ours = {
        OURS: functools.partial(_timed, functools.partial(_path, *given)),
        GRAM: functools.partial(_timed, functools.partial(_path_through_gram, *given)),
    }
    return Solvers(ours | peers, lambda w: float(duality_gaps(x, y, alphas, w).max()))


def _on_device(*arrays: np.ndarray) -> list[jax.Array]:
    """Where JAX wants its data, as the peers have theirs in the order of memory that they want."""
    with jax.enable_x64(True):
        return [jax.block_until_ready(jnp.asarray(a)) for a in arrays]


def _timed(solve: Callable[[float], Any], tolerance: float) -> Answer:
    """What is compiled has been: the first call is not counted."""
    with jax.enable_x64(True):
        if solve not in WARM:
            WARM.append(solve)
            jax.block_until_ready(solve(tolerance))
        started = time.perf_counter(), time.process_time()
        found = jax.block_until_ready(solve(tolerance))
        ended = time.perf_counter(), time.process_time()
    return np.asarray(found), {"seconds": ended[0] - started[0], "cpu": ended[1] - started[1]}


WARM: list[Any] = []


def _path(x: Any, y: Any, alphas: Any, tolerance: float) -> jax.Array:
    return _followed(squares, (x, y), alphas, tolerance)


def _path_through_gram(x: Any, y: Any, alphas: Any, tolerance: float) -> jax.Array:
    return _followed(through_gram, _moments(x, y), alphas, tolerance)


@jax.jit
def _moments(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    gram = jax.lax.dot_general(x, x, (((0,), (0,)), ((), ())))
    return gram / len(y), (y @ x) / len(y)


def _followed(loss: Any, args: Any, alphas: Any, tolerance: float) -> jax.Array:
    start = jnp.zeros(args[0].shape[1], args[0].dtype)
    options: dict[str, Any] = {"tolerance": tolerance, "degrees_of_freedom": False}
    return path(loss, l1, start, *args, strengths=alphas, **options).params


def _many(ask: Ask) -> Solvers:
    """Many problems at once, one strength each."""
    random = np.random.default_rng(1)
    x = random.standard_normal((PROBLEMS, 500, 100))
    y = x[:, :, :10].sum(axis=2) + random.standard_normal((PROBLEMS, 500))
    alphas = 0.05 * np.max(np.abs(np.einsum("pnf,pn->pf", x, y)), axis=1) / 500
    data = {"x": x, "y": y, "alphas": alphas}

    @jax.jit
    def side_by_side(x: Any, y: Any, alphas: Any, tolerance: Any) -> Any:
        def one(x: Any, y: Any, alpha: Any) -> Any:
            return solve(squares, alpha * l1, jnp.zeros(100), x, y, tolerance=tolerance).params

        return jax.vmap(one)(x, y, alphas)

    def gap(w: np.ndarray) -> float:
        each = zip(x, y, alphas, w, strict=True)
        return max(float(duality_gaps(x, y, [a], w[None])[0]) for x, y, a, w in each)

    given = _on_device(x, y, alphas)
    ours = functools.partial(_timed, functools.partial(side_by_side, *given))
    return Solvers({MANY: ours, LOOP: functools.partial(ask, "joblib_loop", data)}, gap)
