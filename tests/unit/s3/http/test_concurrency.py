"""How many requests may be in flight, by what S3 answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipjobs.s3.http.concurrency import MIN_IN_FLIGHT, RESPONSES_PER_STEP, AdaptiveConcurrency


class Requests:
    """Requests in flight, in the order in which they were sent."""

    def __init__(self, count: int, maximum: int | None = None) -> None:
        self.concurrency = AdaptiveConcurrency(maximum or count)
        self._rounds = [self.concurrency.sent() for _ in range(count)]

    def answer(self, status: int) -> int:
        """Answer the oldest request, and return the limit."""
        self.concurrency.answered(status, self._rounds.pop(0))
        return self.concurrency.limit

    def send(self) -> None:
        """Send as many requests as may be in flight."""
        while self.concurrency.may_send:
            self._rounds.append(self.concurrency.sent())


@pytest.mark.parametrize("status", [429, 503])
def test_a_throttled_request_halves_the_limit(status: int) -> None:
    assert Requests(240).answer(status) == 120


@pytest.mark.parametrize("status", [200, 206, 301, 403, 404, 412, 500, 502, 504])
def test_any_other_response_does_not(status: int) -> None:
    assert Requests(240).answer(status) == 240


def test_requests_that_are_throttled_together_halve_it_once() -> None:
    requests = Requests(240)
    assert [requests.answer(503) for _ in range(240)] == [120] * 240


def test_later_requests_halve_it_again_down_to_the_minimum() -> None:
    requests = Requests(240)
    limits = []
    for _ in range(7):
        while requests.concurrency.in_flight:
            requests.answer(503)
        limits.append(requests.concurrency.limit)
        requests.send()
    assert limits == [120, 60, 30, 15, 7, MIN_IN_FLIGHT, MIN_IN_FLIGHT]


def test_the_limit_is_half_of_what_was_in_flight_if_that_was_less_than_allowed() -> None:
    assert Requests(40, maximum=240).answer(503) == 20


def test_a_request_without_a_response_is_no_longer_in_flight() -> None:
    requests = Requests(4)
    requests.concurrency.lost()
    assert requests.concurrency.may_send
    assert requests.concurrency.limit == 4


def test_good_responses_raise_the_limit_step_by_step_to_the_maximum() -> None:
    requests = Requests(240)
    requests.answer(503)
    assert [requests.answer(206) for _ in range(RESPONSES_PER_STEP)][-2:] == [120, 121]
    for _ in range(119 * RESPONSES_PER_STEP):
        requests.send()
        requests.answer(206)
    assert requests.concurrency.limit == 240


@given(st.integers(1, 300), st.lists(st.sampled_from([206, 404, 429, 500, 503])))
def test_something_may_always_be_in_flight_and_never_too_much(
    maximum: int, statuses: list[int]
) -> None:
    requests = Requests(0, maximum)
    for status in statuses:
        requests.send()
        assert min(MIN_IN_FLIGHT, maximum) <= requests.answer(status) <= maximum
