"""Numbers and single arrays: what every other folder computes with.

- is it a valid strength, step, setting or count, and in which dtype it takes part: `_checks`
- is it an axis, and of which array: `_axes`
- in which precision to compute, and sums of many scalars: `_dtypes`
- norms, moduli and singular values that are finite at zero and at extreme sizes: `_norms`
- what JAX traces, run in NumPy without compiling it: `_in_numpy`
- the programs within what JAX traces: `_programs`
- whether a small relative change survives rounding: `_rounding`
"""

from jaxreg._numbers._axes import Axis as Axis
from jaxreg._numbers._axes import are_axes as are_axes
from jaxreg._numbers._axes import as_axis as as_axis
from jaxreg._numbers._axes import counted as counted
from jaxreg._numbers._checks import array as array
from jaxreg._numbers._checks import as_float as as_float
from jaxreg._numbers._checks import at_most_one as at_most_one
from jaxreg._numbers._checks import cast as cast
from jaxreg._numbers._checks import checked as checked
from jaxreg._numbers._checks import count as count
from jaxreg._numbers._checks import is_numeric as is_numeric
from jaxreg._numbers._checks import is_one as is_one
from jaxreg._numbers._checks import is_python as is_python
from jaxreg._numbers._checks import is_real as is_real
from jaxreg._numbers._checks import one_of as one_of
from jaxreg._numbers._checks import positive as positive
from jaxreg._numbers._checks import required as required
from jaxreg._numbers._checks import scalar as scalar
from jaxreg._numbers._checks import setting as setting
from jaxreg._numbers._checks import show as show
from jaxreg._numbers._checks import whole as whole
from jaxreg._numbers._dtypes import real_dtype as real_dtype
from jaxreg._numbers._dtypes import real_like as real_like
from jaxreg._numbers._dtypes import total as total
from jaxreg._numbers._dtypes import widen as widen
from jaxreg._numbers._in_numpy import evaluated as evaluated
from jaxreg._numbers._in_numpy import in_numpy as in_numpy
from jaxreg._numbers._norms import modulus as modulus
from jaxreg._numbers._norms import norm as norm
from jaxreg._numbers._norms import scaled as scaled
from jaxreg._numbers._norms import split_as as split_as
from jaxreg._numbers._norms import squared_modulus as squared_modulus
from jaxreg._numbers._norms import svd as svd
from jaxreg._numbers._norms import unsplit as unsplit
from jaxreg._numbers._programs import Program as Program
from jaxreg._numbers._programs import programs as programs
from jaxreg._numbers._rounding import rounds_away as rounds_away
