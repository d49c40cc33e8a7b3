"""Bounds the bytes that are in memory at once."""

from threading import Condition


class BudgetClosed(Exception):
    """The build is being given up; whoever waits for memory stops waiting."""


class MemoryBudget:
    """``limit_bytes`` to share. Grants follow the order of their tickets, 0, 1, 2, …

    Order is what rules deadlock out: whoever is first in the archive is first to get memory, and
    can always finish. A single request above the limit is granted when nothing else is held.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._used_bytes = 0
        self._next_ticket = 0
        self._closed = False
        self._changed = Condition()

    def acquire(self, size: int, ticket: int) -> None:
        """Wait for ``size`` bytes and for every earlier ticket. Raises BudgetClosed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._may_grant(size, ticket))
            if self._closed:
                raise BudgetClosed
            self._used_bytes += size
            self._next_ticket += 1
            self._changed.notify_all()

    def release(self, size: int) -> None:
        """Give ``size`` bytes back."""
        with self._changed:
            self._used_bytes -= size
            self._changed.notify_all()

    def close(self) -> None:
        """Turn away whoever waits, now and later."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _may_grant(self, size: int, ticket: int) -> bool:
        fits = self._used_bytes + size <= self._limit_bytes or self._used_bytes == 0
        return fits and ticket == self._next_ticket
