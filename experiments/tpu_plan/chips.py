"""The TPU chips of Google Cloud: their published figures, and the slices that they are rented in.

The figures are those of the pages of Google's documentation named here, as of 2026. The pages give
memory in GB or in GiB; it is GiB for all four: refusing a program that is too large, the compiler
reports 15.75, 30.75, 31.25 or 95.74 GiB.
"""

from __future__ import annotations

import dataclasses
import difflib
import math

from experiments.config import ConfigError

FLAT = ("1x1", "2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16")
CUBIC = ("1x1x1", "2x2x1", "2x2x2", "2x2x4", "2x4x4", "4x4x4", "4x4x8", "4x8x8")


@dataclasses.dataclass(frozen=True)
class Chip:
    """What is published of one chip.

    Attributes:
      name: as in "v5e:4x4".
      flops_per_second: at most, of matrix products in bfloat16.
      memory_bytes: HBM.
      bytes_per_second: between HBM and the chip.
      shapes: of the slices of up to 256 chips.
      accelerator: what `gcloud` calls a slice, before the number.
      counted: how many each chip counts in that number: v4 and v5p count cores.
      page: of cloud.google.com/tpu/docs.
    """

    name: str
    flops_per_second: float
    memory_bytes: int
    bytes_per_second: float
    shapes: tuple[str, ...]
    accelerator: str
    counted: int
    page: str


CHIPS = {
    chip.name: chip
    for chip in (
        Chip("v4", 275e12, 32 * 2**30, 1200e9, CUBIC, "v4", 2, "TPU v4"),
        Chip("v5e", 197e12, 16 * 2**30, 819e9, FLAT, "v5litepod", 1, "TPU v5e"),
        Chip("v5p", 459e12, 95 * 2**30, 2765e9, CUBIC, "v5p", 2, "TPU v5p"),
        Chip("v6e", 918e12, 32 * 2**30, 1638e9, FLAT, "v6e", 1, "TPU v6e"),
    )
}


@dataclasses.dataclass(frozen=True)
class Topology:
    """A slice: chips of one kind, and how they are wired.

    >>> topology("v5e:4x4").chips, topology("v5e:4x4").accelerator
    (16, 'v5litepod-16')
    """

    name: str
    chip: Chip
    chips: int

    @property
    def accelerator(self) -> str:
        """What `gcloud` calls it."""
        return f"{self.chip.accelerator}-{self.chips * self.chip.counted}"


TOPOLOGIES = {
    f"{chip.name}:{shape}": Topology(
        f"{chip.name}:{shape}", chip, math.prod(map(int, shape.split("x")))
    )
    for chip in CHIPS.values()
    for shape in chip.shapes
}


def topology(name: str) -> Topology:
    """The slice of a name.

    Raises:
      ConfigError: if there is none, with the nearest name.
    """
    if name in TOPOLOGIES:
        return TOPOLOGIES[name]
    kind, _, shape = name.partition(":")
    if shape and kind not in CHIPS:
        raise ConfigError(
            f"--topology: expected a chip among {', '.join(CHIPS)}, got {kind!r} in {name!r}; "
            f"plan with one of these"
        )
    raise ConfigError(
        f"--topology: expected CHIP:SHAPE such as v5e:4x4, got {name!r}; "
        f"{_meant(name)}{_shapes(kind)}"
    )


def _meant(name: str) -> str:
    """A slice that `gcloud` calls so, one whose last length was left out, or the nearest."""
    accelerators = {found.accelerator: key for key, found in TOPOLOGIES.items()}
    flat = {key.removesuffix("x1"): key for key in TOPOLOGIES if key.count("x") == 2}
    nearest = difflib.get_close_matches(name, TOPOLOGIES, 1, 0.7)
    meant = accelerators.get(name) or flat.get(name) or (nearest[0] if nearest else "")
    return f"did you mean {meant}? " if meant else ""


def _shapes(kind: str) -> str:
    if kind in CHIPS:
        return f"shapes of {kind}: {', '.join(CHIPS[kind].shapes)}"
    return f"shapes of v5e and v6e: {', '.join(FLAT)}; of v4 and v5p: {', '.join(CUBIC)}"
