"""``AWS_CA_BUNDLE`` applies to all requests to S3: those of boto3, reads and parts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import SSLError

from tests.support.environment import FUNCTIONS_ENVIRONMENT
from tests.support.http_server import Exchange, ScriptedServer, make_certificate, response
from tests.unit.s3.loopback import read
from zipjobs.errors import ServiceUnavailable
from zipjobs.s3 import retry
from zipjobs.s3.bucket_owners import BucketOwners
from zipjobs.s3.target import Target
from zipjobs.wiring.api import s3_client
from zipjobs.wiring.worker import DataPlane

CHECKSUM = "x-amz-checksum-crc32"
OWNERS = BucketOwners("123456789012")
FOUND = {
    "ETag": '"e"',
    "Last-Modified": "Sun, 01 Nov 2026 12:00:00 GMT",
    "Content-Range": "bytes 0-2/3",
}


@pytest.fixture(autouse=True)
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A server with a certificate of its own, which is the endpoint of S3. Yield its file."""
    certificate = make_certificate(tmp_path)

    def answer(exchange: Exchange) -> None:
        request = exchange.request
        exchange.read_body()
        part = {
            "ETag": '"e"',
            "x-amz-checksum-crc32": request.headers.get("x-amz-checksum-crc32", ""),
        }
        is_read = request.method == "GET"
        exchange.send(response(b"abc", 206, FOUND) if is_read else response(b"", 200, part))

    server = ScriptedServer(answer, tls=certificate.context())
    for name, value in FUNCTIONS_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    monkeypatch.setattr(retry, "ATTEMPTS", 1)
    yield certificate.file
    server.close()


def test_all_clients_trust_the_bundle(server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(server))
    s3 = s3_client(OWNERS)
    assert s3.head_bucket(Bucket="src")["ResponseMetadata"]["HTTPStatusCode"] == 200
    plane = DataPlane(s3, OWNERS)
    assert read(plane.reader(2), flows=True) == b"abc"
    part = plane.sender(2).put(Target("dst", "a.zip"), "u", 1, 3, lambda: [b"abc"])
    assert part.etag == '"e"'


def test_no_client_trusts_another_certificate() -> None:
    s3 = s3_client(OWNERS)
    with pytest.raises(SSLError):
        s3.head_bucket(Bucket="src")
    plane = DataPlane(s3, OWNERS)
    with pytest.raises(ServiceUnavailable, match="certificate"):
        read(plane.reader(2), flows=True)
    with pytest.raises(ServiceUnavailable, match="certificate"):
        plane.sender(2).put(Target("dst", "a.zip"), "u", 1, 3, lambda: [b"abc"])
