"""Every AWS client has a retry mode, a number of attempts, and timeouts."""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import boto3
import pytest

from tests.support.environment import FUNCTIONS_ENVIRONMENT
from zipjobs.s3.bucket_owners import BucketOwners
from zipjobs.s3.http import transfer
from zipjobs.wiring import api, lifecycle, worker

USES: dict[str, Callable[[], Any]] = {
    "enqueue": api.enqueue_dependencies.__wrapped__,
    "status": api.status_dependencies.__wrapped__,
    "zipper": worker.zipper_dependencies.__wrapped__,
    "finalizer": lifecycle.finalizer.__wrapped__,
    "reconciler": lifecycle.reconciler.__wrapped__,
    "another region": lambda: api.s3_client(BucketOwners("123456789012"), region="eu-west-1"),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_clients_set_their_retries_and_timeouts(
    monkeypatch: pytest.MonkeyPatch, use: Callable[[], Any]
) -> None:
    """Clients do not use the values of the environment or the defaults of boto3."""
    environment = FUNCTIONS_ENVIRONMENT | {"AWS_RETRY_MODE": "legacy", "AWS_MAX_ATTEMPTS": "99"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    created = []
    real = boto3.client

    def client(*args: Any, **kwargs: Any) -> Any:
        created.append(real(*args, **kwargs))
        return created[-1]

    lifecycle.finalizer.cache_clear()
    with patch.object(boto3, "client", client):
        use()
    lifecycle.finalizer.cache_clear()
    assert created
    for one in created:
        config = one.meta.config
        assert config.retries == {"mode": "standard", "total_max_attempts": 4}
        assert config.connect_timeout == 3
        assert config.read_timeout in (10, 60)


def test_reads_and_part_uploads_have_timeouts() -> None:
    """tests/unit/s3 shows that they are used."""
    assert (transfer.CONNECT_SECONDS, transfer.STALL_SECONDS) == (3, 20)
    assert transfer.UPLOAD_STALL_SECONDS == 60
