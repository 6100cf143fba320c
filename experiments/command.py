"""What every command has in common: typed options in, one clear line for each mistake out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import tyro

from experiments._dataset import DataError
from experiments.config import ConfigError
from experiments.records import OutputError

C = TypeVar("C")

BAD_INPUT, INTERRUPTED = 2, 130


def run_command(name: str, main: Callable[[C], None], settings: type[C]) -> None:
    """Runs ``main`` with the settings from the command line and exits with a status.

    0 if all went well; 2 after one line on stderr for input that cannot be meant; 130 if
    interrupted, once ``main`` has put on disk what it has.
    """
    config = tyro.cli(settings, prog=f"python -m experiments.{name}", config=_STYLE)
    try:
        main(config)
    except (ConfigError, DataError, OutputError) as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(INTERRUPTED)


_STYLE: Any = (tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone)
