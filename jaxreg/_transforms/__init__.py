"""Regularization as optax transformations.

First in the chain, the penalty in the loss (coupled):

- `penalty_gradient`: ``add_penalty_gradient``

Last in the chain, beside the gradient step (decoupled):

- `decay`: ``decoupled_decay``, weight decay as AdamW means it
- `proximal`: ``proximal_step`` and ``project``, which give exact zeros and keep bounds

In place of the whole chain, ``proximal_step(penalty, optimizer=…, metric="adam")``:

- `proximal_in_metric`: the same step in the optimizer's own metric, a step for every entry
- `adam_metric`: that metric, read from the optimizer's update
- `adam_trial`: whether an optimizer has it, found out by trying

Shared by all: `frame` (a transformation around a move of the updates) and `schedules` (every rate,
learning rate and penalty may be a number, a traced value or a schedule of the step, 0 for the first
update; the state has the same structure for all of them). The prox of one array is in `jaxreg.prox`
and, with a step for every entry, in `jaxreg._metric_prox`; that of a sum in
`jaxreg._penalty.prox_sum`.
"""
