"""Eight CPU devices on any machine: set before JAX looks for devices.

Here and in what the tests start: where a TPU's compiler is installed and no TPU, JAX would complain
on stderr.
"""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax

jax.config.update("jax_num_cpu_devices", 8)
