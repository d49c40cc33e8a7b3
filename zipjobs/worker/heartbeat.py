"""How workers say that they are alive, and learn that their job is over."""

import logging
import time
from collections.abc import Callable

from zipjobs.archive.options import Progress
from zipjobs.errors import LeaseLost, TransientError

logger = logging.getLogger(__name__)

BEAT_SECONDS = 2.0


def tolerant(note: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """``note``, but that only a lost lease ends the build; other trouble is logged."""

    def try_to_note(progress: Progress) -> None:
        try:
            note(progress)
        except LeaseLost:
            raise
        except TransientError:
            logger.warning("Progress could not be recorded", exc_info=True)

    return try_to_note


class Heartbeat:
    """Calls ``note`` every ``BEAT_SECONDS``, if it is itself called often enough."""

    def __init__(self, note: Callable[[Progress], None]) -> None:
        self._note = tolerant(note)
        self._due = time.monotonic() + BEAT_SECONDS

    def __call__(self) -> None:
        """Raises LeaseLost."""
        if time.monotonic() >= self._due:
            self._note(Progress(0, 0))
            self._due = time.monotonic() + BEAT_SECONDS
