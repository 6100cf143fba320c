"""Where a study is kept: a journal that several processes share, or a database."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from jaxreg._messages.brief import brief

GRACE = 10  # seconds that a lock is respected: a process that was killed leaves it behind


def storage_of(owner: str, storage: Any) -> Any:
    import optuna

    if storage is None or isinstance(storage, optuna.storages.BaseStorage):
        return storage
    if isinstance(storage, str) and "://" in storage:
        return _database(owner, storage)
    if not isinstance(storage, str | os.PathLike):
        raise TypeError(
            f"{owner}: storage: expected a path for a journal, a URL of a database such as "
            f"sqlite:///study.db, or a storage of Optuna, got {brief(storage)}"
        )
    return _journal(owner, Path(storage))


def _database(owner: str, url: str) -> Any:
    import optuna

    try:
        return optuna.storages.get_storage(url)
    except Exception as error:  # of the driver of that database, whichever it is
        raise ValueError(
            f"{owner}: storage: could not open {url.partition('://')[0]}://…: {error}"
        ) from error


def _journal(owner: str, path: Path) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

    refusal = ValueError(
        f"{owner}: storage: expected a journal of Optuna, or a new file, but {path} is something "
        f"else; it is left as it is: name another"
    )
    if path.is_dir() or (path.exists() and not _is_journal(path)):
        raise refusal
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = JournalFileSymlinkLock(str(path), grace_period=GRACE)
    _mend(path, lock)
    try:
        return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
    except Exception as error:  # whatever Optuna makes of a line that it did not write
        raise refusal from error


def _is_journal(path: Path) -> bool:
    with path.open("rb") as file:
        first = file.readline()
    try:
        return not first.strip() or "op_code" in json.loads(first)
    except (ValueError, TypeError, RecursionError):
        return not first.endswith(b"\n") and first.startswith(b'{"op_code"')


def _mend(path: Path, lock: Any) -> None:
    """Cuts off a last line that a process was killed in: Optuna would never read on."""
    if not path.exists() or _ends_whole(path):
        return
    lock.acquire()  # nobody is writing, then
    try:
        text = path.read_bytes()
        os.truncate(path, text.rfind(b"\n") + 1)
    finally:
        lock.release()


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
