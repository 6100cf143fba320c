"""Regularization for JAX: penalties, proximal operators and weight decay on any pytree.

The convention, everywhere: **loss = data_loss + λ Σ|w|²**, the data loss a mean over the batch, the
penalty a sum over entries, no ½. Its gradient is 2λw. `convert` speaks the other dialects.

>>> import jax.numpy as jnp
>>> from jaxreg import l2
>>> params = {"kernel": jnp.array([3.0, -4.0])}
>>> float(1e-2 * l2(params))
0.25

The map of the house, from the ground up:

- penalties: a `Penalty` is data: scale it, add it, select leaves with ``.on(...)``, weigh leaves,
  entries and groups with ``.weighted(...)``, take ``.prox`` and ``.grad``. What has no settings is
  an object, what has settings a call. `Penalty` or `Constraint`, with `pytree` and `static`, make
  your own, and `jaxreg.testing.check_penalty` proves it.

  - entrywise: `l1`, `l2`, `elastic_net`, `huber`; not convex: `log_sum`, `mcp`, `scad`, `l0`
  - groups: `group_lasso`, `sparse_group_lasso`; not convex: `group_mcp`, `group_scad`
  - by rank: `slope`
  - matrices: `nuclear`, `spectral`, `orthogonal`
  - constraints: `non_negative`, `box`, `max_norm`
- which leaves: `where`, `weights`, `biases`; `describe` shows what a rule covers.
- in a loss: `regularized(loss, penalty)` returns the total and its `Parts`.
- the solution of loss + penalty: `solve(loss, penalty, params)` returns a `Solution`, with
  derivatives; `path` follows it over strengths and returns a `Path`.
- in an optax chain: `add_penalty_gradient` first (coupled), or `decoupled_decay`,
  `proximal_step` or `project` last; `jaxreg.testing.check_transform` proves your own.
- of any optimizer, `audit(optimizer, params)` tells what it does to weights: an `Audit` of
  `LeafAudit`.
- many trainings as one program: `sweep(train, points)` over a `grid`, which returns a `Sweep`;
  `lower_sweep` is its program, for devices that need not be here.
- `jaxreg.tune`: which strength, by cross-validation and other ways, each with a `tune.Choice`.
- `jaxreg.diagnostics`: norms, sparsity, ranks, angles, the distance from a solution.
- `jaxreg.prox`: the operators of one array. `jaxreg.convert`: λ in the terms of PyTorch, optax,
  Keras, scikit-learn and the papers.

The code: `prox` and ``_penalty`` hold the mathematics, of one array and of sums on trees,
``_catalogue`` the penalties, ``_select`` the rules for leaves, ``_transforms`` what goes into optax
chains, ``_audit`` and ``_sweep`` those two; ``_numbers``, ``_trees`` and ``_messages`` lie beneath
them all. The docstring of each folder says what is where.
"""

from jaxreg import convert as convert
from jaxreg import diagnostics as diagnostics
from jaxreg import prox as prox
from jaxreg import testing as testing
from jaxreg import tune as tune
from jaxreg._audit.record import Audit as Audit
from jaxreg._audit.record import LeafAudit as LeafAudit
from jaxreg._audit.run import audit as audit
from jaxreg._catalogue.constraints import box as box
from jaxreg._catalogue.constraints import non_negative as non_negative
from jaxreg._catalogue.entrywise import elastic_net as elastic_net
from jaxreg._catalogue.entrywise import huber as huber
from jaxreg._catalogue.entrywise import l1 as l1
from jaxreg._catalogue.entrywise import l2 as l2
from jaxreg._catalogue.groups import group_lasso as group_lasso
from jaxreg._catalogue.groups import max_norm as max_norm
from jaxreg._catalogue.groups import sparse_group_lasso as sparse_group_lasso
from jaxreg._catalogue.matrices import nuclear as nuclear
from jaxreg._catalogue.matrices import orthogonal as orthogonal
from jaxreg._catalogue.matrices import spectral as spectral
from jaxreg._catalogue.nonconvex import l0 as l0
from jaxreg._catalogue.nonconvex import log_sum as log_sum
from jaxreg._catalogue.nonconvex import mcp as mcp
from jaxreg._catalogue.nonconvex import scad as scad
from jaxreg._catalogue.nonconvex_groups import group_mcp as group_mcp
from jaxreg._catalogue.nonconvex_groups import group_scad as group_scad
from jaxreg._catalogue.ordered import slope as slope
from jaxreg._describe import describe as describe
from jaxreg._messages.names import absent as _absent
from jaxreg._objective import Parts as Parts
from jaxreg._objective import regularized as regularized
from jaxreg._penalty.constraint import Constraint as Constraint
from jaxreg._penalty.penalty import Penalty as Penalty
from jaxreg._select.select import biases as biases
from jaxreg._select.select import weights as weights
from jaxreg._select.select import where as where
from jaxreg._solve.path import path as path
from jaxreg._solve.result import Path as Path
from jaxreg._solve.solution import Solution as Solution
from jaxreg._solve.solve import solve as solve
from jaxreg._sweep.grid import grid as grid
from jaxreg._sweep.run import Sweep as Sweep
from jaxreg._sweep.run import lower_sweep as lower_sweep
from jaxreg._sweep.run import sweep as sweep
from jaxreg._transforms.decay import decoupled_decay as decoupled_decay
from jaxreg._transforms.penalty_gradient import add_penalty_gradient as add_penalty_gradient
from jaxreg._transforms.proximal import project as project
from jaxreg._transforms.proximal import proximal_step as proximal_step
from jaxreg._trees import pytree as pytree
from jaxreg._trees import static as static

__version__ = "0.1.0"
__getattr__ = _absent("jaxreg")
