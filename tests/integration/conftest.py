"""A moto server with one bucket of each kind and a job table.

A test that uses only S3, and injects no faults, has the marker ``s3``: ``make test-s3`` runs it
with another S3.
"""

import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from botocore.config import Config

from local.faults.injector import FaultInjector
from local.server import serving_aws
from tests.integration.worker_setup import Bus, Workers
from tests.support.job_table import create_job_table
from tests.support.other_s3 import OTHER_S3, delete_buckets
from tests.support.s3_clients import http_client
from zipjobs.jobs.store import JobStore
from zipjobs.jobs.table import JobTable
from zipjobs.s3.http.client import HttpClient
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.part_upload import PartSender

FOLDER = Path(__file__).parent
ONLY_EMBEDDED = {"faults", "dynamodb"}
REGION = "us-east-1"
KEEP_SECONDS = 3600
GRACE_SECONDS = 1800

Put = Callable[[str, bytes], str]
"""Stores an object and returns its ETag."""


def aws_client(service: str, url: str, **config: Any) -> Any:
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            **config,
        ),
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if item.path.is_relative_to(FOLDER) and "s3" in fixtures and not fixtures & ONLY_EMBEDDED:
            item.add_marker(pytest.mark.s3)


class Served(NamedTuple):
    url: str
    faults: FaultInjector


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    faults = FaultInjector()
    with serving_aws(faults, services=("s3", "dynamodb", "moto_api")) as url:
        yield Served(url, faults)


@pytest.fixture(scope="module")
def server(served: Served) -> str:
    """The URL of S3."""
    return OTHER_S3 or served.url


@pytest.fixture
def faults(served: Served) -> Iterator[FaultInjector]:
    """Return the server's fault injector. Its plan ends with the test."""
    yield served.faults
    served.faults.clear()


@pytest.fixture(scope="module")
def http(server: str) -> Iterator[HttpClient]:
    client = http_client(server)
    yield client
    client.close()


@pytest.fixture(scope="module")
def sender(http: HttpClient) -> PartSender:
    return PartSender(http)


@pytest.fixture
def aws(server: str) -> Callable[[str], Any]:
    """Delete everything and return a function that creates clients."""
    if OTHER_S3:
        delete_buckets(aws_client("s3", server))
    else:
        reset = urllib.request.Request(f"{server}/moto-api/reset", method="POST")
        urllib.request.urlopen(reset).close()
    return lambda service: aws_client(service, server)


@pytest.fixture
def s3(aws: Callable[[str], Any]) -> Any:
    client = aws("s3")
    for bucket in ("src", "dst", "manifests"):
        client.create_bucket(Bucket=bucket)
    return client


@pytest.fixture
def reader(http: HttpClient) -> ObjectReader:
    return ObjectReader(http)


@pytest.fixture
def put(s3: Any) -> Put:
    """Return a function that puts an object into the source bucket and returns its ETag."""

    def put_object(key: str, body: bytes) -> str:
        etag: str = s3.put_object(Bucket="src", Key=key, Body=body)["ETag"]
        return etag

    return put_object


@pytest.fixture
def dynamodb(aws: Callable[[str], Any]) -> Any:
    client = aws("dynamodb")
    create_job_table(client, "jobs")
    return client


@pytest.fixture
def store(dynamodb: Any) -> JobStore:
    return JobStore(JobTable(dynamodb, "jobs"), KEEP_SECONDS, GRACE_SECONDS)


@pytest.fixture
def uploads(s3: Any) -> Callable[[], list[Any]]:
    """Return a function that lists the open multipart uploads of the target bucket."""
    return lambda: s3.list_multipart_uploads(Bucket="dst").get("Uploads", [])


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def workers(
    s3: Any,
    dynamodb: Any,
    store: JobStore,
    bus: Bus,
    reader: ObjectReader,
    sender: PartSender,
    put: Put,
) -> Workers:
    put("a/one.pdf", b"one")
    put("b/one.pdf", b"two")
    return Workers(s3, dynamodb, store, bus, reader, sender)
