"""The penalties: the place to add one."""
