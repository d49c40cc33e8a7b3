"""Allowed buckets that another account owns now are not read and not written."""

import json
import uuid
from typing import Any

import pytest

from tests.e2e.conftest import FOREIGN_SOURCE, FOREIGN_TARGET
from tests.e2e.stack import Client

KEYS = {"keys": ["in/one.pdf"], "sourceBucket": FOREIGN_SOURCE}
REQUESTS = {
    "keys": KEYS,
    "entries": {"entries": [{"bucket": FOREIGN_SOURCE, "key": "in/one.pdf"}]},
    "a prefix": {"prefix": "in/", "sourceBucket": FOREIGN_SOURCE},
    "a list": {
        "entriesFrom": f"s3://{FOREIGN_SOURCE}/in/list.jsonl",
        "sourceBucket": FOREIGN_SOURCE,
    },
    "planned": {**KEYS, "maxArchiveBytes": 64 * 1024 * 1024},
}


@pytest.fixture(scope="module")
def client(open_stack: Client) -> Client:
    """Create the buckets in this account, which is not the account of the setting."""
    for bucket in (FOREIGN_SOURCE, FOREIGN_TARGET):
        open_stack.s3.create_bucket(Bucket=bucket)
    for key, body in (("in/one.pdf", b"one"), ("in/list.jsonl", b'{"key": "in/one.pdf"}\n')):
        open_stack.s3.put_object(Bucket=FOREIGN_SOURCE, Key=key, Body=body)
    return open_stack


@pytest.mark.parametrize("request_body", REQUESTS.values(), ids=REQUESTS)
def test_bucket_of_another_account_is_not_read(
    client: Client, request_body: dict[str, Any]
) -> None:
    job = client.finished(client.post(request_body))
    assert (job["status"], job["error"]["code"]) == ("FAILED", "SOURCE_FORBIDDEN"), job
    assert f"s3://{FOREIGN_SOURCE}/in/" in job["error"]["message"]
    assert "add it to bucketOwners" in job["error"]["message"]


def test_bucket_of_another_account_is_not_read_for_a_manifest(client: Client) -> None:
    event = client.event_of_manifest(client.upload_manifest(json.dumps(KEYS).encode()))
    error = event["detail"]["error"]
    assert error["code"] == "SOURCE_FORBIDDEN"
    assert "add it to bucketOwners" in error["message"]


def test_bucket_of_another_account_is_not_written(client: Client) -> None:
    prefix = client.put_sources({"one.pdf": b"one"})
    request = {"keys": [f"{prefix}one.pdf"], "targetBucket": FOREIGN_TARGET}
    job = client.finished(client.post(request))
    assert (job["status"], job["error"]["code"]) == ("FAILED", "TARGET_FORBIDDEN"), job
    assert f"s3://{FOREIGN_TARGET}/" in job["error"]["message"]
    assert "bucketOwners" in job["error"]["message"]
    assert "Contents" not in client.s3.list_objects_v2(Bucket=FOREIGN_TARGET)
    assert "Uploads" not in client.s3.list_multipart_uploads(Bucket=FOREIGN_TARGET)


def test_other_buckets_belong_to_this_account(client: Client) -> None:
    prefix = client.put_sources({"one.pdf": b"one", f"{uuid.uuid4()}.pdf": b"two"})
    assert client.finished(client.post({"prefix": prefix}))["status"] == "READY"
