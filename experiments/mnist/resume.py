"""A run that goes on: the settings of its folder, and from where."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.config import Config, ConfigError, TrainingConfig, option
from experiments.options import settings_of
from experiments.records import read, run_of

if TYPE_CHECKING:
    from experiments.checkpoints import Checkpoint

FOLDER = "checkpoints"
TRAINED = (*(field.name for field in dataclasses.fields(TrainingConfig)), "contrast")
"""The settings that decide what comes out: those of a run that goes on are its own."""
CONNECTION = ("distributed", "coordinator", "processes", "process", "connect_timeout")
OF_THE_FOLDER = ("output", "resume")


def settings(arguments: Sequence[str]) -> Config | None:
    """What options mean that are not given: with ``--resume``, the settings of its folder.

    None without it, and where there are none to read: `records.reopen_folder` says why.
    """
    places = [i for i, word in enumerate(arguments) if word.partition("=")[0] == "--resume"]
    if not places:
        return None
    _, equals, name = arguments[places[-1]].partition("=")
    folder = Path(name if equals else "".join(arguments[places[-1] + 1 : places[-1] + 2]))
    try:
        return saved(folder)
    except (OSError, ValueError):
        return None


def saved(folder: Path) -> Config:
    """The settings of a run, without those of one call.

    Raises:
      ConfigError, OutputError: if ``config.json`` does not hold such.
    """
    values = run_of(folder, "mnist").get("config")
    found = settings_of(Config, values, f"--resume: {folder / 'config.json'}")
    plain = Config()
    return dataclasses.replace(
        found, **{name: getattr(plain, name) for name in (*CONNECTION, *OF_THE_FOLDER)}
    )


def trained(config: Config) -> dict[str, Any]:
    """The settings that decide what comes out."""
    return {name: getattr(config, name) for name in TRAINED}


def check(config: Config, folder: Path) -> None:
    """Stops where settings were given beside ``--resume`` that are not those of the folder.

    Raises:
      ConfigError: with those that differ.
      OutputError: if it is no run of this command.
    """
    ours, theirs = trained(config), trained(saved(folder))
    if differing := [name for name in TRAINED if ours[name] != theirs[name]]:
        given = ", ".join(f"--{option(name)} {ours[name]}" for name in differing)
        there = ", ".join(f"{name} {theirs[name]}" for name in differing)
        raise ConfigError(
            f"--resume: expected the settings of {folder}, which has {there}, got {given}; leave "
            f"them out, or start a new run without --resume"
        )


def is_finished(folder: Path, epochs: int) -> bool:
    """Whether every epoch is trained and the run was closed."""
    return any(r["event"] == "summary" and r.get("epoch") == epochs for r in read(folder))


def latest(config: Config, folder: Path, say: Callable[[str], None]) -> Checkpoint | None:
    """The checkpoint from which a run goes on; None if it has to start anew.

    Raises:
      ConfigError: if it is of a run with other settings.
    """
    from experiments import checkpoints

    found = checkpoints.newest(folder / FOLDER, say)
    if found is None:
        return None
    ours, theirs = trained(config), found.about["config"]
    if differing := [name for name in TRAINED if ours[name] != theirs.get(name)]:
        name = differing[0]
        raise ConfigError(
            f"--resume: expected checkpoints of the run that config.json describes, but in "
            f"{found.folder} differ {', '.join(differing)} ({name} is {theirs.get(name)}, not "
            f"{ours[name]}); name the folder that they were made in"
        )
    return found


def restored(checkpoint: Checkpoint, like: Any) -> Any:
    """What a checkpoint holds, as ``like``, in host arrays.

    Raises:
      ConfigError: if it is of another training.
    """
    import jax

    try:
        return checkpoint.restore(jax.device_get(like))
    except ValueError as error:
        raise ConfigError(
            f"--resume: expected the state of this training in {checkpoint.folder}, but: {error}; "
            f"resume with the data and the version of the program that it was made with"
        ) from None
