"""Ctrl-C during a chunk is heard at its end: what is trained is handed out before a sweep stops."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Signals that Python handles are heard at the end of the block; a second one at once.

    Elsewhere than in the main thread Python hears none, and the block changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    heard: list[tuple[int, Any]] = []

    def hear(number: int, frame: Any) -> None:
        heard.append((number, frame))
        if len(heard) > 1:
            _restore(handlers)
            _deliver(heard, handlers)

    for number, handler in handlers.items():
        if callable(handler):
            signal.signal(number, hear)
    try:
        yield
    finally:
        _restore(handlers)
    _deliver(heard, handlers)


def _restore(handlers: dict[Any, Any]) -> None:
    for number, handler in handlers.items():
        if callable(handler):
            signal.signal(number, handler)


def _deliver(heard: list[tuple[int, Any]], handlers: dict[Any, Any]) -> None:
    """To whom the first of them was sent."""
    if heard:
        number, frame = heard.pop(0)
        heard.clear()
        handlers[number](number, frame)
