"""Solutions of loss + penalty, their derivatives, and the path of them over strengths.

- parameters as lists of real arrays and back, `layout`; the arithmetic of such lists, `vectors`
- the loss as a program, `traced`; the axes that it only contracts with data, `contracted`; loss and
  penalty together, `problem`
- accelerated proximal gradient descent: its loop, `descent`; one iteration, `iteration`; semismooth
  Newton steps, `newton`; the descent on some of the features at a time, `working_set`
- the equation of a solution and its linear systems: `fixed_point`, `conjugate`; the derivatives of
  the solution by it: `implicit`
- what people call and get: `solve`, `solution`; `path`, its programs in `series`, its `result` with
  the `freedom` at each strength
"""
