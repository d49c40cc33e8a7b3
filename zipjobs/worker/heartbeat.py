"""Heartbeats of workers. The response shows a worker that its job was cancelled or taken over."""

import logging
import time
from collections.abc import Callable

from zipjobs.archive.options import Progress
from zipjobs.errors import LeaseLost, TransientError

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 2.0
"""The time between two writes of progress to the record."""


def tolerant(record: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """Return ``record`` wrapped so that only LeaseLost is raised. Other errors are logged."""

    def try_to_record(progress: Progress) -> None:
        try:
            record(progress)
        except LeaseLost:
            raise
        except TransientError:
            logger.warning("Progress could not be recorded", exc_info=True)

    return try_to_record


class Heartbeat:
    """Calls ``record`` every ``HEARTBEAT_SECONDS``, as long as it is called itself."""

    def __init__(self, record: Callable[[Progress], None]) -> None:
        self._record = tolerant(record)
        self._due = time.monotonic() + HEARTBEAT_SECONDS

    def __call__(self) -> None:
        """Raises LeaseLost."""
        if time.monotonic() >= self._due:
            self._record(Progress(0, 0))
            self._due = time.monotonic() + HEARTBEAT_SECONDS
