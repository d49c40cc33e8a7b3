"""The pauses before retries."""

import pytest

from zipjobs.s3 import retry
from zipjobs.s3.retry import (
    ATTEMPTS,
    FIRST_PAUSE_SECONDS,
    MAX_PAUSE_SECONDS,
    TOTAL_SECONDS,
    Attempts,
    pause_seconds,
)


def test_pauses_double_up_to_a_limit_with_50_percent_jitter() -> None:
    for attempt in range(1, 20):
        middle = min(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), MAX_PAUSE_SECONDS)
        pauses = [pause_seconds(attempt) for _ in range(2000)]
        assert 0.5 * middle <= min(pauses) < 0.6 * middle
        assert 1.4 * middle < max(pauses) <= 1.5 * middle


def test_no_two_pauses_are_equal() -> None:
    assert len({pause_seconds(3) for _ in range(2000)}) == 2000


def test_the_total_of_all_pauses_is_limited() -> None:
    assert sum(pause_seconds(attempt) for attempt in range(1, ATTEMPTS)) < 32


class Clock:
    """A replacement of the module ``time``."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(retry, "time", clock)
    return clock


def test_the_number_of_attempts_is_limited_and_counts_again_after_progress(clock: Clock) -> None:
    attempts = Attempts()
    for _ in range(2):
        pauses = [attempts.next_pause() for _ in range(ATTEMPTS)]
        assert None not in pauses[:-1]
        assert pauses[-1] is None
        attempts.restart()


def test_no_attempt_starts_after_the_total_time(clock: Clock) -> None:
    attempts = Attempts()
    clock.now = TOTAL_SECONDS
    assert attempts.next_pause() is not None
    clock.now += 1
    assert attempts.next_pause() is None
    attempts.restart()
    assert attempts.next_pause() is not None
