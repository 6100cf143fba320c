"""Many trainings as one program.

The idea: `sweep(train, points)` gives what a Python loop ``[train(point) for point in points]``
gives, in its order, from one compilation. A training is a pure function of one point (a strength, a
learning rate, a seed), so XLA can be handed all of them at once, in three ways that are nested:

- *devices across runs*: the mesh axis ``run`` splits the points (`jax.shard_map`); no device ever
  waits for another, since trainings exchange nothing;
- *runs side by side* within a device: ``vmap`` over as many as ``per_device`` says. One means no
  vmap at all: a batch axis of length 1 costs a fifth of the time;
- *rounds in a loop*: the rest one after another, in a ``fori_loop`` of the program.

A chunk is one call of the program: some rounds on every device, about a second of them. The
program has room for a fixed number of rounds and is told how many to make, so that any number of
points, and a last chunk that is shorter, are the same program. Between two chunks Python hands
results out, shows the progress, hears Ctrl-C, and may choose another width.

In which order things happen:

1. `grid` checks the points: arrays of one length, PRNG keys as their numbers.
2. `chunks.prepare` settles the mesh and the width, and traces ``train`` once, for the shapes of a
   result: a mistake in it is found here, before anything is compiled. The shapes say how many
   rounds fit into the memory that is meant for results (`Runs.capacity`).
3. `Runs.lowered` lowers the program of `side_by_side` for shapes alone. `sweep` compiles it for the
   devices at hand; `lower_sweep` returns it, for devices that may be elsewhere. There is no other
   way to the program, so what is planned for a TPU is what runs there.
4. `Runs.chunks` places the shared arrays once and calls the program until all points are done. The
   first call of a width is one round: it warms up, and gives the time by which the next is sized.
5. With ``per_device="auto"`` the times go to `width`, which tries 1, 4, 16, … as long as that is
   faster and what is left is worth a compilation. The trials are runs of the sweep. One that does
   not fit into the memory is taken back.
6. `run` collects the chunks, or hands them to ``on_chunk``, and makes a `Sweep` of them. A run that
   returned a NaN or an infinity is marked in ``finite``; it has changed no other.

Devices may belong to several processes (`jax.distributed`). Then all make the same calls in the
same order, for which they agree on the points and on the times, and gather each chunk's results.

Where to look: the options and what they promise, `run`; a point as ``train`` sees it, `grid`; the
program, `side_by_side`; how many points at a time, and memory, `chunks`; how wide, `width`; what
several processes agree upon, `processes`; when Ctrl-C is heard, `interrupts`; the line on stderr,
`progress`. The trainings of MNIST that run under it are in `experiments.sweeping`.
"""
