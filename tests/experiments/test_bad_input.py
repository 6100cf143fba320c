"""What is written, and the whole line that it is answered with: expected, received, remedy."""

from __future__ import annotations

import importlib
import shlex

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxreg
from tests.jaxreg.wrong_values import PARAMS, W, X, Y, loss, run, train

NAMES = {
    **{name: thing for name, thing in vars(jaxreg).items() if not name.startswith("_")},
    "jaxreg": jaxreg,
    "jnp": jnp,
    "np": np,
    "optax": optax,
    "PARAMS": PARAMS,
    "W": W,
    "X": X,
    "Y": Y,
    "loss": loss,
    "run": run,
    "train": train,
    "DECAY": jaxreg.decoupled_decay(0.1, 0.1),
    "POINTS": {"strength": np.array([0.1, 1.0])},
}
SETTINGS = {
    "mnist": "Config", "coupling": "StudyConfig", "claims": "ClaimsConfig", "path": "PathConfig",
    "combinations": "CombinationsConfig", "language": "LanguageConfig", "tune": "TuneConfig",
    "frameworks": "FrameworksConfig", "benchmark": "BenchmarkConfig", "tpu_plan": "PlanConfig",
}  # fmt: skip

LIBRARY = {
    "-1e-4 * l2": "strength: expected a finite number ≥ 0, got -0.0001",
    'float("nan") * l1': "strength: expected a finite number ≥ 0, got nan",
    '"1e-4" * l2': "strength: expected a number, got the string '1e-4'; write 1e-4 * l2",
    "[1e-4, 1e-3] * l2": (
        "strength: expected a number, got a list of 2 Python numbers; for a number for each"
        " leaf, entry or group write l2.weighted(weights); for many strengths map over an "
        "array: jax.vmap(lambda s: (s * l2)(params))(strengths)"
    ),
    "10**400 * l2": (
        "strength: expected a finite number ≥ 0, got 100000000000000000...0000000000000000000"
    ),
    "l2(1e-4)": (
        "l2: expected parameters (a pytree of arrays), got the number 0.0001; write 0.0001 "
        "* l2(params)"
    ),
    "l2(PARAMS, 1e-4)": (
        "l2: expected one argument, the parameters, got also 0.0001; write 0.0001 * l2(params)"
    ),
    'l2(PARAMS, where="kernel")': (
        "l2: expected one argument, the parameters, got also where=; write l2.on('kernel')(params)"
    ),
    "group_lasso(PARAMS)": (
        "group_lasso: expected axis, an integer or a tuple of integers, got a dict; write "
        "group_lasso(axis=…)(params)"
    ),
    'l2.on("kernal$")(PARAMS)': (
        "where: expected 'kernal$' to match at least one parameter, but it matches none of "
        "2; the nearest names are kernel, bias"
    ),
    'l2.on("[")': (
        "where: expected a regular expression, got '[' (unterminated character set at "
        "position 0); re.escape() quotes a literal name"
    ),
    "l2.on(3)": (
        "where: expected None, a regular expression, a function (name, leaf) -> bool or a "
        "tree of bools, got 3; for one leaf write its name, as in where('fc1/kernel$')"
    ),
    "l2([0.1])": (
        "l2: expected at least one floating-point array among the parameters, got a list of"
        " 1 Python number; make them arrays: jax.tree.map(lambda w: jnp.asarray(w, float), "
        "params)"
    ),
    'l2({"w": np.arange(3)})': (
        "l2: expected at least one floating-point array among the parameters, got a dict of"
        " 1 int64 array; integers are not trained: convert weights with .astype(float)"
    ),
    "l2.prox(PARAMS)": (
        "l2.prox: expected the arguments (params, step), got none for step; write "
        "l2.prox(params, step)"
    ),
    "l2.prox(PARAMS, -0.1)": "step: expected a finite number ≥ 0, got -0.1",
    "l2.prox(0.1, PARAMS)": (
        "l2: expected parameters and step, got them exchanged; write l2.prox(params, 0.1)"
    ),
    "l2 - l1": (
        "penalties: expected a number times a penalty, or a sum of penalties, got l2 - l1; "
        "apply the penalty to the parameters: l2(params) - l1(params)"
    ),
    "l2 / 2": (
        "penalties: expected a number times a penalty, or a sum of penalties, got l2 / 2; "
        "write (1 / 2) * l2"
    ),
    "jnp.array(1.0) + 0.1 * l2": (
        "penalties: expected a number times a penalty, or a sum of penalties, got (a "
        "float32 array of shape ()) + 0.1 * l2; apply the penalty to the parameters: loss +"
        " 0.1 * l2(params)"
    ),
    "elastic_net(0.1, 0.2)": (
        "elastic_net: expected the arguments (*, l1, l2), got 2 without a name; say which "
        "is which: elastic_net(l1=…, l2=…)"
    ),
    "huber(0)": ("huber: expected delta, a finite number > 0, got 0; write huber(delta=…)(params)"),
    "mcp(-1)": "mcp: expected gamma, a finite number > 0, got -1; write mcp(gamma=…)(params)",
    "box(1, 0)": "box: expected lower ≤ upper, got 1.0 and 0.0; exchange them",
    "max_norm(-1, 0)": (
        "max_norm: expected bound, a finite number ≥ 0, got -1; write max_norm(bound=…)(params)"
    ),
    "slope([1.0, 2.0])": (
        "slope: expected weights that are finite, ≥ 0 and decreasing, got [1. 2.]; sort "
        "them: weights[::-1] if they increase"
    ),
    "sparse_group_lasso(0, 1.5)": (
        "sparse_group_lasso: expected l1_ratio between 0 and 1, got 1.5; for free strengths"
        " write a * l1 + b * group_lasso(axis=0)"
    ),
    'orthogonal("diag")': (
        "orthogonal: expected mode, 'rows' or 'columns', got 'diag'; write "
        "orthogonal(mode='columns')(params)"
    ),
    "group_lasso(3)(PARAMS)": (
        "group_lasso(axis=3): expected an array with axis 3, got shape (2,) of float32 at "
        "bias; select the leaves that it is meant for, as in "
        "group_lasso(axis=3).on(weights)"
    ),
    'l2.around({"w": W})(PARAMS)': (
        "reference: expected a leaf 'bias', but there is none; the nearest is ['w']; leave "
        "the leaf out of the selection"
    ),
    'jaxreg.describe(PARAMS, "kernal")': (
        "where: expected 'kernal' to match at least one parameter, but it matches none of "
        "2; the nearest names are kernel, bias"
    ),
    "prox.l1(None, 0.1)": "prox.l1: w: expected an array of numbers, got None",
    "prox.l1(W, -1.0)": "prox.l1: step: expected a finite number ≥ 0, got -1.0",
    'prox.l1(W, "0.1")': "prox.l1: step: expected a number, got the string '0.1'",
    "prox.l1(np.arange(3), 0.1)": (
        "prox.l1: w: expected a floating-point array, got an int32 array of shape (3,); "
        "write jnp.asarray(w, float)"
    ),
    "prox.group_lasso(W, 0.1, axis=2)": (
        "prox.group_lasso: axis: expected axes of the shape (2, 2), each once, got 2"
    ),
    "prox.slope(W, 0.1, [1.0])": (
        "prox.slope: weights: expected one for each of the 4 entries, got a list of 1 Python number"
    ),
    'prox.box(W, float("nan"), 1.0)': (
        "prox.box: lower: expected a number, or ∞ for none, got nan"
    ),
    "prox.scad(W, 0.1, a=1.0)": "prox.scad: a: expected a number > 1, got 1.0",
    'decoupled_decay("0.1", 0.1)': (
        "decoupled_decay: expected rate to be a number or a schedule, got the string '0.1';"
        " write optax.chain(optimizer, decoupled_decay(rate, learning_rate)), with the "
        "learning rate of the optimizer, or 1.0 for decay that does not depend on it"
    ),
    "decoupled_decay(0.1)": (
        "decoupled_decay: expected the arguments (rate, learning_rate, *, where=None, "
        "reference=None, cautious=False), got none for learning_rate; write "
        "decoupled_decay(rate, learning_rate)"
    ),
    "decoupled_decay(-0.1, 0.1)": ("decoupled_decay, rate: expected a finite number ≥ 0, got -0.1"),
    'decoupled_decay(0.1, 0.1, cautious="no")': (
        "decoupled_decay: cautious: expected True or False, got the string 'no'"
    ),
    "add_penalty_gradient(1e-4)": (
        "add_penalty_gradient: expected a penalty such as 1e-4 * l2, got 0.0001; write "
        "add_penalty_gradient(0.0001 * l2)"
    ),
    "proximal_step(l1)": (
        "proximal_step: expected learning_rate or optimizer, got neither; write "
        "optax.chain(optimizer, proximal_step(penalty, learning_rate)) or "
        'proximal_step(penalty, optimizer=optax.adam(lr), metric="adam")'
    ),
    'proximal_step(l1, optimizer=optax.adam(0.1), metric="sgd")': (
        "proximal_step: expected metric='adam' with an optimizer, got 'sgd'; for the plain "
        "metric write optax.chain(optimizer, proximal_step(penalty, learning_rate))"
    ),
    "DECAY.update(PARAMS, DECAY.init(PARAMS))": (
        "decoupled_decay: expected the parameters, got None; call optimizer.update(grads, "
        "state, params)"
    ),
    "project(l2)": (
        "project: expected a constraint, which has no strength, got the penalty l2; write "
        "proximal_step(l2, learning_rate)"
    ),
    "regularized(0.5, l2)": (
        "regularized: expected the function loss(params, …), got 0.5; give the function, "
        "not its value: regularized(loss, 1e-4 * l2)"
    ),
    "regularized(loss, 1e-4)": (
        "regularized: expected a penalty such as 1e-4 * l2, got 0.0001; for a strength s "
        "write regularized(loss, s * l2)"
    ),
    'regularized(loss, l2, has_aux="yes")': (
        "regularized: has_aux: expected True or False, got the string 'yes'"
    ),
    "solve(0.1 * l1, loss, PARAMS)": (
        "solve: expected a loss and a penalty, got them exchanged; write solve(loss, 0.1 * "
        "l1, params, …)"
    ),
    "solve(loss, 0.1 * l1, PARAMS, max_steps=0)": (
        "solve: max_steps: expected an integer of at least 1, got 0"
    ),
    "solve(loss, 0.1 * l1, PARAMS, tolerance=-1.0)": (
        "tolerance: expected a finite number ≥ 0, got -1.0"
    ),
    "path(loss, l1, PARAMS, strengths=[-1.0])": (
        "strengths: expected a finite number ≥ 0, got -1.0"
    ),
    "path(loss, l1, PARAMS, strengths=0.1)": (
        "path: strengths: expected a series of numbers such as [1.0, 0.1], got 0.1; for one"
        " strength write solve(loss, strength * penalty, params, …)"
    ),
    "path(loss, l1, PARAMS, count=1)": "path: count: expected an integer of at least 2, got 1",
    "grid()": "grid: expected axes, got none; write grid(strength=[1e-4, 1e-3])",
    "grid(strength=0.1)": (
        "grid: strength: expected a sequence of values, got 0.1; write strength=[0.1]"
    ),
    'sweep(run, {"a": [1], "b": [1, 2]})': (
        "sweep: points['a'][0]: expected an array with one entry for each point, got the "
        "single value 1; write np.array([...])"
    ),
    "sweep(POINTS, run)": (
        "sweep: expected a function train(point, *shared), got {'strength': array([0.1, 1. "
        "])}; points come second"
    ),
    "sweep(run, POINTS, per_device=0)": (
        'sweep: per_device: expected "auto" or an integer of at least 1, got 0'
    ),
    'sweep(run, POINTS, mesh="cpu")': (
        "sweep: mesh: expected a jax.sharding.Mesh, such as "
        "jax.sharding.Mesh(jax.devices(), ('run',)), got the string 'cpu'"
    ),
    'sweep(run, POINTS, compiler_options="fast")': (
        "sweep: compiler_options: expected a dictionary of values by name, or None, got the"
        " string 'fast'"
    ),
    "audit(PARAMS, optax.sgd(0.1))": (
        "audit: expected an optimizer and the parameters, got them exchanged; write "
        "audit(optimizer, params)"
    ),
    "audit(optax.sgd(0.1), PARAMS, steps=1)": (
        "audit: expected steps ≥ 2, to see what is kept of step 0, got 1"
    ),
    'audit(optax.sgd, PARAMS, learning_rates=(0.1, float("nan")))': (
        "audit: expected two or more different learning_rates > 0, got (0.1, nan); leave "
        "them out for (0.001, 0.002)"
    ),
    'tune.cross_validate(train, {"strength": [-1.0, 1.0]}, X, Y)': (
        "cross_validate: strength: expected a finite number ≥ 0, got -1.0"
    ),
    "tune.cross_validate(train, POINTS, X, Y, folds=99)": (
        "folds: expected at least as many examples as folds, got 6 examples for 99 folds; "
        "write count=6 to leave out one at a time"
    ),
    'tune.cross_validate(train, POINTS, X, Y, rule="best")': (
        'cross_validate: rule: expected "minimum" or "one_standard_error" (the largest '
        "strength within one standard error of the minimum), got 'best'"
    ),
    "tune.cross_validate(train, POINTS, X, Y, average=3)": (
        'cross_validate: average: expected names of points such as ("seed", "key"), got 3'
    ),
    "tune.cross_validate(train, POINTS, X, Y, journal=3)": (
        "cross_validate: journal: expected a path of a file, got 3"
    ),
    'tune.bayesian(train, {"strength": (1.0, 0.1)}, X, Y)': (
        "bayesian: space: strength: expected low < high, got 1.0 and 0.1"
    ),
    'tune.bayesian(train, {"strength": (0.0, 0.1)}, X, Y)': (
        "bayesian: space: strength: expected a range above 0, which has a logarithm, got "
        "0.0 to 0.1; write tune.linear(0.0, 0.1), or begin with a small number"
    ),
    'tune.bayesian(train, None, X, Y, sampler="grid")': (
        'bayesian: sampler: expected "gp", "tpe" or a sampler of Optuna, got \'grid\''
    ),
    "tune.bayesian(train, None, X, Y, per_device=0)": (
        'bayesian: per_device: expected "auto" or an integer of at least 1, got 0'
    ),
    "tune.folds(3, 5)": (
        "folds: expected at least as many examples as folds, got 3 examples for 5 folds; "
        "write count=3 to leave out one at a time"
    ),
    "tune.folds(10, seed=None)": "folds: seed: expected an integer of at least 0, got None",
    "tune.holdout(10, 1.5)": (
        "holdout: share: expected a number between 0 and 1 that leaves examples on both "
        "sides, got 1.5 of 10 examples"
    ),
    "tune.strengths(0, 1)": "strengths: low: expected a number > 0, got 0",
    "tune.ridge_path(X, Y[:3], [0.1])": (
        "ridge_path: targets: expected shape (6,) or (6, targets), one for each row of "
        "features, got a float32 array of shape (3,)"
    ),
    'tune.evidence("x", Y)': "evidence: features: expected an array, got the string 'x'",
    'tune.weighted_mean(["a"], [1.0])': (
        "weighted_mean: losses: expected an array of numbers, got a list of 1 string"
    ),
    'tune.hypergradient(train, {"strength": -1.0}, X, Y)': (
        "hypergradient: strength: expected finite numbers ≥ 0, got -1.0"
    ),
    'convert.to_torch_weight_decay("1e-4")': ("strength: expected a number, got the string '1e-4'"),
    "convert.to_ridge_alpha(0.1, examples=2.5)": ("examples: expected a whole number > 0, got 2.5"),
    'convert.to_ridge_alpha(0.1, 10, half="no")': (
        "to_ridge_alpha: half: expected True or False, got the string 'no'"
    ),
    'convert.to_logistic_c(0.1, 10, norm="l3")': "norm: expected 'l2' or 'l1', got 'l3'",
    "convert.to_elastic_net(l1=0, l2=0)": "l1 + 2·l2: expected a number > 0, got 0",
    "convert.to_paper_decay(0.1, 0.1, 1.0)": "momentum: expected a number < 1, got 1.0",
    "diagnostics.norms(None)": (
        "diagnostics: expected at least one floating-point array among the parameters, got "
        "None; pass the parameters that the loss is differentiated by"
    ),
    'diagnostics.sparsity(PARAMS, axis="0")': (
        "sparsity: axis: expected an integer or a tuple of integers, got the string '0'"
    ),
    "diagnostics.sparsity(PARAMS, axis=1)": (
        "sparsity: expected an array with axis 1, got shape (2,) at bias; select the leaves"
        " that are meant: where=jaxreg.weights"
    ),
    'diagnostics.optimality(l1, PARAMS, {"kernel": W})': (
        "grads: expected a tree like the parameters, with shape (2,) at bias, got nothing"
    ),
    "diagnostics.optimality(l1, PARAMS, PARAMS, step=0)": (
        "step: expected a positive number, got 0; take the learning rate"
    ),
    'diagnostics.effective_learning_rate(0.1, PARAMS, "adamw")': (
        "effective_learning_rate: expected optimizer 'sgd', 'adam' or 'lion', got 'adamw'; "
        "'sgd' if its step grows with the gradient, 'adam' if it does not"
    ),
    "diagnostics.degrees_of_freedom(Y, 0.1)": (
        "degrees_of_freedom: expected features of shape (examples, features), got (6,); "
        "flatten each example: x.reshape(len(x), -1)"
    ),
    'testing.check_penalty("l2")': (
        "check_penalty: penalty: expected a penalty such as 0.5 * l2, got the string 'l2'"
    ),
    "testing.check_penalty(l2, shapes=[4, 3])": (
        "check_penalty: shapes: expected a list of shapes such as [(4, 3)], got a list of 2"
        " Python numbers"
    ),
    "testing.check_transform(optax.sgd(0.1))": (
        "check_transform: factory: expected a function that makes a transformation, got an "
        "optimizer; write lambda: optax.chain(…)"
    ),
}
COMMANDS = {
    "mnist --strength -1": "--strength: expected a finite number ≥ 0, got -1.0",
    "mnist --strength nan": "--strength: expected a finite number ≥ 0, got nan",
    "mnist --weight-decay -1e-4": "--weight-decay: expected a finite number ≥ 0, got -0.0001",
    "mnist --l1-strength inf": "--l1-strength: expected a finite number ≥ 0, got inf",
    "mnist --rate -1 --coupling decoupled": "--rate: expected a finite number ≥ 0, got -1.0",
    "mnist --rate 0.1": (
        "--rate: expected with --coupling decoupled or independent, got loss; the strength "
        "of loss is --strength"
    ),
    "mnist --learning-rate 0": "--learning-rate: expected a finite number > 0, got 0.0",
    "mnist --epochs 0": "--epochs: expected at least 1, got 0",
    "mnist --batch-size 0": "--batch-size: expected at least 1, got 0",
    "mnist --batch-size 4294967296": (
        "--batch-size: expected at most 2,147,483,647, got 4294967296"
    ),
    "mnist --hidden -3": "--hidden: expected at least 1, got -3",
    "mnist --seed -1": "--seed: expected an integer from 0 to 2⁶⁴ − 1, got -1",
    "mnist --seed 18446744073709551616": (
        "--seed: expected an integer from 0 to 2⁶⁴ − 1, got 18446744073709551616"
    ),
    "mnist --strength 1e-3 --weight-decay 1e-3": (
        "--weight-decay: expected it instead of --strength, got both; --strength 0.001 "
        "alone is PyTorch's weight_decay=0.002"
    ),
    "mnist --l1-strength 1e-3": (
        "--l1-strength: expected with --penalty l1 or elastic_net, got --penalty l2; add "
        "--penalty elastic_net"
    ),
    "mnist --penalty l1 --weight-decay 1e-3": (
        "--weight-decay: expected with --penalty l2 or elastic_net, got --penalty l1; the "
        "strength of l1 is --l1-strength"
    ),
    "mnist --penalty l1 --coupling decoupled": (
        "--coupling decoupled: expected --penalty l2, got l1; the decoupled form that gives"
        " exact zeros is --coupling proximal"
    ),
    "mnist --dropout 50": "--dropout: expected a share from 0 to below 1, got 50; 50 % is 0.5",
    "mnist --norm batch --batch-size 1": (
        "--norm batch: expected batches of at least 2 images, by whose statistics they are "
        "normalised, got --batch-size 1; take another --batch-size, or --norm layer"
    ),
    "mnist --lr 0.1": "--lr: expected an option that there is; write --learning-rate",
    "mnist --wd=1e-4": "--wd: expected an option that there is; write --weight-decay",
    "mnist --batch_size 32 --gpu": "--gpu: expected an option that there is; write --platform",
    "mnist --data minst": (
        "--data: expected mnist, digits, idx:DIR or tfds:NAME, found 'minst'; did you mean "
        "--data mnist?"
    ),
    "mnist --data tdfs:mnist": (
        "--data: expected mnist, digits, idx:DIR or tfds:NAME, found 'tdfs:mnist'; did you "
        "mean --data tfds:mnist?"
    ),
    "mnist --data tfds:": ("--data: expected mnist, digits, idx:DIR or tfds:NAME, found 'tfds:'"),
    "mnist --data idx:/nowhere": (
        "--data idx:/nowhere: expected a directory, found none at /nowhere"
    ),
    "mnist --devices 0": "--devices: expected at least 1, got 0",
    "mnist --contrast --devices 2": (
        "--contrast: expected one device, got several; it compares in float64 what rounds "
        "alike, so leave out --devices, --coordinator and --distributed"
    ),
    "mnist --parallel pmap --distributed auto": (
        "--parallel pmap: expected one process, got several; those are connected by --parallel jit"
    ),
    "mnist --process 1": (
        "--coordinator: expected HOST:PORT of process 0 beside --process, got none; add "
        "--coordinator, or leave out --processes and --process"
    ),
    "mnist --coordinator a --processes 2 --process 0": (
        "--coordinator: expected HOST:PORT of process 0, got 'a'; for processes on one "
        "machine write 127.0.0.1:12345"
    ),
    "mnist --coordinator a:1 --processes 2 --process 2": (
        "--process: expected 0 to 1 with --processes 2, got 2; processes are counted from 0"
    ),
    "mnist --checkpoint-every 0": "--checkpoint-every: expected at least 1, got 0",
    "mnist --keep 0": "--keep: expected at least 1, got 0",
    "mnist --resume /nowhere": (
        "--resume: expected the folder of a run, with config.json and records.jsonl, but "
        "/nowhere: No such file or directory; name one that an earlier run printed"
    ),
    "mnist --output /dev/null/run": (
        "--output: expected a folder that can be written, but /dev/null/run: Not a "
        "directory; name another with --output"
    ),
    "coupling --quick --full": (
        "--full: expected it without --quick, got both; leave out one of them"
    ),
    "coupling --forms none": "--forms: expected one that decays beside none; add decoupled",
    "coupling --ratio 1": "--ratio: expected more than 1, got 1.0",
    "coupling --row-ratio 3": (
        "--row-ratio: expected a power of --ratio 2, so that both views are one grid, got 3; take 4"
    ),
    "coupling --ratio 1.0000001 --decays 1e-9 1": (
        "--decays: expected at most 1000 steps of the ratio 1 between the lowest and the "
        "highest, got 207,232,669; take a larger ratio, or less between them"
    ),
    "coupling --label-noise 2": "--label-noise: expected a share from 0 to 1, got 2.0",
    "coupling --learning-rates 1 0.1": (
        "--learning-rates: expected the lowest and the highest, above 0, got 1 0.1"
    ),
    "coupling --seeds 1000000": "--seeds: expected at most 100,000, got 1000000",
    "coupling --first-seed -1": "--first-seed: expected at least 0, got -1",
    "coupling --epochs nan": "--epochs: expected more than 0, got nan",
    "claims --seeds 2": (
        "--seeds: expected at least 3, since verdicts are of intervals over seeds, got 2; 5"
        " show something"
    ),
    "claims --first-seed -1": "--first-seed: expected at least 0, got -1",
    "path --count 2": "--count: expected at least 3, λ = 0 and two more, got 2",
    "path --count 2147483648": "--count: expected at most 100,000, got 2147483648",
    "path --strengths 0 1": ("--strengths: expected the lowest and the highest, above 0, got 0 1"),
    "path --optimizer adam --penalties nuclear l1": (
        "--optimizer adam: expected penalties of entries and groups, which have a prox in "
        "Adam's metric, got nuclear; leave it out of --penalties, or take momentum"
    ),
    "path --networks regression --penalties l1_subgradient": (
        "--penalties l1_subgradient: expected beside --networks mlp, got regression alone, "
        "whose solutions are exact; take l1"
    ),
    "path --sklearn-example --seeds 3": (
        "--sklearn-example: expected it alone, since all its settings are scikit-learn's, "
        "got --seeds too; leave it out"
    ),
    "path --dataset mnist": "--dataset: expected an option that there is; write --data",
    "combinations --dropout 0": (
        "--dropout: expected more than 0, since it is compared with 0, got 0"
    ),
    "combinations --penalties none": (
        "--penalties: expected one beside none, got none alone; add l2"
    ),
    "combinations --batch-size 1": (
        "--norm batch: expected batches of at least 2 images, by whose statistics they are "
        "normalised, got --batch-size 1; take another --batch-size, or --norm layer"
    ),
    "combinations --first-seed 1": (
        "--first-seed: expected at least 2, since the seeds below it choose the strengths, got 1"
    ),
    "language --heads 3": (
        "--heads: expected a number that divides the width 32, got 3; take 1, or another of"
        " --widths"
    ),
    "language --rates 0 0.1": "--rates: expected at least three in ascending order, got 0 0.1",
    "language --learning-rates 0.1 0.1": (
        "--learning-rates: expected each once, got 0.1 twice; leave one out"
    ),
    "language --widths 0": "--widths: expected at least 1, got 0",
    "language --text /no/such.txt": (
        "--text /no/such.txt: expected pydoc or a file that can be read, got: No such file "
        "or directory; name another"
    ),
    "language --shard 3": (
        "--shard: expected a number that divides the 8 windows of a batch, got 3; take "
        "--batch-size 9"
    ),
    "tune --folds 1": "--folds: expected at least 2, got 1",
    "tune --strengths 1e-2 1e-5 9": (
        "--strengths: expected the lowest and the highest, above 0, and how many, got 0.01 1e-05 9"
    ),
    "tune --strengths 1e-5 1e-2 1000000": (
        "--strengths: expected at most 100,000 of them, got 1000000"
    ),
    "tune --examples -3": "--examples: expected at least 2, got -3",
    "tune --cv 5": "--cv: expected an option that there is; write --folds",
    "tune --resume /no/such": (
        "--resume: expected the folder of a run, with config.json and records.jsonl, but "
        "/no/such: No such file or directory; name one that an earlier run printed"
    ),
    "frameworks --output /dev/null/run": (
        "--output: expected a folder that can be written, but /dev/null/run: Not a "
        "directory; name another with --output"
    ),
    "benchmark --repeats 0": "--repeats: expected at least 1 round, got 0; 5 show the spread",
    "benchmark --peers /usr/bin/python3": (
        "--peers: expected beside --suite models, solve or tune, got --suite main; leave it out"
    ),
    "tpu_plan --topology v5litepod-16": (
        "--topology: expected CHIP:SHAPE such as v5e:4x4, got 'v5litepod-16'; did you mean "
        "v5e:4x4? shapes of v5e and v6e: 1x1, 2x2, 2x4, 4x4, 4x8, 8x8, 8x16, 16x16; of v4 "
        "and v5p: 1x1x1, 2x2x1, 2x2x2, 2x2x4, 2x4x4, 4x4x4, 4x4x8, 4x8x8"
    ),
    "tpu_plan --topology v7x:2x2x1": (
        "--topology: expected a chip among v4, v5e, v5p, v6e, got 'v7x' in 'v7x:2x2x1'; "
        "plan with one of these"
    ),
    "tpu_plan --dtype float64": (
        "--dtype: expected float32 or bfloat16, got float64; TPU has no float64, and makes "
        "it up of float32 in many steps that are not counted here"
    ),
    "tpu_plan --runs -1": "--runs: expected at least 0, got -1",
    "tpu_plan --batch-per-chip 0": "--batch-per-chip: expected at least 1, got 0",
    "tpu_plan --topology v5e:3x3": (
        "--topology: expected CHIP:SHAPE such as v5e:4x4, got 'v5e:3x3'; did you mean "
        "v5e:8x8? shapes of v5e: 1x1, 2x2, 2x4, 4x4, 4x8, 8x8, 8x16, 16x16"
    ),
}


@pytest.mark.parametrize("written", LIBRARY)
def test_library(written):
    with pytest.raises((TypeError, ValueError)) as error:
        eval(written, dict(NAMES))
    assert str(error.value) == LIBRARY[written]


@pytest.mark.parametrize("written", COMMANDS)
def test_commands(written, refused):
    name, *options = shlex.split(written)
    command = importlib.import_module(f"experiments.{name}.__main__")
    settings = getattr(command, SETTINGS[name])
    printed, errors = refused(name, command.main, settings, *options)
    assert errors == f"Error: {COMMANDS[written]}\n"
    assert not printed


def test_there_are_many():
    assert len(LIBRARY) + len(COMMANDS) >= 80
