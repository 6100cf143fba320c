"""Verdicts: what a computed yes, no or undecided is called, marked and coloured.

An answer is True, False or None where it is undecided, as `Estimate.within` gives it. Each command
has words of its own for it, a `Verdicts`; mark, terminal colour and class of a page are the same
for all.
"""

from __future__ import annotations

from typing import NamedTuple

MARKS = {True: "✓", False: "✗", None: "?"}
COLOURS = {True: "green", False: "red", None: "yellow"}
"""On a terminal."""
CLASSES = {True: "holds", False: "fails", None: "undecided"}
"""On a page, see its style sheet."""


class Verdicts(NamedTuple):
    """The words of one command for yes, no and undecided."""

    yes: str
    no: str
    undecided: str = "undecided"

    def word(self, answer: bool | None) -> str:
        """
        >>> Verdicts("holds", "does not hold").word(None)
        'undecided'
        """
        return self.undecided if answer is None else self.yes if answer else self.no

    def answer(self, word: str) -> bool | None:
        """What a word of these means.

        Raises:
          KeyError: if it is none of them.
        """
        return {self.yes: True, self.no: False, self.undecided: None}[word]

    def marked(self, word: str) -> str:
        """With a mark, so that it is seen without reading and without colour; other text as it is.

        >>> Verdicts("holds", "does not hold").marked("holds")
        '✓ holds'
        """
        return f"{MARKS[self.answer(word)]} {word}" if word in self else word
