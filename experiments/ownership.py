"""Who writes to a folder: one run at a time, by a lock that names its owner.

The system itself keeps the lock (``flock``) and lets go of it when its process dies, however that
happens; ``lock.json`` says who that is. A file whose owner is dead is taken over.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import json
import os
import shlex
import socket
import sys
import time
from pathlib import Path
from typing import Any

try:
    import fcntl
except ModuleNotFoundError:  # not a POSIX system
    fcntl: Any = None

NAME = "lock.json"
WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}
"""What a file system says that has none: there two runs are not kept apart."""

_own: dict[Path, int] = {}
"""Of this process: open locks by folder."""


class InUseError(OSError):
    """Another process writes to the folder: which one."""


def take(folder: Path) -> str:
    """Makes the folder this process's own, until `release` or its end.

    Returns:
      What there is to say: that it was taken over from a run that died; "" otherwise.

    Raises:
      InUseError: if a process that is alive has it.
      OSError: if nothing can be written there.
    """
    place = folder.resolve()
    if fcntl is None or place in _own:
        return ""
    while True:
        descriptor = os.open(place / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            before = _locked(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if _is_still(place / NAME, descriptor):  # its last owner may just have removed it
            break
        os.close(descriptor)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(_me()).encode() + b"\n", 0)
    _own[place] = descriptor
    atexit.register(release, folder)
    return f"Goes on in {folder}, which {before} left without ending." if before else ""


def release(folder: Path) -> None:
    """Lets go of a folder."""
    descriptor = _own.pop(folder.resolve(), None)
    if descriptor is not None:
        with contextlib.suppress(OSError):
            (folder / NAME).unlink()
        os.close(descriptor)


def _locked(descriptor: int) -> str:
    """Locks an open file; the owner that it had, if that one is dead."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InUseError(_named(descriptor) or "another process") from None
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
        return ""
    return _named(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _named(descriptor: int) -> str:
    """As ``process 17 on host (python -m experiments.claims, since 12:30:05)``."""
    try:
        owner = json.loads(os.pread(descriptor, 65536, 0))
        since = f"({owner['command']}, since {owner['time']})"
        return f"process {owner['process']} on {owner['host']} {since}"
    except (ValueError, KeyError, TypeError):
        return ""


def _me() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "command": shlex.join(["python", *sys.orig_argv[1:]]),
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
