"""What every command has in common: typed options in, one clear line for each mistake out."""

from __future__ import annotations

import _thread
import dataclasses
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

try:
    import tyro
except ModuleNotFoundError:
    sys.exit(
        'Error: expected the package tyro, which is not installed; pip install ".[experiments]"'
    )

from experiments.config import ConfigError
from experiments.data import DataError
from experiments.records import OutputError

C = TypeVar("C")

BAD_INPUT, INTERRUPTED = 2, 130


def run_command(name: str, main: Callable[[C], None], settings: type[C]) -> None:
    """Runs ``main`` with the settings from the command line and exits with a status.

    0 if all went well; 2 after one line on stderr for input that cannot be meant; 130 if
    interrupted, once ``main`` has put on disk what it has; 75 if another process was lost.
    """
    if mistake := unknown_option(sys.argv[1:], settings):
        print(f"Error: {mistake}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    config = tyro.cli(settings, prog=f"python -m experiments.{name}", config=_STYLE)
    hear_every_interrupt()
    sys.exit(status_of(lambda: main(config)))


ELSEWHERE = {
    "learning-rate": ("lr", "eta", "alpha", "step-size"),
    "learning-rates": ("lr", "lrs", "eta"),
    "weight-decay": ("wd", "decay"),
    "rates": ("weight-decay", "weight-decays", "wd", "decay", "rate"),
    "strength": ("lambda", "l2", "lam", "reg", "regularization"),
    "l1-strength": ("l1", "lambda1"),
    "batch-size": ("bs", "batch"),
    "epochs": ("num-epochs", "n-epochs", "max-epochs"),
    "optimizer": ("optim", "opt"),
    "data": ("dataset", "data-dir", "data-path", "source"),
    "model": ("net", "network", "arch", "architecture"),
    "norm": ("normalization", "normalisation", "batch-norm", "batchnorm", "layer-norm", "bn"),
    "dropout": ("dropout-rate", "drop-rate", "drop", "p-drop"),
    "depth": ("layers", "n-layer", "num-layers"),
    "heads": ("n-head", "num-heads"),
    "context": ("block-size", "seq-len", "context-length"),
    "text": ("data", "dataset", "file", "corpus"),
    "shard": ("shards", "fsdp"),
    "hidden": ("width", "units", "hidden-size", "hidden-dim"),
    "platform": ("device", "backend", "accelerator", "gpu", "cuda", "tpu", "cpu"),
    "devices": ("num-devices", "n-devices", "gpus", "chips"),
    "output": ("out", "output-dir", "outdir", "save-dir", "logdir"),
    "seed": ("random-seed", "random-state"),
    "first-seed": ("seed", "random-seed", "random-state"),
    "method": ("methods", "way", "sampler"),
    "trials": ("n-trials", "num-trials", "budget"),
    "folds": ("cv", "n-folds", "n-splits", "k"),
    "strengths": ("lambdas", "alphas", "grid"),
    "penalty": ("regularizer", "norm-penalty"),
    "coupling": ("form", "forms"),
    "dtype": ("precision", "bf16"),
}
"""What an option is called elsewhere: too unlike it for the command line to guess."""


def unknown_option(arguments: Sequence[str], settings: type[Any]) -> str | None:
    """Of the first option that has another name here: which one is meant."""
    ours = {field.name.replace("_", "-") for field in dataclasses.fields(settings)}
    names = {other: own for own in ours for other in ELSEWHERE.get(own, ())}
    given = (a[2:].partition("=")[0].replace("_", "-") for a in arguments if a.startswith("--"))
    wrong = next((name for name in given if name in names and name not in ours), None)
    return wrong and f"--{wrong}: expected an option that there is; write --{names[wrong]}"


def status_of(work: Callable[[], None]) -> int:
    """Does the work; its exit status, once a mistake is printed."""
    try:
        work()
    except (ConfigError, DataError, OutputError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return BAD_INPUT
    except ModuleNotFoundError as error:
        print(
            f"Error: expected the package {error.name}, which is not installed; "
            f'pip install ".[experiments]"',
            file=sys.stderr,
        )
        return BAD_INPUT
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return INTERRUPTED
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    return 0


def hear_every_interrupt() -> None:
    """Sends an interrupt again that fell where nothing can be raised.

    JAX tidies up in a callback of the garbage collector. What is raised in there is printed and
    dropped, so a Ctrl-C at that moment would leave the work running.
    """
    otherwise = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            _thread.start_new_thread(_interrupt_soon, ())  # threading's locks may be held here
        else:
            otherwise(unraisable)

    sys.unraisablehook = hook


def _interrupt_soon() -> None:
    time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)


_STYLE: Any = (tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone)
