"""The networks as rows of one table: what each is called, takes and is made of.

Nothing else knows a network by its name: the commands offer the rows as options, and build, check,
start and describe networks by what stands in them. To add one, write its module in `networks` and
its row here.

The rows are read before JAX is imported, so what builds a network imports it itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import flax.linen as nn

Norm = Literal["none", "batch", "layer"]
NORMS: tuple[Norm, ...] = ("none", "batch", "layer")
PRODUCTS, LOOPS = "xla_cpu_experimental_ynn_fusion_type", "xla_cpu_use_fusion_emitters"
"""Options of XLA: of matrix products, and of all that is computed element by element."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What a network is built with."""

    hidden: int
    classes: int
    norm: str
    dropout: Any
    dtype: Any

    @property
    def settings(self) -> dict[str, Any]:
        """All but the hidden width, by name."""
        return {
            "classes": self.classes,
            "norm": self.norm,
            "dropout": self.dropout,
            "dtype": self.dtype,
        }


@dataclasses.dataclass(frozen=True)
class Model:
    """A network.

    Attributes:
      name: as options have it.
      option: what it is, for the help of options.
      title: likewise, for pages.
      build: of its sizes the module.
      output: its last layer.
      hidden: what its width is, for the help of options; empty if it has none.
      norms: what may normalise it, that of its own first.
      dropout: whether it has a place for dropout.
      start: how its parameters are drawn: see `start.drawn`.
      least: pixels that an image has at least each way.
      because: why so many.
      without: of `machine.CPU_OPTIONS`, those that make it slower.
      efficiency: of the pace of a large matrix product, what its own operations reach on a CPU.
    """

    name: str
    option: str
    title: str
    build: Callable[[Sizes], nn.Module]
    output: str = "output"
    hidden: str = ""
    norms: tuple[Norm, ...] = NORMS
    dropout: bool = True
    start: Literal["torch", "lecun", "zeros"] = "torch"
    least: int = 1
    because: str = ""
    without: tuple[str, ...] = (PRODUCTS,)
    efficiency: float = 0.8


def _mlp(sizes: Sizes) -> nn.Module:
    from experiments.models.networks import MLP

    return MLP((sizes.hidden,), **sizes.settings)


def _cnn(sizes: Sizes) -> nn.Module:
    from experiments.models.networks import CNN

    return CNN(sizes.hidden, **sizes.settings)


def _rnn(sizes: Sizes) -> nn.Module:
    from experiments.models.networks import RNN

    return RNN(sizes.hidden, **sizes.settings)


def _transformer(sizes: Sizes) -> nn.Module:
    from experiments.models.networks import Transformer

    return Transformer(sizes.hidden, **sizes.settings)


def _batchnorm(sizes: Sizes) -> nn.Module:
    from experiments.models.networks import MLP

    return MLP((sizes.hidden, sizes.hidden), output="output", **sizes.settings)


def _invariant(sizes: Sizes) -> nn.Module:
    from experiments.models.studied import Invariant

    return Invariant(sizes.hidden, sizes.classes)


def _softmax(sizes: Sizes) -> nn.Module:
    from experiments.models.studied import Softmax

    return Softmax(sizes.classes)


TRAINED: dict[str, Model] = {
    row.name: row
    for row in (
        Model(
            "mlp",
            "one hidden layer, 784-128-10 on MNIST",
            "one hidden layer",
            _mlp,
            output="fc2",
            hidden="of the hidden layer",
            without=(),
        ),
        Model(
            "cnn",
            "two 3×3 convolutions and a linear layer",
            "two convolutions",
            _cnn,
            hidden="of its linear layer, with an eighth and a quarter as many channels before it",
            least=4,
            because="which it halves twice",
            efficiency=0.15,
        ),
        Model(
            "rnn",
            "a GRU that reads the image row by row",
            "GRU over rows",
            _rnn,
            hidden="of the state",
            without=(PRODUCTS, LOOPS),
            efficiency=0.35,
        ),
        Model(
            "transformer",
            "attention between 4×4 patches of the image, two blocks",
            "transformer",
            _transformer,
            hidden="of the layers inside its blocks, whose patches are half as wide",
            norms=("layer", "batch", "none"),
            least=4,
            because="one for each patch",
            efficiency=0.15,
        ),
    )
}
"""The networks that every command trains."""

STUDIED: dict[str, Model] = {
    row.name: row
    for row in (
        Model(
            "batchnorm",
            "two hidden layers with BatchNorm",
            "BatchNorm network",
            _batchnorm,
            hidden="of both hidden layers",
            norms=("batch", "layer", "none"),
            start="lecun",
        ),
        Model(
            "invariant",
            "likewise, everything scale-invariant, because theory then says at which ω it ends",
            "BatchNorm network, all scale-invariant",
            _invariant,
            hidden="likewise",
            norms=("batch",),
            dropout=False,
            start="lecun",
        ),
        Model(
            "softmax",
            "softmax regression, because its loss is convex: theory says at which λ it ends",
            "softmax regression",
            _softmax,
            output="fc1",
            norms=("none",),
            dropout=False,
            start="zeros",
        ),
    )
}
"""Those that only the study trains, each with its reason."""

MODELS = TRAINED | STUDIED
Name = Literal["mlp", "cnn", "rnn", "transformer"]
Studied = Literal["mlp", "cnn", "rnn", "transformer", "batchnorm", "invariant", "softmax"]
