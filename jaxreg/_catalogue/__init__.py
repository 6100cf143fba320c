"""The penalties, and where to add one.

- `entrywise`: convex functions of single entries: ``l1``, ``l2``, ``elastic_net``, ``huber``
- `nonconvex`: sparse ones that flatten: ``log_sum``, ``mcp``, ``scad``, ``l0``
- `constraints`: conditions on single entries: ``non_negative``, ``box``
- `groups`: norms of rows, columns, filters: ``group_lasso``, ``sparse_group_lasso``, ``max_norm``
- `nonconvex_groups`: such norms, flattened: ``group_mcp``, ``group_scad``
- `ordered`: of sizes by their rank: ``slope``
- `matrices`: singular values and orthogonality: ``nuclear``, ``spectral``, ``orthogonal``

A penalty is a class here, with its value and the facts of `jaxreg._penalty.unit` that hold of it,
and, if it has settings, the function that checks them. Its prox is a function of one array in the
file of the same name in `jaxreg.prox`. Then its name in ``jaxreg/__init__.py``, its row in
``tests/jaxreg/cases.py``, which puts it under all laws, and, where people know it by another name,
an entry in `jaxreg._messages.names`.
"""
