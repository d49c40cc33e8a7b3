from threading import Event, Thread

import pytest

from zipjobs.archive.budget import BudgetClosed, MemoryBudget


def acquired_in_background(budget: MemoryBudget, size: int, ticket: int) -> tuple[Thread, Event]:
    granted = Event()

    def run() -> None:
        try:
            budget.acquire(size, ticket)
            granted.set()
        except BudgetClosed:
            return

    thread = Thread(target=run)
    thread.start()
    return thread, granted


def test_memory_is_granted_until_the_limit_and_then_as_it_comes_back() -> None:
    budget = MemoryBudget(10)
    budget.acquire(6, 0)
    thread, granted = acquired_in_background(budget, 6, 1)
    assert not granted.is_set()
    budget.release(6)
    thread.join()
    assert granted.is_set()


def test_a_later_ticket_waits_for_an_earlier_one_even_if_it_would_fit() -> None:
    budget = MemoryBudget(10)
    late, late_granted = acquired_in_background(budget, 1, 1)
    assert not late_granted.is_set()
    budget.acquire(9, 0)
    late.join()
    assert late_granted.is_set()


def test_more_than_the_limit_is_granted_when_nothing_else_is_held() -> None:
    budget = MemoryBudget(10)
    budget.acquire(50, 0)
    thread, granted = acquired_in_background(budget, 1, 1)
    assert not granted.is_set()
    budget.release(50)
    thread.join()


def test_closing_turns_away_those_who_wait_and_those_who_come() -> None:
    budget = MemoryBudget(10)
    budget.acquire(10, 0)
    thread, granted = acquired_in_background(budget, 1, 1)
    budget.close()
    thread.join()
    assert not granted.is_set()
    with pytest.raises(BudgetClosed):
        budget.acquire(1, 2)
