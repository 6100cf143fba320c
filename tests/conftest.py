"""Eight CPU devices on any machine, and programs compiled in a hurry: set before JAX is imported.

Here and in what the tests start: where a TPU's compiler is installed and no TPU, JAX would complain
on stderr.
"""

import os

from tests.xla import HURRY

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_FLAGS", HURRY)

import jax

jax.config.update("jax_num_cpu_devices", 8)
