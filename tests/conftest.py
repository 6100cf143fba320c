"""Eight devices on any machine: set before JAX looks for devices."""

import jax

jax.config.update("jax_num_cpu_devices", 8)
