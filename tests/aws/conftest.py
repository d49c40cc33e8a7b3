"""AWS on loopback: a moto server, with one bucket of each kind and a job table."""

import logging
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from moto.server import ThreadedMotoServer

from local.moto_gaps import close_gaps
from tests.aws.rig import Bus, Rig
from zipjobs.archive.reader import ObjectReader
from zipjobs.archive.sender import PartSender
from zipjobs.archive.transport import Transport
from zipjobs.jobs.store import JobStore

REGION = "us-east-1"
KEEP_SECONDS = 3600


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The endpoint's URL."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    close_gaps()
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    _, port = moto.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    moto.stop()


@pytest.fixture(scope="module")
def transport(server: str) -> Iterator[Transport]:
    credentials = ReadOnlyCredentials("test", "test", None)
    transport = Transport(server, REGION, lambda: credentials, max_connections=16)
    yield transport
    transport.close()


@pytest.fixture(scope="module")
def sender(server: str) -> PartSender:
    return PartSender(server, REGION, lambda: ReadOnlyCredentials("test", "test", None), 4)


@pytest.fixture
def aws(server: str) -> Callable[[str], Any]:
    """Makes clients of a moto that has been emptied."""
    reset = urllib.request.Request(f"{server}/moto-api/reset", method="POST")
    urllib.request.urlopen(reset).close()

    def client(service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=server,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    return client


@pytest.fixture
def s3(aws: Callable[[str], Any]) -> Any:
    client = aws("s3")
    for bucket in ("src", "dst", "manifests"):
        client.create_bucket(Bucket=bucket)
    return client


@pytest.fixture
def reader(transport: Transport) -> ObjectReader:
    return ObjectReader(transport)


@pytest.fixture
def put(s3: Any) -> Callable[[str, bytes], str]:
    """Puts an object into the source bucket; returns its ETag."""

    def put_object(key: str, body: bytes) -> str:
        etag: str = s3.put_object(Bucket="src", Key=key, Body=body)["ETag"]
        return etag

    return put_object


@pytest.fixture
def dynamodb(aws: Callable[[str], Any]) -> Any:
    client = aws("dynamodb")
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


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def rig(
    s3: Any,
    dynamodb: Any,
    store: JobStore,
    bus: Bus,
    reader: ObjectReader,
    sender: PartSender,
    put: Callable[[str, bytes], str],
) -> Rig:
    put("a/one.pdf", b"one")
    put("b/one.pdf", b"two")
    return Rig(s3, dynamodb, store, bus, reader, sender)
