"""Trees of parameters: their leaves by name, and dataclasses that are trees.

A leaf has one name in every framework, ``fc1/kernel``, so that one regular expression means the
same for a Linen dictionary, an ``nnx.State``, an Equinox module and a Haiku mapping.

- one level of a tree, the children of a node by name, and what a node is: `_paths`
- all leaves, each with its name, its owner, and whether it is a parameter: `_leaves`
- trees that say something of leaves and of whole subtrees: `_prefixes`
- trees without a parameter, refused with the reason: `_parameters`
- dataclasses that are pytrees: `_pytree`
"""

from jaxreg._trees._leaves import Leaf as Leaf
from jaxreg._trees._leaves import Stem as Stem
from jaxreg._trees._leaves import leaves as leaves
from jaxreg._trees._leaves import named as named
from jaxreg._trees._leaves import named_copy as named_copy
from jaxreg._trees._leaves import replace_leaves as replace_leaves
from jaxreg._trees._parameters import leaves_of as leaves_of
from jaxreg._trees._parameters import refuse_numbers as refuse_numbers
from jaxreg._trees._paths import Path as Path
from jaxreg._trees._prefixes import entry_of as entry_of
from jaxreg._trees._prefixes import nested as nested
from jaxreg._trees._pytree import pytree as pytree
from jaxreg._trees._pytree import static as static
