"""Buckets that are on the lists, and are now somebody else's, are neither read nor written."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.stack import Client, client_of, local_up

SOURCE, TARGET = "their-documents", "their-archives"
WAS = "999999999999"
"""The account whose the buckets were. The one that they are in is another."""

SETTINGS = (
    f'allowedSources=["{SOURCE}"]',
    f'allowedTargets=["{TARGET}"]',
    f'bucketOwners=["{SOURCE}={WAS}", "{TARGET}={WAS}"]',
)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Of a stack of its own, whose buckets were made again meanwhile."""
    with local_up(*SETTINGS) as (outputs, _):
        client = client_of(outputs)
        for bucket in (SOURCE, TARGET):
            client.s3.create_bucket(Bucket=bucket)
        client.s3.put_object(Bucket=SOURCE, Key="in/one.pdf", Body=b"of somebody else")
        client.s3.put_object(Bucket=SOURCE, Key="in/list.jsonl", Body=b'{"key": "in/one.pdf"}\n')
        yield client


KEYS = {"keys": ["in/one.pdf"], "sourceBucket": SOURCE}
REQUESTS = {
    "keys": KEYS,
    "entries": {"entries": [{"bucket": SOURCE, "key": "in/one.pdf"}]},
    "a prefix": {"prefix": "in/", "sourceBucket": SOURCE},
    "a list": {"entriesFrom": f"s3://{SOURCE}/in/list.jsonl", "sourceBucket": SOURCE},
    "planned": {**KEYS, "maxArchiveBytes": 64 * 1024 * 1024},
}


@pytest.mark.parametrize("request_body", REQUESTS.values(), ids=REQUESTS)
def test_bucket_of_another_account_is_not_read(
    client: Client, request_body: dict[str, Any]
) -> None:
    job = client.finished(client.post(request_body))
    assert (job["status"], job["error"]["code"]) == ("FAILED", "SOURCE_FORBIDDEN"), job
    assert f"s3://{SOURCE}/in/" in job["error"]["message"]
    assert "bucketOwners must say whose it is" in job["error"]["message"]


def test_bucket_of_another_account_is_not_read_for_a_manifest(client: Client) -> None:
    event = client.event_of_manifest(client.drop_manifest(json.dumps(KEYS).encode()))
    error = event["detail"]["error"]
    assert error["code"] == "SOURCE_FORBIDDEN"
    assert "bucketOwners must say whose it is" in error["message"]


def test_bucket_of_another_account_is_not_written(client: Client) -> None:
    prefix = client.put_sources({"one.pdf": b"one"})
    request = {"keys": [f"{prefix}one.pdf"], "targetBucket": TARGET}
    job = client.finished(client.post(request))
    assert (job["status"], job["error"]["code"]) == ("FAILED", "TARGET_FORBIDDEN"), job
    assert f"s3://{TARGET}/" in job["error"]["message"]
    assert "bucketOwners" in job["error"]["message"]
    assert "Contents" not in client.s3.list_objects_v2(Bucket=TARGET)
    assert "Uploads" not in client.s3.list_multipart_uploads(Bucket=TARGET)


def test_other_buckets_belong_to_this_account(client: Client) -> None:
    prefix = client.put_sources({"one.pdf": b"one", f"{uuid.uuid4()}.pdf": b"two"})
    assert client.finished(client.post({"prefix": prefix}))["status"] == "READY"
