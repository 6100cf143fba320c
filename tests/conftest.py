"""Eight CPU devices on any machine, and programs compiled in a hurry: set before JAX is imported.

Here and in what the tests start: where a TPU's compiler is installed and no TPU, JAX would complain
on stderr.
"""

from __future__ import annotations

import functools
import gc
import os
import sys

import pytest

from tests.xla import HURRY, ONE_THREAD

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_FLAGS", HURRY)
os.environ |= ONE_THREAD
os.environ["PYTHONDONTWRITEBYTECODE"] = ""

import jax
from jax._src.interpreters import mlir

# Also where a shell says otherwise: some sixty processes start, and tests take 10 s to compile.
sys.dont_write_bytecode = False
jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_traceback_in_locations_limit", 0)  # which source a line of HLO came from
mlir.make_ir_context = functools.cache(mlir.make_ir_context)  # a fifth of a small program's time

LONGEST = (
    *("test_notebooks.py", "test_claims.py", "test_docs.py", "test_laws.py", "test_coupling.py"),
    *("test_devices.py", "test_torch.py", "test_readme.py"),
)


def pytest_configure(config: pytest.Config) -> None:
    """What commands compile is kept beside what pytest keeps, not in the user's cache.

    Files go to processes in the order below: pytest-xdist would begin with those of most tests, and
    end with the notebooks, few and long, while the other processes wait.
    """
    config.option.loadscopereorder = False
    if (cache := getattr(config, "cache", None)) is not None:  # not with -p no:cacheprovider
        os.environ.setdefault("JAXREG_CACHE_DIR", str(cache.mkdir("programs")))


@pytest.hookimpl(optionalhook=True)  # also where there is no pytest-xdist
def pytest_xdist_auto_num_workers() -> int:
    """One process more than cores: some tests wait, for a process or a browser."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_finish() -> None:
    """What importing and collecting made stays: the collector need not look through it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest first, in their order: each is run whole by one process."""
    items.sort(key=lambda item: (*LONGEST, item.path.name).index(item.path.name))
