"""Options that several studies have: what cannot be meant, and the settings of one that goes on.

A study trains many networks and writes down each; its options are a dataclass, None where the
study's own setting stands.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from experiments.config import MOST, ConfigError, check_count, option

S = TypeVar("S")
TRAINED: dict[str, int] = dict.fromkeys(("seeds", "rows", "count", "trials"), 100_000)
"""What each is trained for: at most so many."""


def check_sizes(config: Any) -> None:
    """Raises if both sizes of a study are asked for."""
    if config.quick and config.full:
        raise ConfigError("--full: expected it without --quick, got both; leave out one of them")


def check_some(config: Any, names: Iterable[str]) -> None:
    """Raises if of one of these options nothing is chosen."""
    for name in names:
        if getattr(config, name) == ():
            raise ConfigError(f"--{option(name)}: expected at least one, got none")


def check_counts(config: Any, names: Iterable[str]) -> None:
    """Raises if one of these options is given and below 1, or the first seed is negative."""
    for name in names:
        value = getattr(config, name)
        if value is not None:
            check_count(name, value, TRAINED.get(name, MOST))
    if config.first_seed < 0:
        raise ConfigError(f"--first-seed: expected at least 0, got {config.first_seed}")
    if config.first_seed > MOST:
        raise ConfigError(f"--first-seed: expected at most {MOST:,}, got {config.first_seed}")


def check_above(config: Any, least: Mapping[str, float]) -> None:
    """Raises if one of these options is given and not a finite number above its least."""
    for name, bound in least.items():
        value = getattr(config, name)
        if value is not None and not (math.isfinite(value) and value > bound):
            raise ConfigError(f"--{option(name)}: expected more than {bound:g}, got {value}")
        if value is not None and value > MOST:
            raise ConfigError(f"--{option(name)}: expected at most {MOST:g}, got {value:g}")


def check_share(config: Any, name: str) -> None:
    """Raises if this option is given and no share."""
    value = getattr(config, name)
    if value is not None and not 0 <= value <= 1:
        raise ConfigError(f"--{option(name)}: expected a share from 0 to 1, got {value}")


def check_span(config: Any, name: str) -> None:
    """Raises if this option is given and not two rising numbers above 0."""
    ends = getattr(config, name)
    if ends is not None and not (0 < ends[0] < ends[1] < math.inf):
        low, high = ends
        raise ConfigError(
            f"--{option(name)}: expected the lowest and the highest, above 0, got {low:g} {high:g}"
        )


def going_on(given: S, content: Mapping[str, Any], around: Collection[str]) -> S:
    """The settings of a study that goes on, as its ``config.json`` has them.

    Args:
      given: the options of this call, of which ``around`` may differ from those of the study.
      content: of ``config.json``.
      around: names of options that are no settings.

    Raises:
      ConfigError: if other settings were given beside ``--resume``.
    """
    settings: Any = type(given)
    kept = {name: getattr(given, name) for name in around}
    standard = dataclasses.replace(settings(), **kept)
    names = [field.name for field in dataclasses.fields(settings)]
    other = [n for n in names if getattr(given, n) != getattr(standard, n)]
    if other:
        raise ConfigError(
            f"--resume: expected it without settings of the study, which goes on with its own, but "
            f"got {', '.join(f'--{option(name)} {getattr(given, name)}' for name in other)}; leave "
            f"out the other options, or start a new study without --resume"
        )
    found = settings_of(settings, content.get("config"), "--resume: config.json")
    return dataclasses.replace(found, **kept, output=None)


def settings_of(kind: type[S], values: Any, where: str) -> S:
    """The settings that a ``config.json`` holds; those that it lacks are the defaults.

    Args:
      kind: the dataclass of the settings.
      values: by name, as JSON has them.
      where: what errors begin with: the file.

    Raises:
      ConfigError: if one of them is of another type.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}: expected settings by name, got {type(values).__name__}")
    found, hints = {}, get_type_hints(kind)
    for field in dataclasses.fields(kind):  # pyright: ignore[reportArgumentType]
        if field.name in values:
            value = values[field.name]
            if not _fits(value, hints[field.name]):
                raise ConfigError(
                    f"{where}: expected {field.name} as the command wrote it, got {value!r}"
                )
            found[field.name] = _of_json(value, hints[field.name])
    return kind(**found)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value of JSON is one of that type."""
    kind, of = get_origin(hint), get_args(hint)
    if kind is Literal:
        return value in of
    if kind in (Union, UnionType):
        return any(_fits(value, one) for one in of)
    if kind is tuple:
        return isinstance(value, list) and _all_fit(value, of)
    known = {float: (int, float), Path: (str,), NoneType: (NoneType,)}
    return type(value) in known.get(hint, (hint,))


def _all_fit(values: list[Any], hints: tuple[Any, ...]) -> bool:
    """Whether each is of its type, where the tuple has one for each or one for all."""
    if hints[-1] is Ellipsis:
        return all(_fits(value, hints[0]) for value in values)
    return len(values) == len(hints) and all(map(_fits, values, hints))


def _of_json(value: Any, hint: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return Path(value) if isinstance(value, str) and Path in (hint, *get_args(hint)) else value
