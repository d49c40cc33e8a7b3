"""Characters in text fields that could end a header, a line or a log entry.

The tests follow each field that users write to S3 requests, URLs, log lines and terminal output.
"""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from tests.integration.conftest import aws_client
from tests.integration.requests.recording_proxy import Recording, recording
from tests.integration.worker_setup import Bus, Workers, error_of
from tests.support.s3_clients import http_client
from zipjobs.errors import InvalidRequest, NotAllowed, TransientError
from zipjobs.jobs.download_links import DownloadLinks
from zipjobs.jobs.job import Submission
from zipjobs.jobs.messages import UnknownMessage, parse_message
from zipjobs.jobs.store import JobStore
from zipjobs.jobs.view import JobView
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.part_upload import PartSender
from zipjobs.telemetry import start_logging
from zipjobs_cli.output.render import print_job

if TYPE_CHECKING:
    from zipjobs_cli.client.job import Job as ShownJob

SMUGGLED = "x\r\n\r\nPUT /attacker/loot HTTP/1.1\r\nHost: a\r\nContent-Length: 1500\r\n\r\n"
TEXTS = ("x\r", "x\n", "x\0", "x\u2028y", "é", SMUGGLED)

Make = Callable[[str], Any]
"""A function that returns a request or a list with the text in one field."""

REQUESTS: dict[str, Make] = {
    "keys": lambda text: {"keys": ["a/one.pdf", text]},
    "entries.key": lambda text: {"entries": [{"key": text}]},
    "entries.bucket": lambda text: {"entries": [{"key": "a/one.pdf", "bucket": text}]},
    "entries.name": lambda text: {"entries": [{"key": "a/one.pdf", "name": text}]},
    "entries.versionId": lambda text: {"entries": [{"key": "a/one.pdf", "versionId": text}]},
    "prefix": lambda text: {"prefix": text},
    "include": lambda text: {"prefix": "", "include": ["**", text]},
    "exclude": lambda text: {"prefix": "", "exclude": [text]},
    "sourceBucket": lambda text: {"keys": ["a/one.pdf"], "sourceBucket": text},
    "targetBucket": lambda text: {"keys": ["a/one.pdf"], "targetBucket": text},
    "targetPrefix": lambda text: {"keys": ["a/one.pdf"], "targetPrefix": f"zips/{text}"},
    "archiveName": lambda text: {"keys": ["a/one.pdf"], "archiveName": text},
    "tags": lambda text: {"keys": ["a/one.pdf"], "tags": {"team": text}},
    "tags (key)": lambda text: {"keys": ["a/one.pdf"], "tags": {text: "team"}},
    "metadata": lambda text: {"keys": ["a/one.pdf"], "metadata": {"order": text}},
    "metadata (key)": lambda text: {"keys": ["a/one.pdf"], "metadata": {text: "order"}},
    "modifiedAfter": lambda text: {"prefix": "a/", "modifiedAfter": text},
    "storageClass": lambda text: {"keys": ["a/one.pdf"], "storageClass": text},
    "stripPrefix": lambda text: {"keys": ["a/one.pdf"], "naming": "path", "stripPrefix": text},
    "entriesFrom": lambda text: {"entriesFrom": f"s3://src/{text}"},
}

GOOD_ROW = {"bucket": "src", "key": "a/one.pdf", "size": 3}


def json_lines(field: str) -> Make:
    return lambda text: json.dumps(GOOD_ROW | {field: text}).encode()


def csv_row(*fields: str) -> Make:
    def make(text: str) -> bytes:
        row = io.StringIO()
        csv.writer(row).writerow([field.replace("TEXT", text) for field in fields])
        return row.getvalue().encode()

    return make


LISTS: dict[str, Make] = {
    **{
        f"JSON Lines {field}": json_lines(field)
        for field in ("bucket", "key", "name", "versionId", "etag")
    },
    "CSV bucket": csv_row("TEXT", "a/one.pdf", "3"),
    "CSV key": csv_row("src", "TEXT", "3"),
    "CSV etag": csv_row("src", "a/one.pdf", "3", "TEXT"),
}
INVENTORIES: dict[str, Make] = {
    "inventory Bucket": csv_row("TEXT", "a/one.pdf", "", "true", "3", "e"),
    "inventory Key": csv_row("src", "TEXT", "", "true", "3", "e"),
    "inventory VersionId": csv_row("src", "a/one.pdf", "TEXT", "true", "3", "e"),
    "inventory ETag": csv_row("src", "a/one.pdf", "", "true", "3", "TEXT"),
}
EVENT = {
    "bucket": "manifests",
    "key": "manifests/m.json",
    "etag": "e",
    "version-id": "",
    "sequencer": "1",
}


@pytest.fixture(scope="module")
def wire(server: str) -> Iterator[Recording]:
    with recording(server) as record:
        yield record


@pytest.fixture
def workers(
    wire: Recording, workers: Workers, dynamodb: Any, store: JobStore, bus: Bus
) -> Iterator[Workers]:
    """Workers whose requests to S3 are recorded."""
    s3 = aws_client("s3", wire.url, retries={"total_max_attempts": 1})
    client = http_client(wire.url, 4)
    wire.clear()
    yield Workers(s3, dynamodb, store, bus, ObjectReader(client), PartSender(client))
    client.close()


Check = Callable[[Submission], None]


@pytest.fixture
def check(workers: Workers, wire: Recording, capsys: pytest.CaptureFixture[str]) -> Check:
    """Return a function that runs a job and checks its requests, log, links and output."""

    def run_and_check(message: Submission) -> None:
        start_logging(None)
        try:
            job = workers.run(message)
        except TransientError:  # moto does not support keys with line breaks
            job = workers.fail_exhausted(message)
        for request in wire.requests():
            assert "authorization" in request.headers, request
            assert not request.target.startswith("/attacker"), request
        for line in capsys.readouterr().out.split("\n"):
            assert not line or isinstance(json.loads(line), dict), line
            assert line.isprintable() or "\u2028" in line, ascii(line)
        links = DownloadLinks(workers.s3, 60).create(job) if job.archives else ()
        assert all(one.url.isascii() and one.url.isprintable() for one in links)
        shown: ShownJob = json.loads(JobView.of(job, links).model_dump_json(by_alias=True))
        terminal = io.StringIO()
        print_job(Console(file=terminal, width=200), shown, has_links=True)
        assert all(line.isprintable() for line in terminal.getvalue().split("\n")), job

    return run_and_check


@pytest.mark.parametrize("make", REQUESTS.values(), ids=REQUESTS)
def test_text_fields_of_requests_are_harmless(workers: Workers, check: Check, make: Make) -> None:
    for number, text in enumerate(TEXTS):
        check(workers.submit(make(text), f"job-{number}"))


@pytest.mark.parametrize("make", LISTS.values(), ids=LISTS)
def test_text_fields_of_lists_are_harmless(workers: Workers, check: Check, make: Make) -> None:
    for number, text in enumerate(TEXTS):
        workers.s3.put_object(Bucket="src", Key="list", Body=make(text))
        check(workers.submit({"entriesFrom": "s3://src/list"}, f"job-{number}"))


@pytest.mark.parametrize("make", INVENTORIES.values(), ids=INVENTORIES)
def test_text_fields_of_inventories_are_harmless(
    workers: Workers, check: Check, make: Make
) -> None:
    manifest = {
        "destinationBucket": "arn:aws:s3:::src",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, VersionId, IsLatest, Size, ETag",
        "files": [{"key": "inventory.csv.gz"}],
    }
    workers.s3.put_object(Bucket="src", Key="manifest.json", Body=json.dumps(manifest).encode())
    for number, text in enumerate(TEXTS):
        data = gzip.compress(make(text))
        workers.s3.put_object(Bucket="src", Key="inventory.csv.gz", Body=data)
        check(workers.submit({"entriesFrom": "s3://src/manifest.json"}, f"job-{number}"))


@pytest.mark.parametrize("field", EVENT)
def test_text_fields_of_events_are_harmless(workers: Workers, check: Check, field: str) -> None:
    for text in TEXTS:
        found: dict[str, Any] = EVENT | {field: EVENT[field] + text}
        found = {name: value for name, value in found.items() if value}
        bucket = {"name": found.pop("bucket")}
        event = {
            "detail-type": "Object Created",
            "time": "2026-11-23T12:00:00Z",
            "detail": {"bucket": bucket, "object": found},
        }
        try:
            message = parse_message(json.dumps(event))
        except UnknownMessage:
            continue
        assert field == "key", "only a key can contain any character"
        with suppress(ClientError):  # moto does not support keys with line breaks
            body = b'{"keys": ["a/one.pdf"]}'
            workers.s3.put_object(Bucket="manifests", Key=found["key"], Body=body)
        check(message)


def test_the_texts_are_sent_where_they_are_allowed(
    workers: Workers, check: Check, wire: Recording
) -> None:
    """Otherwise the other tests prove nothing."""
    check(workers.submit({"keys": [f"a/{SMUGGLED}"]}))
    targets = [request.target for request in wire.requests() if request.method == "GET"]
    assert any("%0D%0A%0D%0APUT%20/attacker/loot" in target for target in targets)


def test_the_recording_shows_a_smuggled_request() -> None:
    first = b"GET /src/a HTTP/1.1\r\nIf-Match: x\r\n\r\n"
    second = b"PUT /attacker/loot HTTP/1.1\r\n\r\n"
    smuggled = Recording(streams=[bytearray(first + second)]).requests()[1]
    assert (smuggled.method, smuggled.target) == ("PUT", "/attacker/loot")
    assert "authorization" not in smuggled.headers


@pytest.mark.parametrize("field", ["targetBucket", "sourceBucket"])
def test_no_request_is_sent_to_a_bucket_outside_the_allow_list(
    workers: Workers, wire: Recording, field: str
) -> None:
    wire.clear()
    job = workers.run(workers.submit({"keys": ["a/one.pdf"], field: "elsewhere"}))
    assert error_of(job).code in (NotAllowed.code, InvalidRequest.code)
    assert not [one for one in wire.requests() if "elsewhere" in one.target]
