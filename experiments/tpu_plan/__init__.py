"""What a training costs on TPU slices, compiled for them without having one.

`compiled` lowers the programs of the main job and of a sweep for the devices of a slice that are
not here, and compiles them; `hlo` parses the text of what came out; `counting` counts in it what
runs, as often as the loops around it go round: FLOP, bytes, exchanges between chips. `chips` has
the published figures that the counts are divided by. Nothing is timed.
"""

from __future__ import annotations
