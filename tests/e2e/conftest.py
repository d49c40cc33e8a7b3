"""Two stacks on the embedded AWS, which all end-to-end tests of a process share.

moto's state is global, so a process runs only one stack itself. It is stopped after the last of
these tests, because tests of other folders empty moto.
"""

import json
from collections.abc import Iterator

import pytest

from local.faults.injector import FaultInjector
from tests.e2e.stack import Client, deployed, local_up

FOREIGN_ACCOUNT = "999999999999"
FOREIGN_SOURCE, FOREIGN_TARGET = "their-documents", "their-archives"
"""Buckets that should belong to the foreign account."""


@pytest.fixture(scope="package")
def client() -> Iterator[Client]:
    with deployed() as client:
        yield client


@pytest.fixture
def faults(client: Client) -> Iterator[FaultInjector]:
    """Return the faults of the stack. Installed plans are removed after the test."""
    yield client.stack.faults
    client.stack.faults.clear()


@pytest.fixture(scope="package")
def open_stack() -> Iterator[Client]:
    """Run a stack without authorization in its own process, with default limits."""
    owners = [f"{bucket}={FOREIGN_ACCOUNT}" for bucket in (FOREIGN_SOURCE, FOREIGN_TARGET)]
    with local_up(
        "apiAuth=none",
        f'allowedSources=["{FOREIGN_SOURCE}"]',
        f'allowedTargets=["{FOREIGN_TARGET}"]',
        f"bucketOwners={json.dumps(owners)}",
    ) as client:
        yield client
