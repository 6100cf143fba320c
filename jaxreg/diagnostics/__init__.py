"""What regularization does to parameters, and how far they are from a solution.

- `report` prints a table of all that can be said of a tree; the functions below give the numbers.
- size: `norms`; zeros: `sparsity`, of entries or groups; directions in use: `stable_rank`.
- under normalisation: `effective_learning_rate` and `angular_update`, of units or whole arrays.
- of a convex problem: `degrees_of_freedom` of ridge regression, `strength_max`, from which on the
  solution is zero.
- of any problem: `optimality`, the distance from a stationary point, which is 0 at a solution.

All but `report` can be jitted. Numbers come by the leaf's name, as ``{"fc1/kernel": …}``.
"""

from jaxreg._messages.names import absent
from jaxreg.diagnostics._measures import Sparsity as Sparsity
from jaxreg.diagnostics._measures import degrees_of_freedom as degrees_of_freedom
from jaxreg.diagnostics._measures import norms as norms
from jaxreg.diagnostics._measures import sparsity as sparsity
from jaxreg.diagnostics._measures import stable_rank as stable_rank
from jaxreg.diagnostics._optimality import optimality as optimality
from jaxreg.diagnostics._optimality import strength_max as strength_max
from jaxreg.diagnostics._report import Report as Report
from jaxreg.diagnostics._report import Row as Row
from jaxreg.diagnostics._report import report as report
from jaxreg.diagnostics._rotation import angular_update as angular_update
from jaxreg.diagnostics._rotation import effective_learning_rate as effective_learning_rate

__getattr__ = absent("jaxreg.diagnostics")
