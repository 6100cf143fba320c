"""The text that is learnt: where it comes from, its characters as numbers, and its three parts.

The text that is always there is the language reference that Python's own ``help()`` prints,
`pydoc_data.topics` of the standard library: about half a million characters of English and grammar,
under the licence of Python (PSF-2.0). Its words differ between releases of Python, so a study notes
a hash of what it learnt.
"""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from experiments.errors import ConfigError

STANDARD = "pydoc"
TRAINED, CHOOSING = 0.8, 0.1
"""Shares of the text: the first is learnt, the next chooses, and the rest tests."""
LARGEST = 2**16
"""Different characters at most: a text has fewer, a file of bytes that is no text may not."""


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """A text in three parts, each character as its place in the alphabet.

    Attributes:
      name: as it was asked for.
      alphabet: every character of the text, in the order of Unicode.
      train: what is learnt, int32 [characters].
      validation: what chooses, likewise.
      test: what is reported, likewise.
      digest: the first digits of its SHA-256.
    """

    name: str
    alphabet: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    digest: str

    @property
    def size(self) -> int:
        """Characters in all."""
        return sum(map(len, (self.train, self.validation, self.test)))


def load(name: str) -> Source:
    """The text of that name, `STANDARD`, or of that file in UTF-8.

    Raises:
      ConfigError: if there is no such file, or if it is no text.
    """
    text = standard() if name == STANDARD else _read(Path(name))
    if len(text) < 3:
        raise ConfigError(
            f"--text {name}: expected a text to split in three parts, got {len(text)} characters; "
            f"name a longer one"
        )
    return source(name, text)


def source(name: str, text: str) -> Source:
    """A text, split at fixed places."""
    alphabet = sorted(set(text))
    if len(alphabet) > LARGEST:
        raise ConfigError(
            f"--text {name}: expected at most {LARGEST:,} different characters, got "
            f"{len(alphabet):,}; name a file of text"
        )
    places = {character: place for place, character in enumerate(alphabet)}
    numbers = np.array([places[character] for character in text], np.int32)
    first, second = (int(share * len(text)) for share in (TRAINED, TRAINED + CHOOSING))
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    parts = numbers[:first], numbers[first:second], numbers[second:]
    return Source(name, "".join(alphabet), *parts, digest)


def standard() -> str:
    """The topics of Python's help, one after the other in the order of their names."""
    from pydoc_data import topics

    found: Any = topics.topics
    return "\n\n".join(found[name].strip() for name in sorted(found))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(
            f"--text {path}: expected text in UTF-8, but its bytes are none; convert it"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"--text {path}: expected {STANDARD} or a file that can be read, got: "
            f"{error.strerror}; name another"
        ) from None


def windows(text: np.ndarray, context: int) -> np.ndarray:
    """Stretches of context + 1 characters [n, context + 1]: each begins with the last character of
    the one before, so every character but the first is predicted once.

    >>> windows(np.arange(8), 3)
    array([[0, 1, 2, 3],
           [3, 4, 5, 6]])
    """
    starts = np.arange((len(text) - 1) // context) * context
    return text[starts[:, None] + np.arange(context + 1)]
