"""The machine that a training runs on: its devices, where programs are kept, how they are compiled.

`choose_device` comes before anything else touches JAX. How a training is laid out on several
devices is in `experiments.devices`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import jax

from experiments import interrupts
from experiments.config import ConfigError, MachineConfig
from experiments.provenance import hardware

CPU_OPTIONS: dict[str, str | bool] = {
    # a fusion that makes the small matrix products of one hidden layer a quarter slower, and those
    # of other networks a third faster
    "xla_cpu_experimental_ynn_fusion_type": "",
    # the newer code generator, which takes twice as long to compile, for the same speed but where
    # a loop over time computes σ and tanh
    "xla_cpu_use_fusion_emitters": False,
}
"""What makes the epoch of the mission's network fast on CPU, and others, but for what their rows in
`experiments.models.table` leave out; an XLA that does not know an option compiles without."""


def choose_device(config: MachineConfig, float64: bool = False) -> Any:
    """Applies ``--platform``, ``--dtype`` and the compilation cache to JAX; returns the device.

    Raises:
      ConfigError: if JAX finds no such device, or fewer than ``--devices``.
    """
    reserve(config)
    if config.platform != "auto":
        jax.config.update("jax_platforms", PLATFORMS.get(config.platform, config.platform))
    jax.config.update("jax_enable_x64", float64)
    expect_no_tpu()
    if config.compilation_cache:
        _use_cache(cache_folder())
    try:
        device = chosen(config)[0]
    except RuntimeError as error:
        raise ConfigError(_no_device(config.platform, str(error).splitlines()[0])) from None
    if config.platform not in ("auto", device.platform):
        raise ConfigError(_no_device(config.platform))
    interrupts.renew()
    return device


PLATFORMS = {"gpu": "cuda,cpu"}
"""What JAX is asked for: by "gpu" it means both CUDA and ROCm, and fails where one is missing."""
NEEDED = {
    "gpu": ("an NVIDIA GPU", 'on a machine with one and its driver pip install ".[cuda]"'),
    "tpu": ("a TPU", 'on a Cloud TPU VM pip install ".[tpu]"'),
}
"""What a platform is, and how JAX comes to find it."""


def _no_device(platform: str, reason: str = "") -> str:
    device, advice = NEEDED.get(platform, ("a device", "unset JAX_PLATFORMS"))
    reason = reason.partition(" (set JAX_PLATFORMS")[0].rstrip(".")
    of_another = "known backends" in reason and platform in NEEDED
    why = f" ({reason})" if reason and not of_another else ""
    return (
        f"--platform {platform}: expected {device}, but JAX finds none{why}; {advice}, or use "
        f"--platform cpu"
    )


def expect_no_tpu() -> None:
    """Where JAX has seen none, keeps an installed libtpu from searching for one and complaining."""
    if os.environ.get("TPU_SKIP_MDS_QUERY") == "1":
        os.environ.setdefault("TPU_ACCELERATOR_TYPE", "v5litepod-4")
        os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")


# --- its devices ---


def reserve(config: MachineConfig) -> None:
    """Asks JAX for CPU devices, before it looks for any: later it has as many as it has."""
    if config.devices is not None:
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", config.devices)


def use_every_core() -> None:
    """A CPU device for each core, so that runs go side by side: call it before JAX does anything.

    Later it has no effect, and neither where there are other devices.
    """
    expect_no_tpu()
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)


def every_device(platform: Any, compilation_cache: bool, float64: bool = False) -> dict[str, Any]:
    """Takes all devices of a platform, a CPU device for each core; what they are, for records."""
    use_every_core()
    wanted = MachineConfig(platform=platform, compilation_cache=compilation_cache)
    return hardware(choose_device(wanted, float64), len(jax.devices()))


def chosen(config: MachineConfig) -> list[Any]:
    """The devices of this process to train on.

    Raises:
      ConfigError: if there are fewer than the configuration asks for.
    """
    present = jax.local_devices()
    count = config.devices or (len(present) if config.connected else 1)
    if count > len(present):
        raise ConfigError(
            f"--devices: expected at most the {len(present)} of {present[0].platform} that JAX "
            f"finds here, got {count}; use --devices {len(present)}, or --platform cpu, which "
            f"makes as many as are asked for"
        )
    return present[:count]


def everywhere(count: int) -> list[Any]:
    """The first ``count`` devices of every process, process by process."""
    by_process = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    groups = itertools.groupby(by_process, key=lambda device: device.process_index)
    return [device for _, group in groups for device in itertools.islice(group, count)]


def total(config: MachineConfig) -> int:
    """How many devices, of all processes together, a training runs on."""
    return len(everywhere(len(chosen(config))))


# --- its programs ---


def cache_folder() -> Path:
    """Where compiled programs are kept: $JAXREG_CACHE_DIR, or jaxreg in the user's cache."""
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("JAXREG_CACHE_DIR") or user / "jaxreg")


def _use_cache(folder: Path) -> None:
    """Keeps every program: below JAX's own threshold of one second lie all of ours."""
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def compiled(lowered: Any, options: bool = True, without: Collection[str] = ()) -> Any:
    """A lowered function, compiled with `CPU_OPTIONS` on CPU, if they are safe for it.

    ``without`` names those that make it slower.
    """
    if jax.default_backend() != "cpu" or not options:
        return lowered.compile()
    chosen = {name: value for name, value in CPU_OPTIONS.items() if name not in without}
    try:
        return lowered.compile(compiler_options=chosen)
    except jax.errors.JaxRuntimeError:  # a release of XLA that does not know the option
        return lowered.compile()
