"""What a ready-made optimizer does to weights, found by asking it.

**The idea.** An optimizer is two functions, and gradients and parameters are its arguments. In
training both belong together; here they are chosen apart. Ask for the update at parameters W
without any gradient, and what comes out is the decay alone. Ask under a gradient at W and at −W:
whatever is made of the gradient cancels in the difference, and the decay remains. Whether it is
*coupled*, added to the gradient before the optimizer, shows by cancelling it: there is a d such
that the gradient G − d·W at W gives what G gives where there is no decay. No name and no class of a
state is looked at; an optimizer wrapped in two lambdas gets the same table.

**The answers** are few and small: random W and G, a few steps (four by default), float64, with
dimensions above 160 cut to that. What is traced runs in NumPy, for compiling an optimizer costs
more than all that it is asked.

**The files**, each of which imports only those above it:

========== ========================================================================================
`record`     What is returned: `LeafAudit`, the one record of a leaf, which every stage fills in
             further; `Fault`; `Audit`, with its table.
`black_box`  An optimizer as arrays in, updates out: traced with its learning rate, or made for each
             rate, or run eagerly, whichever works first. Counts in its state may be set forward.
`shapes`     The shapes that it is asked for, so cut that any number of parameters fits.
`arrays`     Random directions, and what is looked for in the updates of one leaf.
`probes`     The questions to all leaves at once (`Probe`: size of the gradients, place of the
             parameters, counts), each asked once; and the searches by bisection for the gradients
             that cancel the decay and for the values towards which parameters are drawn.
`answers`    One leaf: the named probes (`alone`, `alone_twice`, `under_gradient`, …) and what
             several rules ask of them: is it in proportion to w, has it memory, is it rounding.
`in_loss`    Beside this, of the loss alone: whether a penalty λ‖w‖² is in it.
`at_rest`    Rules that tell decay from none: frozen, unreadable, idle, a copy of the parameters.
`coupled`    Rules that tell decay in the gradient from decay beside the step. "Coupled" is decided
             here and nowhere else, also where one program is both, and where momentum or Adam's
             division lies between.
`beside`     Rules that tell kinds of decay beside the step: decoupled, cautious, relative to the
             gradient, a trust ratio, a threshold, a projection.
`scaling`    What scales the decay: its change with the steps, with counts set far forward, and with
             the learning rate. Only here (1 − c)·w and w/(1 + c) differ: in the power of the rate.
`faults`     What is probably not meant, with its remedy: one check a fault.
`judge`      The list of rules, with the reasons for its order; the first that recognises a leaf
             decides. Before that: from which step on each leaf decays, and around what.
`run`        `audit`: the arguments, their errors, and the stages one after the other.
========== ========================================================================================

**What happens to a leaf.** `judge.answers_of` looks for the step from which on it decays (nothing
happens at the start of a warm-up, or before gradients are accumulated), then judges it once around
0. If its updates at W and −W are not opposite, it is drawn elsewhere: to its start or to a
reference, which is searched for, and all is asked again around that. `judge.judged` applies the
rules: form, evidence, coefficient and the share of w that each step takes away. `scaling.scaled`
adds how the decay changes with steps and learning rate, and gives the coefficient in that unit.
`faults.find` looks at the finished records and at the answers that they came from.

**What is not claimed.** Where updates do not show it, the form is "undetermined" and the evidence
says why. For plain SGD coupled and decoupled decay are one program, and are called that.

**Where to look instead.** Transforms of our own and their laws: `jaxreg._transforms`,
`jaxreg.testing`. Which leaves are weights: `jaxreg.describe`. λ between conventions:
`jaxreg.convert`.

**To extend it.** A form of decay: a rule in the file of what it tells apart, its place in
`judge.RULES`, its name in `record.Form`, a chain that shows it in the tests. A fault: a check in
`faults.CHECKS` and a row in the tests. A primitive that NumPy has: a row in
`jaxreg._numbers._in_numpy`.
"""
