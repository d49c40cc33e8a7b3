"""One stack on the embedded AWS for all end-to-end tests of a process.

It is stopped after the last of them, because moto's state is global: a process can run only one
stack, and tests of other folders empty moto.
"""

from collections.abc import Iterator

import pytest

from local.faults.injector import FaultInjector
from tests.e2e.stack import Client, deployed


@pytest.fixture(scope="package")
def client() -> Iterator[Client]:
    with deployed() as client:
        yield client


@pytest.fixture
def faults(client: Client) -> Iterator[FaultInjector]:
    """Return the faults of the stack. Installed plans are removed after the test."""
    yield client.stack.faults
    client.stack.faults.clear()
