"""What the statistics mean, in plain words."""

from __future__ import annotations

STATISTICS = {
    "upper-edge slope": (
        "how the upper edge moves with the learning rate, both on logarithmic axes: "
        "0 stands upright, −1 halves the decay when the learning rate doubles"
    ),
    "upper-edge slope at 0.4": "the same where the loss has become 1.49 times the row’s best",
    "ridge slope": "the same for the best decay of each row, where a row has a clear best",
    "interaction share": (
        "how much of the loss cannot be written as one part for the learning rate plus one for "
        "the decay: 0 means that the two can be tuned one after the other"
    ),
    "transfer regret": (
        "what is lost in log loss by keeping the best decay of one learning rate at another"
    ),
    "largest regret": "the same for the worst pair of learning rates",
    "independent − l2 slope − 1": (
        "how far two forms that were trained apart are from being one: 0 if they are"
    ),
}
