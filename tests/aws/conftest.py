"""AWS inside this process: moto, with one bucket of each kind and a job table."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from zipjobs.jobs.store import JobStore

REGION = "us-east-1"
KEEP_SECONDS = 3600


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        yield


@pytest.fixture
def s3(aws: None) -> Any:
    client = boto3.client("s3")
    for bucket in ("src", "dst", "manifests"):
        client.create_bucket(Bucket=bucket)
    return client


@pytest.fixture
def put(s3: Any) -> Callable[[str, bytes], str]:
    """Puts an object into the source bucket; returns its ETag."""

    def put_object(key: str, body: bytes) -> str:
        etag: str = s3.put_object(Bucket="src", Key=key, Body=body)["ETag"]
        return etag

    return put_object


@pytest.fixture
def dynamodb(aws: None) -> Any:
    client = boto3.client("dynamodb")
    client.create_table(
        TableName="jobs",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "jobId", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "jobId", "AttributeType": "S"}],
    )
    return client


@pytest.fixture
def store(dynamodb: Any) -> JobStore:
    return JobStore(dynamodb, "jobs", KEEP_SECONDS)


@pytest.fixture
def uploads(s3: Any) -> Callable[[], list[Any]]:
    """The multipart uploads that the target bucket still holds."""
    return lambda: s3.list_multipart_uploads(Bucket="dst").get("Uploads", [])
