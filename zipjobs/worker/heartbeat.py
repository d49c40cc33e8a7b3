"""Heartbeats of workers. The response shows a worker that its job was cancelled or taken over."""

import logging
import math
import time
from collections.abc import Callable

from zipjobs.archive.options import Progress
from zipjobs.errors import LeaseLost, TransientError
from zipjobs.model import utc_now

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 2.0
"""The time between two writes of progress to the record."""

FINISH_SECONDS = 30.0
"""The time of its lease that a worker keeps for recording a result."""


def time_to_finish(lease_until: float | None) -> float:
    """Return when a worker must record its result, in seconds of the monotonic clock.

    ``lease_until`` is the end of its lease in seconds since 1970. Without one, it is never.
    """
    if lease_until is None:
        return math.inf
    return time.monotonic() + lease_until - utc_now().timestamp() - FINISH_SECONDS


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
