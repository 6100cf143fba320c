"""Many trainings as one program: see `run.sweep`."""
