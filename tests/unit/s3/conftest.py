"""Fixtures of the tests that talk to scripted servers."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.unit.s3.loopback import Loopback
from zipjobs.s3 import client as transport
from zipjobs.s3 import connection
from zipjobs.s3 import retry as backoff


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    with ExitStack() as opened:
        yield Loopback(opened)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are short."""
    monkeypatch.setattr(backoff, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(backoff, "MAX_PAUSE_SECONDS", 0.01)


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stalls is given up soon."""
    monkeypatch.setattr(connection, "STALL_SECONDS", 0.25)
    monkeypatch.setattr(transport, "CHECK_SECONDS", 0.01)
