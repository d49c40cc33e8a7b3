"""Every client that the service makes says how often it tries, and how long it waits."""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import boto3
import pytest

from zipjobs import wiring
from zipjobs.running import wiring as working

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "any",
    "AWS_SECRET_ACCESS_KEY": "thing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "TABLE_NAME": "jobs",
    "JOB_RETENTION_SECONDS": "3600",
    "SWEEP_GRACE_SECONDS": "1800",
    "SOURCE_BUCKET": "src",
    "TARGET_BUCKET": "dst",
    "TARGET_PREFIX": "zips/",
    "MANIFEST_PREFIX": "manifests/",
    "ALLOWED_SOURCES": '["src/"]',
    "ALLOWED_TARGETS": '["dst/zips/"]',
    "QUEUE_URL": "https://queue",
    "REQUESTS_BUCKET": "manifests",
    "REQUESTS_PREFIX": "requests/",
    "PRESIGN_TTL_SECONDS": "3600",
    "WORK_BUCKET": "manifests",
    "WORK_PREFIX": "work/",
    "EVENT_BUS_NAME": "bus",
    "SERVICE_NAME": "zip-jobs",
    "SEGMENT_MIB": "1024",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
}

FUNCTIONS = [
    wiring.submitting,
    wiring.answering,
    working.zipping,
    working.ending,
    working.sweeping,
]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_every_client_sets_its_retries_and_its_timeouts(
    monkeypatch: pytest.MonkeyPatch, function: Callable[[], Any]
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    made = []
    real = boto3.client

    def client(*args: Any, **kwargs: Any) -> Any:
        made.append(real(*args, **kwargs))
        return made[-1]

    working.ending.cache_clear()
    with patch.object(boto3, "client", client):
        function.__wrapped__()  # type: ignore[attr-defined]
    working.ending.cache_clear()
    assert made
    for one in made:
        config = one.meta.config
        assert config.retries == {"mode": "standard", "total_max_attempts": 4}
        assert config.connect_timeout == 3
        assert config.read_timeout in (10, 60)
