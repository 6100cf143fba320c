"""Which leaves a penalty or a decay acts on.

- `select`: ``where``, and the ready-made `weights` and `biases`
- `rules`: a small class for each kind of rule, and their combinations
- `given`: what is given as one, checked
- `roles`: the evidence by which a leaf is a weight or a bias

What a rule covers is shown by `jaxreg.describe`.
"""
