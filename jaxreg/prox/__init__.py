"""Proximal operators and projections of one array: each docstring is its argmin.

``step`` is the product of the penalty's strength λ and the length s of the step, so that

    prox(w, step) = argmin_v  step·f(v) + ½‖v − w‖²        for the unit penalty f.

These are the mathematics behind ``penalty.prox``, which applies them to trees, selections, sums
and low-precision dtypes; call that on parameters, and these on a single array. Everywhere ``w`` is
an array of any shape, and ``step`` ≥ 0 and the settings are scalars or broadcastable to it (in
`group_lasso`, `group_mcp`, `group_scad` and `max_norm`: to one number per group; in `nuclear` and
`spectral`: per matrix); the result has the shape and dtype of ``w``.
Complex entries keep their phase. A step of 0 moves nothing.

Where every entry has a step of its own, groups are in `jaxreg._metric_prox`; the entrywise
operators take an array of steps as it is.
"""

from jaxreg._messages.names import absent
from jaxreg.prox._constraints import box as box
from jaxreg.prox._constraints import non_negative as non_negative
from jaxreg.prox._entrywise import huber as huber
from jaxreg.prox._entrywise import l1 as l1
from jaxreg.prox._entrywise import l2 as l2
from jaxreg.prox._groups import group_lasso as group_lasso
from jaxreg.prox._groups import group_mcp as group_mcp
from jaxreg.prox._groups import group_scad as group_scad
from jaxreg.prox._groups import max_norm as max_norm
from jaxreg.prox._matrices import nuclear as nuclear
from jaxreg.prox._matrices import spectral as spectral
from jaxreg.prox._nonconvex import l0 as l0
from jaxreg.prox._nonconvex import log_sum as log_sum
from jaxreg.prox._nonconvex import mcp as mcp
from jaxreg.prox._nonconvex import scad as scad
from jaxreg.prox._sorted import slope as slope

__getattr__ = absent("jaxreg.prox")
