"""Signals that ask a command to stop: the first is heard when that is safe, a second ends at once.

Ctrl-C (SIGINT), SIGTERM, which machines send that are taken away, and SIGHUP, unless ``nohup`` has
it ignored. The first raises KeyboardInterrupt in the main thread, at the end of what is `held`: a
record is written whole or not at all. The command closes, and exits with 128 + the signal's number,
as shells have it. A second one that comes while it closes, or while the main thread cannot hear the
first (it compiles), ends the process at once: what was saved is on disk.

Python's own handlers are not enough: SIGINT stays ignored where the parent ignores it (a background
job of a script, many CI systems), and libraries that are loaded later take signals for themselves:
libtpu prints a stack trace at SIGTERM. So `listen` is called again, by whatever is `held`.
"""

from __future__ import annotations

import _thread
import contextlib
import dataclasses
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

AGAIN = 0.5
"""Seconds after the first signal: what comes sooner is the same one; ``timeout`` sends it twice."""
PATIENCE = 1.0
"""Seconds after which it is said that the first one was heard, if nothing else was said."""
NUMBERS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


@dataclasses.dataclass
class _State:
    """What this process has heard.

    Attributes:
      listening: whether the signals are taken.
      first: the signal that came first; 0 if none did.
      raised: whether it has been raised, or waits for the end of what is held.
      held: how many blocks are open at whose end alone it is raised.
      resent: signals on their way that this module has sent itself.
      ended: the exit status, once there is nothing left to stop.
      advice: how what was stopped goes on.
    """

    listening: bool = False
    first: int = 0
    raised: bool = False
    held: int = 0
    resent: int = 0
    ended: int | None = None
    advice: str = ""


_state = _State()


def listen() -> None:
    """Takes the signals: from a parent that ignores SIGINT, and from libraries loaded since."""
    if threading.current_thread() is not threading.main_thread():
        return
    if not _state.listening:
        _state.listening = True
        _hear_what_is_dropped()
        _watch()
    for number in NUMBERS:
        ignored = number not in (signal.SIGINT, signal.SIGTERM)
        if not (ignored and signal.getsignal(number) == signal.SIG_IGN):
            signal.signal(number, _hear)


def renew() -> None:
    """Takes the signals again, if this is a command: after libraries that take some were loaded."""
    if _state.listening:
        listen()


def status() -> int:
    """The exit status of a command that was stopped: 130 by Ctrl-C, 143 by SIGTERM."""
    return 128 + (_state.first or signal.SIGINT)


def asked() -> int:
    """The number of the signal that asked to stop, also while it is `held`; 0 if none did."""
    return _state.first


def goes_on(advice: str) -> None:
    """What is printed where the command ends early: how it goes on."""
    _state.advice = advice


def advice() -> str:
    """What `goes_on` was given."""
    return _state.advice


def end(status: int) -> None:
    """Nothing is left to stop: from now on signals do not disturb the end of the process."""
    _state.ended = status


@contextlib.contextmanager
def held() -> Iterator[None]:
    """What is begun in the block is finished: a first signal is heard at its end."""
    renew()
    _state.held += 1
    try:
        yield
    finally:
        _state.held -= 1
    if _state.first and not _state.raised and not _state.held:
        _raise()


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Leaves the block as it came: for a command that is called as a function."""
    global _state
    before = _state, sys.unraisablehook, {n: signal.getsignal(n) for n in NUMBERS}
    _state, descriptor = _State(), signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(descriptor)
    try:
        yield
    finally:
        signal.set_wakeup_fd(descriptor)
        _state, sys.unraisablehook, handlers = before
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _hear(number: int, frame: Any) -> None:
    """In the main thread, between two of its instructions. Of a second signal, `_follow` knows."""
    del frame
    if _state.ended is None and not _state.raised:
        _state.first = _state.first or number
        if not _state.held:
            _raise()


def _raise() -> None:
    _state.raised = True
    raise KeyboardInterrupt


# --- the first, where nothing can be raised ---


def _hear_what_is_dropped() -> None:
    """Sends a signal again that fell where nothing can be raised.

    JAX tidies up in a callback of the garbage collector. What is raised in there is printed and
    dropped, so a Ctrl-C at that moment would leave the work running.
    """
    otherwise = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            _thread.start_new_thread(_send_again, ())  # threading's locks may be held here
        else:
            otherwise(unraisable)

    sys.unraisablehook = hook


def _send_again() -> None:
    time.sleep(0.01)
    _state.resent += 1
    _state.raised = False
    _thread.interrupt_main(signal.Signals(_state.first or signal.SIGINT))


# --- the second ---


def _watch() -> None:
    """Starts the thread that hears signals while the main thread computes."""
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
    threading.Thread(target=_follow, args=(ours, _state), daemon=True).start()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forget)


def _forget() -> None:
    """A process that is forked shares the pipe, and hears for itself."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _follow(pipe: int, state: _State) -> None:
    """Ends the process at the second signal."""
    first = _next(pipe, state)
    came = time.monotonic()
    if not select.select([pipe], [], [], PATIENCE)[0] and not state.raised and state.ended is None:
        _say("Stopping when what is under way is done; once more stops at once.")
    while True:
        _next(pipe, state)
        if time.monotonic() - came > AGAIN:
            break
    if state.ended is None:
        _say(
            f"{SHOW_CURSOR if sys.stderr.isatty() else ''}Stopped at once.\n{state.advice}".strip()
        )
    os._exit(128 + first if state.ended is None else state.ended)


SHOW_CURSOR = "\033[?25h"
"""Of a terminal, where a bar has hidden it."""


def _next(pipe: int, state: _State) -> int:
    """The number of the next signal that somebody else has sent."""
    while True:
        number = os.read(pipe, 1)[0]
        if number in NUMBERS:
            if not state.resent:
                return number
            state.resent -= 1


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"{text}\n".encode())
