"""How a run was made: device, versions, command line, and the rows that list them on its page."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import platform
import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.formatting import in_seconds

PACKAGES = ("jaxreg", "jax", "jaxlib", "flax", "optax", "numpy")
"""Those that decide the numbers."""


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str | None]:
    """The version of each package; None where it is not installed."""
    return {name: _version(name) for name in packages}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def software() -> dict[str, Any]:
    """What runs here, for ``config.json``."""
    return {
        "versions": versions(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def hardware(device: Any, count: int) -> dict[str, Any]:
    """What a run computes on, for ``config.json``: ``count`` of JAX's devices like ``device``."""
    return {"device": f"{device.platform}: {device.device_kind}", "devices": count}


def conditions(packages: Sequence[str]) -> dict[str, object]:
    """What times depend on: processor, cores, load, system, Python and the versions of packages."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions(packages),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def changed(config: Any, standard: Any, without: Collection[str] = ()) -> dict[str, Any]:
    """The settings of a configuration that differ from those of another, but for some names."""
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    return {
        name: value
        for name, value in values.items()
        if name not in without and value != getattr(standard, name)
    }


def command_line(command: str, settings: Mapping[str, Any]) -> str:
    """What to type for a command with these settings.

    >>> command_line("claims", {"claims": ("rotation", "low-rank"), "quick": True, "seeds": 8})
    'python -m experiments.claims --claims rotation low-rank --quick --seeds 8'
    """
    words = (word for name, value in settings.items() for word in _option(name, value))
    return shlex.join(["python", "-m", f"experiments.{command}", *words])


def _option(name: str, value: Any) -> list[str]:
    option = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    return [f"--{option}", *map(str, value if isinstance(value, tuple) else (value,))]


def how_it_was_made(
    config: Mapping[str, Any], records: Sequence[Mapping[str, Any]], command: str
) -> dict[str, str]:
    """Rows of the section "How it was made".

    Args:
      config: what ``config.json`` holds.
      records: those of the run; each ``stop`` among them has the seconds that it took until then.
      command: what to type for the same run.
    """
    spent = sum(record["seconds"] for record in records if record["event"] == "stop")
    return {
        "time": f"{in_seconds(spent)} on {config['devices']} × {config['device']}",
        "made": config["time"],
        "versions": ", ".join(f"{name} {v}" for name, v in config["versions"].items()),
        "command": command,
    }
