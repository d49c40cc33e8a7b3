"""How many requests may be in flight, by what S3 answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipjobs.s3.concurrency import ANSWERS_PER_STEP, LEAST_IN_FLIGHT, AdaptiveConcurrency


def in_flight(requests: int, most: int | None = None) -> AdaptiveConcurrency:
    pace = AdaptiveConcurrency(most or requests)
    pace.in_flight = requests
    return pace


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_request_that_is_refused_for_now_halves_what_may_be_in_flight(status: int) -> None:
    pace = in_flight(240)
    pace.answered(status, sent_in=pace.round)
    assert pace.limit == 120


@pytest.mark.parametrize("status", [200, 206, 301, 403, 404, 412])
def test_any_other_answer_does_not(status: int) -> None:
    pace = in_flight(240)
    pace.answered(status, sent_in=pace.round)
    assert pace.limit == 240


def test_many_that_are_refused_together_halve_it_once() -> None:
    pace = in_flight(240)
    together = pace.round
    for _ in range(240):
        pace.answered(503, sent_in=together)
        pace.in_flight -= 1
    assert pace.limit == 120


def test_it_is_halved_again_for_what_was_sent_afterwards_down_to_the_least() -> None:
    pace = in_flight(240)
    limits = []
    for _ in range(7):
        pace.answered(503, sent_in=pace.round)
        limits.append(pace.limit)
        pace.in_flight = pace.limit
    assert limits == [120, 60, 30, 15, 7, LEAST_IN_FLIGHT, LEAST_IN_FLIGHT]


def test_half_of_what_was_in_flight_may_be_if_that_was_less_than_allowed() -> None:
    pace = in_flight(40, most=240)
    pace.answered(503, sent_in=pace.round)
    assert pace.limit == 20


def test_after_some_good_answers_one_more_may_be_and_at_last_as_many_as_before() -> None:
    pace = in_flight(240)
    pace.answered(503, sent_in=pace.round)
    for _ in range(ANSWERS_PER_STEP - 1):
        pace.answered(206, sent_in=pace.round)
    assert pace.limit == 120
    pace.answered(206, sent_in=pace.round)
    assert pace.limit == 121
    for _ in range(119 * ANSWERS_PER_STEP):
        pace.answered(206, sent_in=pace.round)
    assert pace.limit == pace.most == 240


@given(
    st.integers(1, 300),
    st.lists(st.tuples(st.sampled_from([206, 404, 429, 500, 503]), st.integers(0, 2))),
)
def test_something_may_always_be_in_flight_and_never_too_much(
    most: int, answers: list[tuple[int, int]]
) -> None:
    pace = AdaptiveConcurrency(most)
    for status, rounds_ago in answers:
        pace.in_flight = pace.limit
        pace.answered(status, sent_in=pace.round - rounds_ago)
        assert min(LEAST_IN_FLIGHT, most) <= pace.limit <= most
