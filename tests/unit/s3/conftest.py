"""Fixtures of the tests that talk to scripted servers."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.unit.s3.loopback import Loopback
from zipjobs.s3 import retry as backoff
from zipjobs.s3.http import transfer


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
    monkeypatch.setattr(transfer, "STALL_SECONDS", 1)  # libcurl counts whole seconds
    monkeypatch.setattr(transfer, "UPLOAD_STALL_SECONDS", 1)
