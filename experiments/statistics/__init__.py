"""What a grid of trainings says, with intervals over its seeds. Imports no jax."""
