"""Waiting for a thing, instead of sleeping and hoping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

GIVE_UP_SECONDS = 90.0


def wait_for(what: str, look: Callable[[], T | None], seconds: float = GIVE_UP_SECONDS) -> T:
    """Call ``look`` until it returns something; fail the test if it never does."""
    give_up = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < give_up, f"waited {seconds:.0f} s in vain for {what}"
        time.sleep(0.05)
    return found
