"""jaxreg from the frameworks in which people train: one file each, to copy from.

The idea. Every file fits the same regression (`regression`) in the way of its framework, in three
runs: λ‖w‖² in the loss, decay beside the step that spares the bias, and L1 by its proximal
operator. It then asks the auditor what the optimizer does to each parameter. All start at the same
weights, so all end at the same.

They are scripts and no notebook because what people copy is a whole file that runs, with the
classes and decorators of its framework.

- `with_dict`: plain JAX and a dictionary; Linen is this, with ``init`` and ``apply``.
- `with_nnx`: Flax NNX, ``nnx.Optimizer`` and ``nnx.jit``.
- `with_equinox`: the model is the tree.
- `with_haiku`: ``hk.transform``.
- `with_keras`: Keras 3 on JAX: a penalty as ``kernel_regularizer``, a prox as
  ``kernel_constraint``, and what ``keras.optimizers.AdamW`` does.

To add a framework: a file with ``runs`` and ``audited``, and its row in `FRAMEWORKS` of
``__main__``; the test computes by hand what it must end at.
"""

from __future__ import annotations
