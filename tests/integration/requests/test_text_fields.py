"""Every text field that users write, with characters that could end a header, a line or a log
entry: through to requests on the wire, URLs, log lines and terminal output.
"""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError
from rich.console import Console

from tests.integration.conftest import REGION
from tests.integration.worker_setup import Bus, Workers
from tests.support.recording import Recording, recording
from zipjobs.errors import InvalidRequest, NotAllowed, TransientError
from zipjobs.jobs.download_links import DownloadLinks
from zipjobs.jobs.job import Submission
from zipjobs.jobs.messages import UnknownMessage, parse_message
from zipjobs.jobs.store import JobStore
from zipjobs.jobs.view import JobView
from zipjobs.s3.client import Transport
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.part_upload import PartSender
from zipjobs.telemetry import start_logging
from zipjobs_cli.output.render import print_job

if TYPE_CHECKING:
    from zipjobs_cli.client.job import Job as ShownJob

SMUGGLED = "x\r\n\r\nPUT /attacker/loot HTTP/1.1\r\nHost: a\r\nContent-Length: 1500\r\n\r\n"
TEXTS = ("x\r", "x\n", "x\0", "x\u2028y", "é", SMUGGLED)

Make = Callable[[str], Any]
"""Makes the content of a request or a list with a text in one of its fields."""

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
    "stripPrefix": lambda text: {"keys": ["a/one.pdf"], "naming": "path", "stripPrefix": text},
    "entriesFrom": lambda text: {"entriesFrom": f"s3://src/{text}"},
}

GOOD_ROW = {"bucket": "src", "key": "a/one.pdf", "size": 3}
INVENTORY = "Bucket, Key, VersionId, IsLatest, Size, ETag"


def json_lines(field: str) -> Make:
    return lambda text: json.dumps(GOOD_ROW | {field: text}).encode()


def csv_row(*fields: str) -> Make:
    def make(text: str) -> bytes:
        row = io.StringIO()
        csv.writer(row).writerow([field.replace("TEXT", text) for field in fields])
        return row.getvalue().encode()

    return make


LISTS: dict[str, Make] = {
    **{f"JSON Lines {field}": json_lines(field) for field in ("bucket", "key", "name")},
    **{f"JSON Lines {field}": json_lines(field) for field in ("versionId", "etag")},
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
def recorded_workers(
    wire: Recording, workers: Workers, dynamodb: Any, store: JobStore, bus: Bus
) -> Iterator[Workers]:
    """A workers whose requests to S3 are all recorded."""
    credentials = ReadOnlyCredentials("test", "test", None)
    s3 = boto3.client(
        "s3",
        endpoint_url=wire.url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"total_max_attempts": 1},
        ),
    )
    transport = Transport(wire.url, REGION, lambda: credentials, max_connections=4)
    sender = PartSender(wire.url, REGION, lambda: credentials, 4)
    wire.clear()
    yield Workers(s3, dynamodb, store, bus, ObjectReader(transport), sender)
    transport.close()


def assert_harmless(
    workers: Workers, wire: Recording, message: Submission, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run a job, and look at all that it sent, logged and shows."""
    start_logging(None)
    try:
        job = workers.run(message)
    except TransientError:  # the embedded AWS has no keys with line breaks
        job = workers.fail_exhausted(message)
    for request in wire.requests():  # each is well-formed
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


@pytest.mark.parametrize("make", REQUESTS.values(), ids=REQUESTS)
def test_a_text_field_of_a_request_ends_no_line(
    recorded_workers: Workers, wire: Recording, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, text in enumerate(TEXTS):
        message = recorded_workers.request(make(text)).model_copy(
            update={"job_id": f"job-{number}"}
        )
        assert_harmless(recorded_workers, wire, message, capsys)


@pytest.mark.parametrize("make", LISTS.values(), ids=LISTS)
def test_a_text_field_of_a_list_ends_no_line(
    recorded_workers: Workers, wire: Recording, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, text in enumerate(TEXTS):
        recorded_workers.s3.put_object(Bucket="src", Key="list", Body=make(text))
        message = recorded_workers.request({"entriesFrom": "s3://src/list"})
        message = message.model_copy(update={"job_id": f"job-{number}"})
        assert_harmless(recorded_workers, wire, message, capsys)


@pytest.mark.parametrize("make", INVENTORIES.values(), ids=INVENTORIES)
def test_a_text_field_of_an_inventory_ends_no_line(
    recorded_workers: Workers, wire: Recording, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = {
        "destinationBucket": "arn:aws:s3:::src",
        "fileFormat": "CSV",
        "fileSchema": INVENTORY,
        "files": [{"key": "inventory.csv.gz"}],
    }
    recorded_workers.s3.put_object(
        Bucket="src", Key="manifest.json", Body=json.dumps(manifest).encode()
    )
    for number, text in enumerate(TEXTS):
        data = gzip.compress(make(text))
        recorded_workers.s3.put_object(Bucket="src", Key="inventory.csv.gz", Body=data)
        message = recorded_workers.request({"entriesFrom": "s3://src/manifest.json"})
        message = message.model_copy(update={"job_id": f"job-{number}"})
        assert_harmless(recorded_workers, wire, message, capsys)


@pytest.mark.parametrize("field", EVENT)
def test_a_text_field_of_an_event_ends_no_line(
    recorded_workers: Workers, wire: Recording, field: str, capsys: pytest.CaptureFixture[str]
) -> None:
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
        assert field == "key", "only a key may have any characters"
        with suppress(ClientError):  # the embedded AWS has no keys with line breaks
            body = b'{"keys": ["a/one.pdf"]}'
            recorded_workers.s3.put_object(Bucket="manifests", Key=found["key"], Body=body)
        assert_harmless(recorded_workers, wire, message, capsys)


def test_the_texts_reach_the_wire_where_they_are_allowed(
    recorded_workers: Workers, wire: Recording, capsys: pytest.CaptureFixture[str]
) -> None:
    """Otherwise the other tests would show nothing."""
    assert_harmless(
        recorded_workers, wire, recorded_workers.request({"keys": [f"a/{SMUGGLED}"]}), capsys
    )
    targets = [request.target for request in wire.requests() if request.method == "GET"]
    assert any("%0D%0A%0D%0APUT%20/attacker/loot" in target for target in targets)


def test_a_smuggled_request_would_be_noticed() -> None:
    first = b"GET /src/a HTTP/1.1\r\nIf-Match: x\r\n\r\n"
    second = b"PUT /attacker/loot HTTP/1.1\r\n\r\n"
    stream = bytearray(first + second)
    smuggled = Recording(streams=[stream]).requests()[1]
    assert (smuggled.method, smuggled.target) == ("PUT", "/attacker/loot")
    assert "authorization" not in smuggled.headers


@pytest.mark.parametrize("field", ["targetBucket", "sourceBucket"])
def test_a_bucket_outside_the_allow_list_is_refused_before_a_request(
    recorded_workers: Workers, wire: Recording, field: str
) -> None:
    wire.clear()
    message = recorded_workers.request({"keys": ["a/one.pdf"], field: "elsewhere"})
    job = recorded_workers.run(message)
    assert job.error is not None
    assert job.error.code in (NotAllowed.code, InvalidRequest.code)
    assert not [one for one in wire.requests() if "elsewhere" in one.target]
