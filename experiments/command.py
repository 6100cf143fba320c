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
    interrupted, once ``main`` has put on disk what it has; 75 if another process was lost.
    """
    config = tyro.cli(settings, prog=f"python -m experiments.{name}", config=_STYLE)
    sys.exit(status_of(lambda: main(config)))


def status_of(work: Callable[[], None]) -> int:
    """Does the work; the exit status that it deserves, once its mistake is said."""
    try:
        work()
    except (ConfigError, DataError, OutputError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return INTERRUPTED
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    return 0


_STYLE: Any = (tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone)
