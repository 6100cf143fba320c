"""Ways to choose λ side by side: the study behind ``python -m experiments.tune``.

Every seed draws images, folds, initial weights and batches. Each way of `jaxreg.tune` chooses λ
from these images alone, held out fold by fold; the ways that train have the same folds and at most
as many trainings. Then the network is trained on all images of the seed with each choice, and test
images say what it reached: differences between ways are in pairs over seeds, and their interval
holds the whole procedure, the choice too.

Least squares has closed forms. Their λ stands beside a squared error, on other features: it is
shown with what it is chosen for, and not compared with that of the network.
"""

from __future__ import annotations
