"""One stack on the embedded AWS for all end-to-end tests of a process.

Only one can exist at a time, because moto's state is global.
"""

from collections.abc import Iterator

import pytest

from local.faults.injector import FaultInjector
from tests.e2e.stack import Client, deployed


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    with deployed() as client:
        yield client


@pytest.fixture
def faults(client: Client) -> Iterator[FaultInjector]:
    """Return the faults of the stack. Installed plans are removed after the test."""
    yield client.stack.faults
    client.stack.faults.clear()
