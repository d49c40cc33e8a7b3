"""The pauses before retries."""

from zipjobs.s3.retry import (
    ATTEMPTS,
    FIRST_PAUSE_SECONDS,
    MAX_PAUSE_SECONDS,
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
