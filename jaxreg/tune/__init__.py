"""Which strength? Several ways to choose λ, on a training of your own, with one kind of answer.

**The contract.** All ways that train take one function::

    train(point, weights, *shared) -> losses of all examples, of shape (examples,)

- ``point``: what is tried, such as ``{"strength": 1e-3, "learning_rate": 0.1, "seed": 0}``;
- ``weights``: of shape (examples,), how much each example counts in training: 1, or 0 if it is held
  out. The data loss of the training is Σ wᵢℓᵢ / Σ wᵢ, which `weighted_mean` computes;
- ``shared``: arrays that all trainings use: the data;
- the result: the loss of **every** example at the end, those of weight 0 too, without the penalty
  and without the weights; or 0/1 errors, or whatever is to be small. The score of a training is the
  mean over the examples that it held out.

Weights instead of subsets keep all shapes the same, so that folds, strengths and seeds are one
program, compiled once and run over all devices by `jaxreg.sweep`. Whatever a training learns from
data it has to learn with the weights: means and deviations for scaling, BatchNorm's statistics.

With a dictionary of parameters:

>>> import jax, jax.numpy as jnp, numpy as np
>>> from jaxreg import grid, l2, tune
>>> def train(point, weights, x, y):
...     def losses(params):
...         return (x @ params["w"] + params["b"] - y) ** 2
...     def loss(params):
...         data_loss = tune.weighted_mean(losses(params), weights)
...         return data_loss + point["strength"] * l2(params["w"])
...     def step(i, params):
...         return jax.tree.map(lambda p, g: p - 0.1 * g, params, jax.grad(loss)(params))
...     start = {"w": jnp.zeros(x.shape[1]), "b": jnp.zeros(())}
...     return losses(jax.lax.fori_loop(0, 200, step, start))
>>> x = jnp.asarray(np.random.default_rng(0).normal(size=(30, 8)), jnp.float32)
>>> y = 0.3 * x[:, 0] + jnp.asarray(np.random.default_rng(1).normal(size=30), jnp.float32)
>>> choice = tune.cross_validate(train, grid(strength=tune.strengths(1e-2, 10, 4)), x, y, folds=3)
>>> round(choice.strength, 3)
1.0

With Flax Linen and optax, mini-batches and a seed:

>>> import optax
>>> from flax import linen as nn
>>> model = nn.Sequential([nn.Dense(4), nn.relu, nn.Dense(1)])
>>> def train(point, weights, x, y):
...     def losses(params, x, y):
...         return (model.apply(params, x)[:, 0] - y) ** 2
...     def loss(params, rows):
...         data_loss = tune.weighted_mean(losses(params, x[rows], y[rows]), weights[rows])
...         return data_loss + point["strength"] * l2(params)
...     optimizer, key = optax.adam(0.01), jax.random.key(point["seed"])
...     params = model.init(key, x)
...     orders = jax.vmap(lambda k: jax.random.permutation(k, 30))(jax.random.split(key, 5))
...     def step(carry, rows):
...         updates, state = optimizer.update(jax.grad(loss)(carry[0], rows), carry[1])
...         return (optax.apply_updates(carry[0], updates), state), None
...     start = params, optimizer.init(params)
...     (params, _), _ = jax.lax.scan(step, start, orders.reshape(-1, 10))
...     return losses(params, x, y)
>>> jax.jit(train)({"strength": 0.1, "seed": 0}, tune.holdout(30)[0], x, y).shape
(30,)

The parts:

- `cross_validate`: folds × candidates × seeds as one sweep.
- `evidence`: MacKay's fixed point, for linear models and last layers: nothing is held out.
- `ridge_path`: ridge regression in closed form, exactly left out, at every strength.
- `bayesian`: batches of trials through Optuna, which a storage keeps, for several settings
  together; `linear` is a range of numbers, not of their logarithms. Beside it `random` and `sobol`.
- `hypergradient`: a descent along `validation_gradient`, the derivative of the held-out loss
  through the training; for one strength or many. `checkpointed_scan` saves memory on the way.
- `solved`: the training that is the minimum itself, for linear models and last layers.
- the splits: `folds` and `holdout` make the weights: equal, stratified, grouped, repeated.
- the strengths: `strengths`, in equal steps of the logarithm, if wished with a 0.
- the answer: a `Choice`: prints as a table, draws as one picture.
"""

from jaxreg._messages.names import absent
from jaxreg.tune._bayesian import bayesian as bayesian
from jaxreg.tune._bayesian import random as random
from jaxreg.tune._bayesian import sobol as sobol
from jaxreg.tune._candidates import strengths as strengths
from jaxreg.tune._choice import Choice as Choice
from jaxreg.tune._contract import weighted_mean as weighted_mean
from jaxreg.tune._cross_validation import cross_validate as cross_validate
from jaxreg.tune._evidence import Evidence as Evidence
from jaxreg.tune._evidence import evidence as evidence
from jaxreg.tune._hypergradient import hypergradient as hypergradient
from jaxreg.tune._ridge import RidgePath as RidgePath
from jaxreg.tune._ridge import ridge_path as ridge_path
from jaxreg.tune._solved import checkpointed_scan as checkpointed_scan
from jaxreg.tune._solved import solved as solved
from jaxreg.tune._space import linear as linear
from jaxreg.tune._splits import folds as folds
from jaxreg.tune._splits import holdout as holdout
from jaxreg.tune._validation_gradient import validation_gradient as validation_gradient

__getattr__ = absent("jaxreg.tune")
