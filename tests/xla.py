"""How XLA compiles in the tests: in a hurry, but where a test reads the program as users get it.

Most of the time of the tests is compiling, for small arrays that are computed once. ``XLA_FLAGS=``
before a command, empty or not, is kept: with it the tests compile as users do.
"""

from __future__ import annotations

import os
from importlib.metadata import version

OLDER = [int(part) for part in version("jaxlib").split(".")[:2]] < [0, 11]
"""Whether XLA has the code generator that compiles sooner; it does not start with unknown flags."""
SOON = "--xla_cpu_use_fusion_emitters=false " if OLDER else ""
HURRY = (
    f"{SOON}--xla_backend_optimization_level=0 "
    "--xla_cpu_parallel_codegen_split_count=1"  # the parts cost more than they save on few cores
)
AS_USERS = {
    **({"xla_cpu_use_fusion_emitters": True} if OLDER else {}),
    "xla_backend_optimization_level": 3,
    "xla_cpu_parallel_codegen_split_count": 32,
}
"""XLA's own settings, as ``compiler_options`` of one program."""
SOONER = f"{SOON}--xla_backend_optimization_level=1"
"""Where LLVM may take longer to make a program fast than that saves, and numbers alone matter."""
SOONER_EACH = {"xla_cpu_use_fusion_emitters": False} if OLDER else {}
FOR_TRAININGS = {**SOONER_EACH, "xla_backend_optimization_level": 3}
"""Of a program that computes longer than it compiles: as fast as for users, made sooner."""
ONE_THREAD = {"NPROC": "1", "OPENBLAS_NUM_THREADS": "1"}
"""XLA's pool of threads where there are no more devices, and LAPACK's: several spin while they
wait."""


def environment_of_users(**variables: str) -> dict[str, str]:
    """For a process that shows what users get."""
    return {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"} | variables


def environment_of_trainings(**variables: str) -> dict[str, str]:
    """For a process that computes longer than it compiles: as fast as for users, made sooner."""
    return environment_of_users(XLA_FLAGS=SOON, **variables)
