"""Downloads of TensorFlow Datasets that give up soon where there is no network, in silence."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Iterator

RETRIES = 2
TIMEOUT = 5.0, 60.0  # seconds, to connect and between two parts of a file


@contextlib.contextmanager
def impatient() -> Iterator[None]:
    """Without it there are ten retries, each told, for three minutes, and no limit to one of them.

    Retries stay silent afterwards: where one download fails, the others go on in their threads.
    """
    from tensorflow_datasets.core.download import downloader

    logging.getLogger("urllib3").setLevel(logging.ERROR)
    retries, open_url = downloader.MAX_RETRIES, downloader._open_url
    downloader.MAX_RETRIES = min(retries, RETRIES)
    downloader._open_url = functools.partial(open_url, timeout=TIMEOUT)
    try:
        yield
    finally:
        downloader.MAX_RETRIES, downloader._open_url = retries, open_url
