"""The one abstraction: a penalty is data, and its author writes the mathematics for one array.

Whatever is built from penalties, ``1e-4 * l2.on(weights) + l1``, is a sum of terms, each a
strength, a unit penalty, a rule for selecting leaves, and perhaps a reference point and weights:

    penalty(params) = Σ over terms of strength · Σ over selected leaves of unit(leaf − reference),

where with weights the parts of a unit, entries or groups, count by one of them each.

Strengths are leaves of the penalty as a pytree, so that it can be jitted over, vmapped and
differentiated with respect to them. Layers, each of which knows those before it:

- `unit`: the value, prox and gradient of one array for strength 1, and the facts (convex,
  entrywise, …) that tell what else it goes with
- `weights`: trees of numbers for leaves, entries and groups
- `term`: one such unit with its strength, rule, reference and weights, on the leaves of a tree
- `prox_sum`: the prox of several terms on one leaf, where there is a closed form
- `penalty`: what people write, ``s * p``, ``p + q``, ``.on``, ``.around``, ``.weighted``, and what
  is computed of it, ``p(params)``, ``.prox``, ``.grad``
- `constraint`: penalties without a gradient to speak of, of which constraints are one kind

What is no formula of penalties, and what is no parameter, is refused with what to write instead:
`arithmetic`, `application`. The penalties themselves are in `jaxreg._catalogue`.
"""
