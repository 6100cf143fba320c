"""The shapes in which parameters are asked for: as small as still shows what an optimizer does.

Of every leaf about a hundred arrays of answers are kept, in float64. What an optimizer does depends
on the number of axes, and on which are large; not on how large.
"""

from __future__ import annotations

import math

from jaxreg._audit.black_box import Shapes

LONGEST = 160  # above the 128 from which adafactor and galore treat a dimension as large
SHORTER = (96, 64, 48, 32, 24, 16, 12, 8)
ROOM = 2**20  # numbers of all leaves together: about a gigabyte of answers
MOST = 2**23  # the same, where nothing can be cut
TOLD = (
    f"cut to fewer numbers, and whole they are more than {MOST:,}; audit it on a model of the same "
    f"leaves with smaller dimensions"
)


def cut(shapes: Shapes) -> Shapes:
    """Dimensions above `LONGEST` cut to that; if all are too many, to less.

    The first leaf of each shape keeps its length then, as far as half of the room goes.
    """
    long = _shortened(shapes, LONGEST)
    if numbers(long) <= ROOM:
        return long
    kept = _first_of_each(shapes, long)

    def cut_to(longest: int) -> Shapes:
        short = _shortened(shapes, longest)
        return [long[i] if i in kept else shape for i, shape in enumerate(short)]

    fitting = (found for n in SHORTER if numbers(found := cut_to(n)) <= ROOM)
    return next(fitting, cut_to(SHORTER[-1]))


def _shortened(shapes: Shapes, longest: int) -> Shapes:
    return [tuple(min(n, longest) for n in shape) for shape in shapes]


def _first_of_each(shapes: Shapes, long: Shapes) -> set[int]:
    first = {shape: i for i, shape in reversed(list(enumerate(shapes)))}
    kept, left = set(), ROOM // 2
    for i in sorted(first.values()):
        left -= math.prod(long[i])
        if left >= 0:
            kept.add(i)
    return kept


def numbers(shapes: Shapes) -> int:
    """How many numbers there are in arrays of these shapes."""
    return sum(map(math.prod, shapes))
