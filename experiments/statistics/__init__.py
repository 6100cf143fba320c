"""Statistics of a grid of losses, with intervals over its seeds. Imports no jax.

`surface`: edges, ridges and best cells of a grid. `additivity`: whether learning rate and decay can
be tuned one after the other. `resample`: an `Estimate`, with the intervals of any such
statistic. `number`: it as plain JSON.
"""

from __future__ import annotations
