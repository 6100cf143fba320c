"""The networks, in Flax Linen: pure `init` and `apply`, which sweeps can map over.

- `table`: a row for each network; read before JAX is imported.
- `fit`: what networks cannot take.
- `layers`: what they are made of; what a network that trains knows of its batch.
- `networks`: those that the main job and the study train. `studied`: those of the study alone.
- `start`: the parameters that training starts from, drawn on the host.
- `functions`: a network as functions of its parameters and statistics; which of them decay.
"""
