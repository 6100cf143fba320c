"""What the page says of networks and penalties, in words that need no symbol."""

from __future__ import annotations

from typing import TypedDict

from experiments.path.penalties import Network

TITLE = "What a price on its weights does to a network"
LEAD = (
    "Each square shows what one part of an image-reading network looks for: move the slider to "
    "make its weights cost more, and see which penalty shrinks them and which switches them off."
)
EXPLAINED = (
    "Weights are the numbers that a network learns, one for each pixel that a part looks at. A "
    "penalty is a price on them while it learns, and its strength λ says how high. Each panel is "
    "a penalty, with the network that came out."
)


class NetworkWords(TypedDict):
    name: str
    square: str
    """What a square is."""
    on: str
    """What is counted as on, after "N of M"."""


NETWORKS: dict[Network, NetworkWords] = {
    "mlp": {
        "name": "Network of two layers",
        "square": "A square is one of the hidden units, which are the parts of its first layer, "
        "and the same one in every panel.",
        "on": "units on",
    },
    "regression": {
        "name": "Of one layer",
        "square": "A square is one of the classes that it tells apart, the same in every panel.",
        "on": "pixels used",
    },
}
PENALTIES: dict[str, str] = {
    "l2": "Large weights cost most. All of them shrink, none is switched off.",
    "l1": "Each weight costs by its size, the smallest too. One by one they are switched off.",
    "l1_subgradient": "The price of L1, learned by plain steps downhill: weights come near zero, "
    "and none stays there.",
    "elastic_net": "Both prices at once: weights are switched off, and the others kept small.",
    "group_lasso": "A price for each unit as a whole. Whole units are switched off.",
    "nuclear": "A price for variety. The squares become mixtures of fewer and fewer patterns.",
}
OF_REGRESSION = {
    **PENALTIES,
    "group_lasso": "A price for each pixel as a whole. It is switched off for all classes at once.",
}
ORDER = ("l2", "l1", "elastic_net", "group_lasso")
"""Of the panels; others come after."""


def sentence(network: Network, penalty: str) -> str:
    """What a penalty does, or nothing if nothing is known of it."""
    return (PENALTIES if network == "mlp" else OF_REGRESSION).get(penalty, "")


def means(seeds: int) -> str:
    """Of how many trainings the numbers are means; nothing for one."""
    if seeds < 2:
        return ""
    return f"Numbers are means of {seeds} trainings, squares are those of the first."
