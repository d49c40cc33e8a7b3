"""Requests with all optional fields, by API, by manifest and on the command line."""

import json
import uuid
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cli.command import zipjobs
from tests.e2e.stack import Client
from zipjobs.requests.schema import JobRequest

LONG = f"{'long-name-' * 8}.tar.gz"
CONTENTS = {
    "photos/": b"",
    "photos/a b.PDF": b"cat",
    "empty/": b"",
    f"{'deep-folder-' * 4}/{LONG}": b"deep",
    "large.pdf": b"x" * 1000,
    "note.txt": b"text",
}
ARCHIVE = {
    "emptyFolders": "keep",
    "maxPathLength": 60,
    "requestPayer": "requester",
    "storageClass": "INTELLIGENT_TIERING",
    "tags": {"team": "accounting", "cost center": "47/11"},
    "metadata": {"order": "4711", "customer.id": "c 9"},
    "expiresInDays": 7,
    "onDuplicate": "fail",
    "onMissing": "skip",
    "onUnreadable": "skip",
    "archiveName": "all",
    "compression": "store",
    "version": "1",
}
NAMES = [f"{'deep-folder-' * 2}deep-/{'long-name-' * 2}lon.tar.gz", "photos/a b.PDF", "empty/"]


def by_api(client: Client, request: Any) -> dict[str, Any]:
    return client.finished(client.post(request))


def by_manifest(client: Client, request: Any) -> dict[str, Any]:
    key = client.upload_manifest(json.dumps(request).encode())
    return client.finished(client.event_of_manifest(key)["detail"]["jobId"])


def by_command_line(client: Client, request: Any) -> dict[str, Any]:
    options = []
    names = {"archiveName": "name", "tags": "tag"}
    for field, value in request.items():
        option = "".join(f"-{c.lower()}" if c.isupper() else c for c in names.get(field, field))
        if isinstance(value, dict):
            for pair in value.items():
                options += [f"--{option}", "=".join(pair)]
        elif isinstance(value, list):
            for one in value:
                options += [f"--{option}", one]
        elif value is True:
            options.append(f"--{option}")
        elif field != "version":
            options += [f"--{option}", value]
    done = zipjobs(client, "submit", *options, "--wait", "--json")
    assert done.code == 0, done.err
    return client.finished(done.json["jobId"])


def of_prefix(client: Client) -> dict[str, Any]:
    """Return a request for a prefix, with filters."""
    prefix = client.put_sources(CONTENTS)
    day = timedelta(days=1)
    now = datetime.now(UTC)
    return {
        "prefix": prefix,
        "include": ["**"],
        "exclude": ["*.{txt,csv}"],
        "modifiedAfter": (now - day).date().isoformat(),
        "modifiedBefore": (now + day).isoformat(timespec="seconds"),
        "minBytes": 0,
        "maxBytes": 999,
        "naming": "relative",
    }


def of_list(client: Client) -> dict[str, Any]:
    """Return a request for a list of S3 Batch Operations, with URL-encoded keys."""
    prefix = client.put_sources(CONTENTS)
    bucket = client.outputs["sourceBucket"]
    keys = [prefix + key for key in sorted(CONTENTS) if not key.endswith((".txt", "large.pdf"))]
    rows = "".join(f"{bucket},{key.replace(' ', '%20')}\n" for key in keys)
    name = f"{uuid.uuid4()}-manifest.json"
    client.s3.put_object(Bucket=bucket, Key=name, Body=rows.encode())
    return {
        "entriesFrom": f"s3://{bucket}/{name}",
        "keysUrlEncoded": True,
        "sourceBucket": bucket,
        "targetBucket": client.outputs["targetBucket"],
        "targetPrefix": "zips/",
        "naming": "path",
        "stripPrefix": prefix,
    }


def test_the_requests_have_all_fields(client: Client) -> None:
    fields = {**of_prefix(client), **of_list(client), **ARCHIVE}
    others = {"keys", "entries", "maxArchiveBytes"}
    schema = JobRequest.model_json_schema(by_alias=True)["properties"]
    assert fields.keys() | others == schema.keys()


@pytest.mark.parametrize("objects", [of_prefix, of_list])
@pytest.mark.parametrize("submit", [by_api, by_manifest, by_command_line])
def test_every_field_has_its_effect(
    client: Client,
    tmp_path: Path,
    objects: Callable[[Client], dict[str, Any]],
    submit: Callable[[Client, Any], dict[str, Any]],
) -> None:
    job = submit(client, {**objects(client), **ARCHIVE})
    assert job["status"] == "READY", job
    (archive,) = job["archives"]
    path = client.download(job, tmp_path)
    with zipfile.ZipFile(path) as file:
        assert file.namelist() == NAMES
        assert file.testzip() is None

    midnight = datetime.fromisoformat(job["createdAt"]).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    expires_at = datetime.fromisoformat(job["archiveExpiresAt"])
    assert midnight + timedelta(days=8) <= expires_at <= midnight + timedelta(days=9)
    event = client.event(lambda detail: detail["jobId"] == job["jobId"])["detail"]
    listed = client.curl("/zip-jobs?limit=100")[2]["jobs"]
    (in_list,) = [one for one in listed if one["jobId"] == job["jobId"]]
    receipt = client.curl(archive["receiptUrl"])[2]
    for found in (job, event, in_list, receipt):
        assert found["metadata"] == ARCHIVE["metadata"]
    assert event["archiveExpiresAt"] == job["archiveExpiresAt"]

    receipt_path = tmp_path / "receipt.json"
    receipt_path.write_text(json.dumps(receipt))
    verified = zipjobs(client, "verify", path, receipt_path)
    assert verified.code == 0, verified.err

    place = {"Bucket": job["targetBucket"], "Key": archive["key"]}
    stored = client.s3.head_object(**place)
    assert stored["StorageClass"] == "INTELLIGENT_TIERING"
    assert stored["Metadata"].items() >= ARCHIVE["metadata"].items()  # type: ignore[attr-defined]
    tags = {**ARCHIVE["tags"], "zipjobs-expires-in-days": "7"}  # type: ignore[dict-item]
    for key in (archive["key"], archive["receiptKey"]):
        tagged = client.s3.get_object_tagging(Bucket=job["targetBucket"], Key=key)["TagSet"]
        assert {tag["Key"]: tag["Value"] for tag in tagged} == tags
