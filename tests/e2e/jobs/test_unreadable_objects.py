"""Objects that cannot be read: the API, manifests and the command line list them or skip them."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from tests.e2e.cli.command import zipjobs
from tests.e2e.stack import Client

SKIP_ALL = {"onMissing": "skip", "onUnreadable": "skip"}
FORBIDDEN = FaultPlan.parse(
    "faults: [{operation: GetObject, key: '*secret.pdf', error: {code: AccessDenied, status: 403}}]"
)


class Objects(NamedTuple):
    """Keys of a job, and what it must report about those that cannot be read."""

    keys: list[str]
    skipped: list[dict[str, str]]
    by_code: dict[str, list[str]]


@pytest.fixture
def objects(client: Client, faults: FaultInjector) -> Objects:
    faults.install(FORBIDDEN)
    prefix = client.put_sources({name: name.encode() for name in ("a.pdf", "secret.pdf", "b.pdf")})
    bucket = client.outputs["sourceBucket"]
    for key in ("cold-1.pdf", "cold-2.pdf"):
        client.s3.put_object(
            Bucket=bucket, Key=prefix + key, Body=b"cold", StorageClass="DEEP_ARCHIVE"
        )
    reasons = {
        "a.pdf": "",
        "secret.pdf": "SOURCE_FORBIDDEN",
        "cold-1.pdf": "SOURCE_ARCHIVED",
        "gone.pdf": "SOURCE_NOT_FOUND",
        "b.pdf": "",
        "cold-2.pdf": "SOURCE_ARCHIVED",
    }
    urls = {f"s3://{bucket}/{prefix}{name}": reason for name, reason in reasons.items()}
    return Objects(
        [prefix + name for name in reasons],
        [{"object": url, "reason": reason} for url, reason in urls.items() if reason],
        {
            code: [url for url, reason in urls.items() if reason == code]
            for code in ("SOURCE_ARCHIVED", "SOURCE_FORBIDDEN", "SOURCE_NOT_FOUND")
        },
    )


def results(client: Client, request: dict[str, Any]) -> Iterator[Any]:
    """Yield the job of the API and the events of the same request by API and by manifest."""
    job = client.finished(client.post(request))
    yield job
    yield client.event(lambda detail: detail["jobId"] == job["jobId"])["detail"]
    manifest = client.upload_manifest(json.dumps(request).encode())
    event = client.event_of_manifest(manifest)
    yield event["detail"]
    name = manifest.removeprefix(client.outputs["manifestPrefix"]).removesuffix(".json")
    status_object = client.s3.get_object(
        Bucket=client.outputs["targetBucket"], Key=f"zips/{name}.status.json"
    )
    assert json.load(status_object["Body"]) == event["detail"]


def test_the_error_lists_all_objects_by_code(client: Client, objects: Objects) -> None:
    for result in results(client, {"keys": objects.keys}):
        assert result["status"] == "FAILED"
        assert result["error"]["code"] == "SOURCE_ARCHIVED"
        assert result["error"]["objectsByCode"] == objects.by_code
        assert sorted(result["error"]["objects"]) == sorted(
            one["object"] for one in objects.skipped
        )
        assert result["skippedObjects"] == []


@pytest.mark.parametrize(
    "options", [{}, {"maxArchiveBytes": 64 * 1024**2}], ids=["small", "planned"]
)
def test_skipped_objects_are_listed_with_the_reason(
    client: Client, objects: Objects, options: dict[str, Any]
) -> None:
    for result in results(client, {"keys": objects.keys, **SKIP_ALL, **options}):
        assert (result["status"], result["entries"]) == ("READY", {"done": 2, "total": 2})
        assert (result["skipped"], result["skippedObjects"]) == (4, objects.skipped)
        (archive,) = result["archives"]
        receipt = client.s3.get_object(
            Bucket=client.outputs["targetBucket"], Key=archive["receiptKey"]
        )
        assert [
            {"object": f"s3://{one['bucket']}/{one['key']}", "reason": one["reason"]}
            for one in json.load(receipt["Body"])["skipped"]
        ] == objects.skipped


def test_a_job_whose_objects_are_all_skipped_fails(client: Client, objects: Objects) -> None:
    keys = [key for key in objects.keys if not key.endswith(("/a.pdf", "/b.pdf"))]
    for result in results(client, {"keys": keys, **SKIP_ALL}):
        assert result["status"] == "FAILED"
        assert result["error"]["objectsByCode"] == objects.by_code


def test_the_command_line_prints_each_object_with_its_code(
    client: Client, objects: Objects
) -> None:
    failed = zipjobs(client, "submit", *objects.keys, "--wait")
    assert failed.code == 1
    options = ("--on-missing", "skip", "--on-unreadable", "skip")
    ready = zipjobs(client, "submit", *objects.keys, *options, "--wait")
    assert (ready.code, "Skipped   4 objects, listed below\n" in ready.out) == (0, True)
    for one in objects.skipped:
        assert f"          {one['object']} ({one['reason']})\n" in failed.out
        assert re.search(rf"{re.escape(one['object'])} +{one['reason']} ", ready.out)
