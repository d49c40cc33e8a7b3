"""Every client of AWS says how often it tries, and how long it waits for what."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.credentials import ReadOnlyCredentials

from zipjobs.s3 import connection
from zipjobs.s3 import part_upload as sender
from zipjobs.s3.bucket_owners import BucketOwners
from zipjobs.s3.part_upload import PartSender
from zipjobs.wiring import api as wiring

OWNERS = BucketOwners("123456789012")

BOTO3: dict[str, Callable[[], Any]] = {
    "sqs": lambda: wiring.client("sqs"),
    "dynamodb": lambda: wiring.client("dynamodb"),
    "events": lambda: wiring.client("events"),
    "s3": lambda: wiring.s3_client(OWNERS),
    "s3 for parts and copies": lambda: wiring.s3_client(OWNERS, connections=42, read_timeout=60),
    "s3 of another region": lambda: wiring.s3_client(OWNERS, region="eu-west-1"),
}


@pytest.mark.parametrize("make", BOTO3.values(), ids=BOTO3)
def test_clients_of_boto3_have_a_retry_mode_attempts_and_timeouts(
    make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them is that of the environment, nor boto3's default."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_RETRY_MODE", "legacy")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "99")
    config = make().meta.config
    assert config.retries == {"mode": "standard", "total_max_attempts": 4}
    assert config.connect_timeout == 3
    assert config.read_timeout in (10, 60)


def test_the_client_of_parts_has_timeouts_and_leaves_attempts_to_the_sender() -> None:
    credentials = ReadOnlyCredentials("id", "key", None)
    pool = PartSender("http://127.0.0.1:9", "us-east-1", lambda: credentials, 4)._pool
    assert pool.timeout.connect_timeout == sender.CONNECT_SECONDS == 3
    assert pool.timeout.read_timeout == sender.STALL_SECONDS == 60
    assert pool.retries is False


def test_the_client_of_reads_has_timeouts() -> None:
    """tests/unit/s3/test_client.py shows that it keeps to them."""
    assert connection.CONNECT_SECONDS == 3
    assert connection.STALL_SECONDS == 20
