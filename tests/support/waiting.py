"""Wait for a condition instead of sleeping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

WAIT_SECONDS = 600.0
"""The timeout of all waits. It is long, because the machine may be busy."""

POLL_SECONDS = 0.05


def wait_for(event: str, look: Callable[[], T | None], seconds: float = WAIT_SECONDS) -> T:
    """Call ``look`` until it returns a value other than None, and return that value.

    Raises AssertionError after ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"Waited {seconds:.0f} s for {event}."
        time.sleep(POLL_SECONDS)
    return found
