"""What every command has in common: typed options in, one clear line for each mistake out."""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

try:
    import tyro
except ModuleNotFoundError:
    sys.exit(
        'Error: expected the package tyro, which is not installed; pip install ".[experiments]"'
    )

from experiments import interrupts
from experiments.config import ConfigError
from experiments.data import DataError
from experiments.records import OF_THE_DISK, OutputError, WriteError

C = TypeVar("C")

BAD_INPUT, NOT_FINITE, FAILED, UNREAD = 2, 3, 74, 141
"""Exit statuses: of input that cannot be meant, of a training whose loss is not finite, of a disk
that failed under way (EX_IOERR), and of a reader that left, as ``head`` does (128 + SIGPIPE)."""


def run_command(
    name: str,
    main: Callable[[C], None],
    settings: type[C],
    meant: Callable[[Sequence[str]], C | None] = lambda arguments: None,
) -> None:
    """Runs ``main`` with the settings from the command line and exits with a status.

    0 if all went well; 2 after one line on stderr for input that cannot be meant; 3 if a loss was
    not finite; 74 after one line on stderr if the disk fails under way; 75 if another process was
    lost; 130 after Ctrl-C, 143 after SIGTERM, once ``main`` has put on disk what it has: see
    `interrupts`; 141 if nobody reads what it prints.

    Args:
      name: of the command.
      main: what it does.
      settings: the dataclass of its options.
      meant: of the command line, what options mean that are not given; None for their defaults.
    """
    interrupts.listen()
    interrupts.goes_on(
        f"Again: {shlex.join(['python', '-m', f'experiments.{name}', *sys.argv[1:]])}"
    )
    status = status_of(lambda: main(_typed(name, settings, meant)))
    interrupts.end(status)
    sys.exit(status)


def _typed(name: str, settings: type[C], meant: Callable[[Sequence[str]], C | None]) -> C:
    """The settings from the command line."""
    if mistake := unknown_option(sys.argv[1:], settings):
        raise ConfigError(mistake)
    default = meant(sys.argv[1:])
    given: dict[str, Any] = {} if default is None else {"default": default}
    return tyro.cli(settings, prog=f"python -m experiments.{name}", config=_STYLE, **given)


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
    "checkpoint-every": ("save-every", "save-steps", "checkpoint-interval", "ckpt-every"),
    "keep": ("max-to-keep", "keep-last", "save-total-limit"),
    "resume": ("resume-from", "restore", "load", "checkpoint", "resume-from-checkpoint"),
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
        sys.stdout.flush()
        interrupts.end(0)
    except WriteError as error:
        return _ended(FAILED, f"Error: {error}", interrupts.advice())
    except (ConfigError, DataError, OutputError) as error:
        return _ended(BAD_INPUT, f"Error: {error}")
    except ModuleNotFoundError as error:
        missing = f"expected the package {error.name}, which is not installed"
        return _ended(BAD_INPUT, f'Error: {missing}; pip install ".[experiments]"')
    except KeyboardInterrupt:
        return _ended(interrupts.status(), "Stopped.", interrupts.advice())
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BrokenPipeError:
        _print_nowhere()
        return _ended(UNREAD, interrupts.advice())
    except OSError as error:
        if error.errno not in OF_THE_DISK:
            raise
        _print_nowhere()
        name = error.filename or "what is printed"
        return _ended(FAILED, f"Error: {name}: {error.strerror}", interrupts.advice())
    return 0


def _ended(status: int, *lines: str) -> int:
    """The exit status, once it is said why, and how it goes on."""
    print(*filter(None, lines), sep="\n", file=sys.stderr)
    return status


def _print_nowhere() -> None:
    """What is printed cannot be written: Python tries again at its end, and would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


_STYLE: Any = (tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone)
