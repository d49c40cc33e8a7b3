"""A queue starts 5 functions at once, then 300 more per minute."""

import pytest

from local.runtime.event_source import ScaleOut


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def scale_out(clock: Clock) -> ScaleOut:
    return ScaleOut(clock)


def started(scale_out: ScaleOut) -> int:
    """Start as many invocations as possible. Return their number."""
    count = 0
    while scale_out.try_start():
        count += 1
    return count


def test_five_start_at_once_and_five_more_each_second(scale_out: ScaleOut, clock: Clock) -> None:
    assert started(scale_out) == 5
    clock.seconds = 1
    assert started(scale_out) == 5
    clock.seconds = 60
    assert started(scale_out) == 295, "305 run"


def test_an_ended_invocation_makes_room(scale_out: ScaleOut) -> None:
    started(scale_out)
    scale_out.end()
    assert started(scale_out) == 1


def test_an_empty_queue_starts_again_with_five(scale_out: ScaleOut, clock: Clock) -> None:
    started(scale_out)
    for _ in range(4):
        scale_out.end()
    clock.seconds = 60
    scale_out.end(was_empty=True)
    assert started(scale_out) == 5
