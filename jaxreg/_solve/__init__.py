"""Solutions of loss + penalty, their derivatives, and the path of them over strengths.

- parameters as lists of real arrays, and back; the loss as a program: `layout`, `traced`
- what the method computes with, of one such list: `vectors`; of the problem: `problem`
- accelerated proximal gradient descent, in one loop: `descent`
- derivatives of the solution through the fixed point of the prox: `implicit`, `conjugate`
- what people call: `solve`, which returns a `solution`; `path`, which returns a `result`
- what the data determine of the parameters along a path: `freedom`
"""
