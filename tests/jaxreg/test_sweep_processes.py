"""A sweep of two processes with two devices each finds what one process does."""

from __future__ import annotations

import contextlib
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg import sweep
from tests.processes import ROOT, free_port, started
from tests.xla import HURRY, ONE_THREAD

PROGRAM = """
import json, sys
import jax, numpy as np
from jaxreg import sweep
from tests.jaxreg.test_sweep_processes import TARGET, drawn, shrunk

address, process = sys.argv[1], int(sys.argv[2])
jax.config.update("jax_num_cpu_devices", 2)
jax.distributed.initialize(address, 2, process)
points, target, rows, told = drawn(), TARGET, [], {}


def refused(given=points, **options):
    try:
        sweep(shrunk, given, target, **options)
    except ValueError as error:
        return str(error)


whole = sweep(shrunk, points, target, on_chunk=lambda r, _: rows.append([r.start, r.stop]))
rest = sweep(shrunk, points, target, start=20, chunk=2, per_device=1)
own = jax.sharding.Mesh(jax.local_devices(), ("run",))
alone = sweep(shrunk, {k: v[process::2] for k, v in points.items()}, target, mesh=own)
few = sweep(shrunk, {k: v[:1] for k, v in points.items()}, target)
told["whole"], told["rest"], told["alone"], told["few"] = (
    jax.tree.map(lambda x: x.tolist(), found.results) for found in (whole, rest, alone, few)
)
told["finite"], told["rows"] = whole.finite.tolist(), rows
told["other points"] = refused({**points, "strength": points["strength"] + process})
told["other start"] = refused(start=process)
foreign = jax.sharding.Mesh(jax.devices()[:2], ("run",))
told["foreign"] = refused(mesh=foreign) if process else None
print(json.dumps(told))
"""
TARGET = np.array([4.0, -8.0, 2.0], np.float32)


def drawn():
    """23 points, which four devices do not share evenly; one run diverges."""
    strengths = np.linspace(0, 1, 23, dtype=np.float32)
    strengths[9] = np.inf
    return {"strength": strengths, "key": jax.random.split(jax.random.key(3), 23)}


def shrunk(point, target):
    start = jax.random.normal(point["key"], target.shape)

    def step(i, w):
        return w - 0.1 * (w - target + point["strength"] * w)

    return {"w": jax.lax.fori_loop(0, 20, step, start), "start": jnp.sum(start)}


def test_two_processes_find_what_one_does():
    address = f"127.0.0.1:{free_port()}"
    environment = {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT), "XLA_FLAGS": HURRY}
    with contextlib.ExitStack() as stack:
        command = [sys.executable, "-c", PROGRAM, address]
        processes = [
            stack.enter_context(started([*command, str(i)], env=environment | ONE_THREAD))
            for i in range(2)
        ]
        printed = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], printed
    told = [json.loads(out.splitlines()[-1]) for out, _ in printed]
    found = sweep(shrunk, drawn(), TARGET)
    np.testing.assert_array_equal(np.flatnonzero(found.diverged), [9])
    for process, its in enumerate(told):
        for name, array in found.results.items():
            for part, rows in {"whole": slice(None), "rest": slice(20, None)}.items():
                np.testing.assert_allclose(its[part][name], array[rows], 1e-5)
            np.testing.assert_allclose(its["alone"][name], array[process::2], 1e-5)
            np.testing.assert_allclose(its["few"][name], array[:1], 1e-5)
        assert its["finite"] == found.finite.tolist()
        for what in ("other points", "other start"):
            assert its[what] == (
                "sweep: expected the same points, start and chunk in every process, but those of "
                "process 1 differ from those of process 0; for a sweep of its own write "
                "mesh=jax.sharding.Mesh(jax.local_devices(), ('run',))"
            )
    assert told[0]["rows"] == told[1]["rows"]
    assert told[1]["foreign"] == (
        "sweep: mesh: expected devices of every process or of this one alone, got none of process "
        "1; write jax.sharding.Mesh(jax.devices(), ('run',))"
    )
