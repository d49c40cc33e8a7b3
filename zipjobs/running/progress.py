"""Reports progress, but not too often."""

import logging
import time
from collections.abc import Callable
from threading import Lock

from zipjobs.archive.means import Progress
from zipjobs.errors import LeaseLost, TransientError

logger = logging.getLogger(__name__)

PROGRESS_SECONDS = 2.0
"""How often a worker reports at most."""


class ThrottledProgress:
    """Passes progress on, newest only, at most every ``PROGRESS_SECONDS``."""

    def __init__(self, note: Callable[[Progress], None]) -> None:
        self._note = note
        self._lock = Lock()
        self._due = time.monotonic() + PROGRESS_SECONDS
        self._latest = Progress(0, 0)

    def __call__(self, progress: Progress) -> None:
        with self._lock:
            self._latest = max(self._latest, progress, key=lambda p: p.source_bytes)
            if time.monotonic() < self._due:
                return
            self._due = time.monotonic() + PROGRESS_SECONDS
            latest = self._latest
        try:
            self._note(latest)
        except LeaseLost:
            raise
        except TransientError:
            logger.warning("Progress could not be recorded", exc_info=True)
