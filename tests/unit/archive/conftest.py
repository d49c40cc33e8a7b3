"""Fixtures of the tests that talk to scripted servers."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.unit.archive.loopback import Loopback
from zipjobs.archive import reader as reader_module


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    with ExitStack() as opened:
        yield Loopback(opened)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "FIRST_PAUSE_SECONDS", 0.001)
